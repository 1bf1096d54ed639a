"""Packed files: the same content out of every packing, and one sentence for each way to be broken."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import InputError
from kg.storage import packed
from kg.storage.packed import PackedFile, plain_suffix, read_bytes

Packings = dict[str, Callable[[bytes], bytes]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packed")


@given(content=st.binary(max_size=300), size=st.integers(1, 400))
def test_every_packing_gives_the_content_back(folder: Path, packings: Packings, content: bytes, size: int) -> None:
    for suffix, pack in packings.items():
        file = folder / f"t.txt{suffix}"
        file.write_bytes(pack(content))
        expected = content.removeprefix(b"\xef\xbb\xbf")
        assert read_bytes(file) == expected
        with PackedFile(file) as stream:
            parts = list(iter(lambda: stream.read(size), b""))
        assert b"".join(parts) == expected
        assert all(len(part) <= size for part in parts)


def test_the_suffix_is_that_of_the_content() -> None:
    assert plain_suffix(Path("a.b/T.NT.GZ")) == ".nt"
    assert plain_suffix(Path("t.ttl")) == ".ttl"
    assert plain_suffix(Path("t.zst")) == ""


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, packings: Packings, suffix: str) -> None:
    content = packings[suffix](bytes(range(256)) * 100)
    for broken in (content[: len(content) // 2], content[:-1], b"plain text"):
        (tmp_path / f"t{suffix}").write_bytes(broken)
        with pytest.raises(InputError, match="cut off or damaged") as caught:
            read_bytes(tmp_path / f"t{suffix}")
        assert "\n" not in str(caught.value)


def test_several_packed_parts_in_one_file_are_read_one_after_the_other(tmp_path: Path, packings: Packings) -> None:
    for suffix in (".gz", ".bz2", ".zst"):
        (tmp_path / f"t{suffix}").write_bytes(packings[suffix](b"one") + packings[suffix](b"two"))
        assert read_bytes(tmp_path / f"t{suffix}") == b"onetwo"


def test_a_file_that_unpacks_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_HARMLESS_BYTES", 1 << 16)
    file = tmp_path / "t.gz"
    file.write_bytes(gzip.compress(bytes(1 << 22)))
    with pytest.raises(InputError, match="unpacks to more than 500 times its size"):
        read_bytes(file)
    file.with_suffix("").write_bytes(bytes(1 << 22))
    assert len(read_bytes(file.with_suffix(""))) == 1 << 22


def test_a_missing_file_and_a_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_bytes(tmp_path / "nothing.gz")
    with pytest.raises(InputError, match="cannot be read"):
        read_bytes(tmp_path)
