"""MkDocs hook: a page that would load a script, a font, a style or a picture from the network ends the build."""

from __future__ import annotations

import re
from typing import Any

from mkdocs.exceptions import PluginError

LOADED = re.compile(
    r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//[^"]*"|<link\b[^>]*\bhref="(?:https?:)?//[^"]*"'
)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Return the page as it is, or raise with the first address it would load."""
    if loaded := LOADED.search(output):
        raise PluginError(f"{page.file.src_uri}: the site must open without a network, but loads {loaded[0]}")
    return output
