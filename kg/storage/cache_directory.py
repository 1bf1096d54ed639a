"""The directory of files that can be made again at any time."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["default_cache_directory"]


def default_cache_directory() -> Path:
    """Return `$KGREC_CACHE`, else `kgrec` in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("KGREC_CACHE") or Path(base) / "kgrec")
