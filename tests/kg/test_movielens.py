from __future__ import annotations

import hashlib
import io
import re
import stat
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kg.errors import InputError
from kg.movielens import fetch


def archive(*extra: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in ("u.data", "u.item", "u.user"):
            file.writestr(f"ml-100k/{name}", hashlib.sha256(name.encode()).hexdigest() * 1000)
        for name, data in extra:
            file.writestr(name, data)
    return content.getvalue()


@dataclass
class Site:
    """A site that may cut its first answers after some bytes."""

    content: bytes = field(default_factory=archive)
    cuts: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    understands_ranges: bool = True
    url: str = ""

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            served.ranges.append(asked)
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and served.understands_ranges else 0
            if self.path != "/ml-100k.zip":
                self.send_error(404)
                return
            if start >= len(served.content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}")
            self.send_header("Content-Length", str(len(served.content) - start))
            self.end_headers()
            body = served.content[start:]
            self.wfile.write(body[: served.cuts.pop(0)] if served.cuts else body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        served.url = f"http://127.0.0.1:{server.server_port}/ml-100k.zip"
        yield served
        server.shutdown()


def test_fetch_unpacks_the_archive_and_leaves_nothing_else(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    folder = fetch(
        "ml-100k", tmp_path, url=site.url, sha=site.sha, progress=lambda have, total: seen.append((have, total))
    )
    assert folder == tmp_path / "ml-100k"
    assert sorted(path.name for path in folder.iterdir()) == ["u.data", "u.item", "u.user"]
    assert [path.name for path in tmp_path.iterdir()] == ["ml-100k"]
    assert seen[-1] == (len(site.content), len(site.content))
    assert fetch("ml-100k", tmp_path, url="http://127.0.0.1:1/") == folder


def test_an_interrupted_transfer_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.cuts = [1000, 500]
    fetch("ml-100k", tmp_path, url=site.url, sha=site.sha)
    assert site.ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_the_next_run_goes_on_after_too_many_interruptions(site: Site, tmp_path: Path) -> None:
    site.cuts = [1000, 0, 0]
    with pytest.raises(InputError, match="run the same command again to go on"):
        fetch("ml-100k", tmp_path, url=site.url, sha=site.sha)
    assert not (tmp_path / "ml-100k").exists()
    fetch("ml-100k", tmp_path, url=site.url, sha=site.sha)
    assert site.ranges[-1] == "bytes=1000-"


def test_a_site_without_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    site.cuts, site.understands_ranges = [1000], False
    fetch("ml-100k", tmp_path, url=site.url, sha=site.sha)
    assert len(site.ranges) == 2


def test_a_whole_archive_that_was_not_unpacked_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".ml-100k.zip.part").write_bytes(site.content)
    assert fetch("ml-100k", tmp_path, url=site.url, sha=site.sha).is_dir()
    assert site.ranges == [f"bytes={len(site.content)}-"]


def test_a_wrong_checksum_is_refused_and_the_archive_removed(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the checksum \w{32}, expected 0e33842e24a9c977be4e0107933c0723"):
        fetch("ml-100k", tmp_path, url=site.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "/evil", "ml-100k/../../evil", "ml-100k\\..\\evil", "c:/evil"])
def test_paths_that_leave_the_folder_are_refused(site: Site, tmp_path: Path, name: str) -> None:
    site.content = archive((name, b"x"))
    with pytest.raises(InputError, match="outside its folder"):
        fetch("ml-100k", tmp_path / "data", url=site.url, sha=site.sha)
    assert not (tmp_path / "data" / "ml-100k").exists()
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_links_in_the_archive_are_refused(site: Site, tmp_path: Path) -> None:
    content = io.BytesIO(archive())
    with zipfile.ZipFile(content, "a") as file:
        link = zipfile.ZipInfo("ml-100k/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc")
    site.content = content.getvalue()
    with pytest.raises(InputError, match="outside its folder"):
        fetch("ml-100k", tmp_path, url=site.url, sha=site.sha)


def test_other_archives_are_refused(site: Site, tmp_path: Path) -> None:
    site.content = b"<html>"
    with pytest.raises(InputError, match="expected a zip archive"):
        fetch("ml-100k", tmp_path, url=site.url, sha=site.sha)
    with pytest.raises(InputError, match="answers 404"):
        fetch("ml-100k", tmp_path, url=site.url + "x", sha=site.sha)


def test_wrong_arguments_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'ml-100k'"):
        fetch("ml-10k", tmp_path)
    with pytest.raises(InputError, match="starts with https://"):
        fetch("ml-100k", tmp_path, url="file:///etc/passwd")
    (tmp_path / "ml-1m").mkdir()
    with pytest.raises(InputError, match=r"lacks ratings\.dat; move it away"):
        fetch("ml-1m", tmp_path)
