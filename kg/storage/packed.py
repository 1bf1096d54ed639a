"""Files as streams, plain or compressed: one that is damaged, or unpacks without end, is one sentence."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from kg.errors import InputError

__all__ = ["PACKED", "PackedFile", "plain_suffix", "read_bytes"]

PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
# Text packs 5 to 100 times. A small file that unpacks to much more is made to fill the memory, or a mistake.
_MOST_TIMES, _HARMLESS_BYTES = 500, 1 << 26


def plain_suffix(file: Path) -> str:
    """Return the suffix in lower case, of `t.nt.gz` that of `t.nt`."""
    suffix = file.suffix.lower()
    return Path(file.stem).suffix.lower() if suffix in PACKED else suffix


class PackedFile:
    """A file that is unpacked while it is read, if its name ends in `.gz`, `.bz2` or `.zst`.

    A byte order mark of UTF-8 at its beginning is left out.

    Raises:
        InputError: On opening if there is no such file; on reading if it is cut off or damaged, or unpacks to more
            than 500 times its size.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._kind = PACKED.get(file.suffix.lower())
        try:
            self._most = max(_HARMLESS_BYTES, _MOST_TIMES * file.stat().st_size)
            self._stream = pa.input_stream(str(file), compression=self._kind)
        except FileNotFoundError:
            raise InputError("no such file; check the path in the description and --data", file=file) from None
        except OSError as error:
            raise InputError(f"the file cannot be read: {error.strerror or error}", file=file) from None
        self._read = 0
        self._ahead = self._next(3).removeprefix(b"\xef\xbb\xbf")

    def __enter__(self) -> PackedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; nothing at the end."""
        if size is None or size < 0:
            parts = []
            while part := self.read(1 << 20):
                parts.append(part)
            return b"".join(parts)
        if self._ahead:
            part, self._ahead = self._ahead[:size], self._ahead[size:]
            return part
        return self._next(size)

    def _next(self, size: int) -> bytes:
        try:
            part: bytes = self._stream.read(size)
        except OSError as error:
            if self._kind is None:
                raise InputError(f"the file cannot be read: {error.strerror or error}", file=self.file) from None
            raise InputError(
                f"expected a whole {self._kind} file, found one that is cut off or damaged ({error}); fetch it again",
                file=self.file,
            ) from None
        self._read += len(part)
        if self._kind is not None and self._read > self._most:
            raise InputError(
                f"the file unpacks to more than {_MOST_TIMES} times its size, which data seldom does; "
                "if it is meant to, unpack it first and name the plain file in the description",
                file=self.file,
            )
        return part


def read_bytes(file: Path) -> bytes:
    """Return the whole content of a file, unpacked; raises `InputError` if it cannot be read."""
    with PackedFile(file) as stream:
        return stream.read()
