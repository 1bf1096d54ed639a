"""Fetches the public MovieLens archives from their own site; their terms forbid others to hand them on."""

from __future__ import annotations

import hashlib
import http.client
import logging
import shutil
import stat
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kg.errors import InputError, did_you_mean
from kg.storage.atomic import staged_directory
from kg.storage.kept import kept
from kg.storage.only_writer import only_writer
from kg.storage.unwritable import unwritable_as

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
    """Download and unpack a MovieLens archive; what an interrupted run has fetched is not fetched again.

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
    part = folder.with_name(f".{name}.zip.part")
    with kept(f"what was fetched is kept in {part}"), only_writer(folder), unwritable_as(folder, part):
        _download(url or archive.url, part, progress)
        _check(part, (sha or archive.digest).lower(), url or archive.url)
        _unpack(part, folder, archive)
        part.unlink()
    return folder


def _download(url: str, part: Path, progress: Progress | None) -> None:
    """Bring `part` to its full length, going on where it ends; a cut connection is tried again."""
    if not url.startswith(("https://", "http://")):
        raise InputError(f"expected an address that starts with https:// or http://, found {url!r}")
    problem = ""
    for _ in range(_ATTEMPTS):
        have = part.stat().st_size if part.exists() else 0
        try:
            problem = _transfer(url, part, have, progress)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                return  # nothing is left to fetch; the checksum tells whether it is right
            raise InputError(
                f"{url} answers {error.code} {error.reason}; check the address, or try again later"
            ) from None
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            problem = str(getattr(error, "reason", None) or error or type(error).__name__)
        if not problem:
            return
        logger.warning("the transfer of %s was interrupted (%s)", url, problem)
    raise InputError(f"{url} could not be fetched ({problem}); run the same command again to go on where it stopped")


def _transfer(url: str, part: Path, have: int, progress: Progress | None) -> str:
    """Append what is missing to `part`; return what went wrong, or an empty text."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            return "the site sent another part than was asked for"
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(have, total)
    return "" if total is None or have >= total else f"{have:,} of {total:,} bytes came"


def _check(part: Path, expected: str, url: str) -> None:
    kinds = {32: "md5", 64: "sha256"}
    if len(expected) not in kinds:
        raise InputError(f"expected a checksum of 32 (MD5) or 64 (SHA-256) hexadecimal digits, found {len(expected)}")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, kinds[len(expected)]).hexdigest()
    if found != expected:
        part.unlink()
        raise InputError(
            f"the archive from {url} has the checksum {found}, expected {expected}; it was damaged on the way or changed "
            "at its source and has been removed; try again"
        )


def _unpack(part: Path, folder: Path, archive: Archive) -> None:
    try:
        with zipfile.ZipFile(part) as content, staged_directory(folder) as staged:
            for member in content.infolist():
                inside = _inside(member, folder.name)
                if member.is_dir() or inside is None:
                    continue
                target = staged / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                with content.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
            absent = [file for file in archive.holds if not (staged / file).is_file()]
            if absent:
                raise InputError(
                    f"expected {folder.name}/{absent[0]} in the archive, found none; is this the right address?"
                )
    except zipfile.BadZipFile as error:
        part.unlink()
        raise InputError(f"expected a zip archive, found something else ({error}); try again", file=part) from None


def _inside(member: zipfile.ZipInfo, top: str) -> PurePosixPath | None:
    """Return the path of a member below the top folder; refuse one that would leave it."""
    path = PurePosixPath(member.filename)
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in member.filename
        or ":" in path.parts[0]
        or stat.S_ISLNK(member.external_attr >> 16)
    ):
        raise InputError(
            f"the archive holds {member.filename!r}, which would be written outside its folder; nothing was unpacked"
        )
    return PurePosixPath(*path.parts[1:]) if len(path.parts) > 1 and path.parts[0] == top else None
