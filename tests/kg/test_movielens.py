from __future__ import annotations

import hashlib
import io
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
    num_asked: int = 0
    url: str = ""

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.num_asked += 1
            if self.path != "/ml-100k.zip":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(served.content)))
            self.end_headers()
            self.wfile.write(served.content[: served.cuts.pop(0)] if served.cuts else served.content)

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


def test_an_interrupted_transfer_is_tried_again(site: Site, tmp_path: Path) -> None:
    site.cuts = [1000, 500]
    assert fetch("ml-100k", tmp_path, url=site.url, sha=site.sha).is_dir()
    assert site.num_asked == 3


def test_after_too_many_interruptions_nothing_is_left(site: Site, tmp_path: Path) -> None:
    site.cuts = [1000, 0, 0]
    with pytest.raises(InputError, match="could not be fetched"):
        fetch("ml-100k", tmp_path, url=site.url, sha=site.sha)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_checksum_is_refused_and_the_archive_removed(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the checksum \w{32}, expected 0e33842e24a9c977be4e0107933c0723"):
        fetch("ml-100k", tmp_path, url=site.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "ml-100k/../../evil", "ml-100k/a/../../../evil", "ml-100k/..", "c:/evil"]
)
def test_paths_that_leave_the_folder_are_not_followed(site: Site, tmp_path: Path, name: str) -> None:
    site.content = archive((name, b"x"))
    folder = fetch("ml-100k", tmp_path / "data", url=site.url, sha=site.sha)
    assert sorted(path.name for path in folder.iterdir()) == ["u.data", "u.item", "u.user"]
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_links_in_the_archive_become_plain_files(site: Site, tmp_path: Path) -> None:
    content = io.BytesIO(archive())
    with zipfile.ZipFile(content, "a") as file:
        link = zipfile.ZipInfo("ml-100k/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc")
    site.content = content.getvalue()
    assert not (fetch("ml-100k", tmp_path, url=site.url, sha=site.sha) / "link").is_symlink()


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
