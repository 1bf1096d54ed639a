"""Fetches the public MovieLens archives from their own site; their terms forbid others to hand them on."""

from __future__ import annotations

import hashlib
import http.client
import io
import logging
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kg.errors import InputError, did_you_mean
from kg.storage.atomic import staged_directory

__all__ = ["ARCHIVES", "Archive", "fetch"]

logger = logging.getLogger(__name__)

_ATTEMPTS = 3
_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 16
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A public archive.

    Attributes:
        url: Where it is.
        digest: Its published checksum: MD5 (32 hexadecimal digits) or SHA-256 (64).
        holds: Files that show that the unpacked folder is whole.
    """

    url: str
    digest: str
    holds: tuple[str, ...]


ARCHIVES = {
    "ml-100k": Archive(
        url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        digest="0e33842e24a9c977be4e0107933c0723",
        holds=("u.data", "u.item", "u.user"),
    ),
    "ml-1m": Archive(
        url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        digest="c4d9eecfca2ab87c1945afe126590906",
        holds=("ratings.dat", "movies.dat", "users.dat"),
    ),
}


def fetch(
    name: str, directory: Path, *, url: str | None = None, sha: str | None = None, progress: Progress | None = None
) -> Path:
    """Download and unpack a MovieLens archive, a few megabytes.

    Args:
        name: `ml-100k` or `ml-1m`.
        directory: Where the folder of that name shall be; give it to `--data` afterwards.
        url: Another place of the same archive.
        sha: Another checksum, MD5 or SHA-256 in hexadecimal.
        progress: Called with the bytes there are so far and their total, if the site tells it.

    Returns:
        The unpacked folder; one that is already whole is left as it is.

    Raises:
        InputError: If the name is unknown, the site cannot be reached, or the archive is not what was published.
    """
    if name not in ARCHIVES:
        raise InputError(
            f"{name!r} cannot be downloaded; there are {', '.join(ARCHIVES)}.{did_you_mean(name, ARCHIVES)}"
        )
    archive, folder = ARCHIVES[name], Path(directory) / name
    if folder.exists():
        absent = [file for file in archive.holds if not (folder / file).is_file()]
        if absent:
            raise InputError(
                f"this folder is there but lacks {absent[0]}; move it away, then download again", file=folder
            )
        logger.info("%s is already there", folder)
        return folder
    url, expected = url or archive.url, (sha or archive.digest).lower()
    if not url.startswith(("https://", "http://")):
        raise InputError(f"expected an address that starts with https:// or http://, found {url!r}")
    kinds = {32: "md5", 64: "sha256"}
    if len(expected) not in kinds:
        raise InputError(f"expected a checksum of 32 (MD5) or 64 (SHA-256) hexadecimal digits, found {len(expected)}")
    with staged_directory(folder) as staged:
        content = _download(url, progress)
        checksum = hashlib.new(kinds[len(expected)], content).hexdigest()
        if checksum != expected:
            raise InputError(
                f"the archive from {url} has the checksum {checksum}, expected {expected}; it was damaged on the way or "
                "changed at its source and was not kept; try again"
            )
        _unpack(content, name, staged)
        absent = [file for file in archive.holds if not (staged / file).is_file()]
        if absent:
            raise InputError(f"expected {name}/{absent[0]} in the archive, found none; is this the right address?")
    return folder


def _download(url: str, progress: Progress | None) -> bytes:
    """Return what is at an address; a transfer that is cut off is tried again."""
    problem = ""
    for _ in range(_ATTEMPTS):
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
                length = response.headers.get("Content-Length")
                content, total = bytearray(), int(length) if length else None
                while chunk := response.read(_CHUNK_BYTES):
                    content += chunk
                    if progress is not None:
                        progress(len(content), total)
        except urllib.error.HTTPError as error:
            error.close()
            raise InputError(
                f"{url} answers {error.code} {error.reason}; check the address, or try again later"
            ) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            problem = str(getattr(error, "reason", None) or error or type(error).__name__)
        else:
            if total is None or len(content) == total:
                return bytes(content)
            problem = f"{len(content):,} of {total:,} bytes came"
        logger.warning("the transfer of %s was interrupted (%s)", url, problem)
    raise InputError(f"{url} could not be fetched ({problem}); try again later")


def _unpack(content: bytes, name: str, folder: Path) -> None:
    """Write the files that lie directly in the folder of an archive; a path that leads elsewhere is not followed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                parts = PurePosixPath(member.filename).parts
                if len(parts) == 2 and parts[0] == name and parts[1] != ".." and not member.is_dir():
                    (folder / parts[1]).write_bytes(archive.read(member))
    except zipfile.BadZipFile as error:
        raise InputError(f"expected a zip archive, found something else ({error}); try again") from None
