"""Text vectors on disk, addressed by what was encoded: a second run encodes nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from kg.storage.atomic import write_file

__all__ = ["VectorCache"]

logger = logging.getLogger(__name__)


class VectorCache:
    """Vectors of texts in shards of one folder an encoder.

    The folder's name is the fingerprint of the encoder (weights, pooling, length), a vector's key is
    the SHA-256 of its text. A shard is written whole and then renamed, so a killed run leaves only
    finished shards; a damaged one is deleted and its texts are encoded again.

    Args:
        directory: Folder of all encoders.
        fingerprint: Identity of the encoder.
    """

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.directory = directory / "vectors" / fingerprint
        self._places: dict[bytes, tuple[NDArray[np.float32], int]] = {}
        for shard in sorted(self.directory.glob("*.safetensors")):
            self._read(shard)

    def __len__(self) -> int:
        return len(self._places)

    @staticmethod
    def key(text: str) -> bytes:
        """Return the key of a text."""
        return sha256(text.encode("utf-8")).digest()

    def __contains__(self, text: str) -> bool:
        return self.key(text) in self._places

    def _read(self, shard: Path) -> None:
        try:
            # load_file maps the file into memory; rows are copied only when they are asked for.
            stored = load_file(shard)
            keys, vectors = stored["keys"], stored["vectors"]
        except (SafetensorError, KeyError, ValueError) as error:
            logger.warning("deleting the damaged shard %s (%s); its texts are encoded again", shard, error)
            shard.unlink(missing_ok=True)
            return
        for row, key in enumerate(keys):
            self._places[key.tobytes()] = (vectors, row)

    def add(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Store the vectors of different texts, `[num_texts, dimension]`, as one shard."""
        keys = np.stack([np.frombuffer(self.key(text), dtype=np.uint8) for text in texts])
        shard = self.directory / f"{sha256(keys.tobytes()).hexdigest()[:32]}.safetensors"
        self.directory.mkdir(parents=True, exist_ok=True)
        write_file(shard, save({"keys": keys, "vectors": np.ascontiguousarray(vectors, dtype=np.float32)}))
        self._read(shard)

    def get(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts that are all present, `[num_texts, dimension]`."""
        places = [self._places[self.key(text)] for text in texts]
        return np.stack([vectors[row] for vectors, row in places])
