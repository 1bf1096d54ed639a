"""Which weights of a sentence encoder are trained: from none over added ones to all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from torch import Tensor, nn

from kg.errors import InputError
from models.language.added_weights import Bottleneck, Prefix, VectorMap

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["STRATEGIES", "Adaptation", "adapt", "depth_of", "trainable"]

Strategy = Literal["frozen", "projection", "top", "full", "lora", "adalora", "prefix", "ia3", "adapter"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

_LORA_DROPOUT = 0.05
_ADALORA_START = 1.5  # AdaLoRA begins with this many times the rank, and prunes


@dataclass(frozen=True, kw_only=True)
class Adaptation:
    """What is trained of a sentence encoder.

    - `frozen`: nothing.
    - `projection`: a linear map of the vectors, as a residual that starts at zero; the encoder stays as it is.
    - `top`: the last `layers` layers. `full`: all layers, but not the word embeddings.
    - `lora`: low-rank differences of all linear maps (arXiv:2106.09685); `adalora`: with ranks that move to where they
      are needed (arXiv:2303.10512).
    - `prefix`: `size` keys and values ahead of the text in every layer (arXiv:2101.00190).
    - `ia3`: factors on keys, values and hidden units (arXiv:2205.05638).
    - `adapter`: a bottleneck of `size` units after every layer (arXiv:1902.00751).

    Attributes:
        strategy: One of these names.
        layers: Number of layers that `top` trains.
        size: Rank of `lora` and `adalora`, number of positions of `prefix`, width of `adapter`.
    """

    strategy: Strategy = "frozen"
    layers: int = 2
    size: int = 8


def adapt(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    """Freeze an encoder but for what the strategy trains, and add the weights that it needs; in place.

    Added weights start where they change nothing, but for a prefix, which draws a little attention.

    Args:
        encoder: Freshly loaded; adapted once.
        adaptation: What is to be trained.

    Raises:
        InputError: If the encoder has no stack of layers, or too few, or peft does not know its architecture.
    """
    encoder.requires_grad_(False)
    _ADAPTERS[adaptation.strategy](encoder, adaptation)


def trainable(encoder: nn.Module) -> dict[str, nn.Parameter]:
    """Return what training may change, by name."""
    return {name: parameter for name, parameter in encoder.named_parameters() if parameter.requires_grad}


def depth_of(encoder: SentenceTransformer, parameter: Tensor) -> int:
    """Return how many layers lie above the one a weight belongs to; 0 for weights outside the stack."""
    layers = _layers(encoder)
    for number, layer in enumerate(layers):
        if any(parameter is own for own in layer.parameters()):
            return len(layers) - 1 - number
    return 0


def _layers(encoder: SentenceTransformer) -> nn.ModuleList:
    model = encoder.transformers_model
    wanted = getattr(model.config, "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return module
    raise InputError(
        f"the encoder {type(model).__name__} has no stack of {wanted} layers to tune; take text.tune.strategy=projection"
    )


def _frozen(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    """Train nothing."""


def _projection(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    size = encoder.get_embedding_dimension()
    assert size is not None
    encoder.append(VectorMap(size))


def _top(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    layers = _layers(encoder)
    if adaptation.layers > len(layers):
        raise InputError(f"text.tune.layers is {adaptation.layers}, and the encoder has {len(layers)} layers")
    for layer in layers[len(layers) - adaptation.layers :]:
        layer.requires_grad_(True)


def _full(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    _layers(encoder).requires_grad_(True)


def _unread(encoder: SentenceTransformer) -> str | None:
    """Return the pattern of layers that no sentence vector is read from, such as BERT's for pairs of sentences."""
    return r".*pooler.*" if any("pooler" in name for name, _ in encoder.named_modules()) else None


def _lora(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=adaptation.size,
        lora_alpha=2 * adaptation.size,
        lora_dropout=_LORA_DROPOUT,
        target_modules="all-linear",
        exclude_modules=_unread(encoder),
    )
    inject_adapter_in_model(config, encoder.transformers_model)


def _adalora(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    from peft import AdaLoraConfig, inject_adapter_in_model

    config = AdaLoraConfig(
        init_r=int(_ADALORA_START * adaptation.size),
        target_r=adaptation.size,
        lora_alpha=2 * adaptation.size,
        lora_dropout=_LORA_DROPOUT,
        target_modules="all-linear",
        exclude_modules=_unread(encoder),
        total_step=1,  # the ranks are allocated by `training.tuning.rank_schedule`
    )
    inject_adapter_in_model(config, encoder.transformers_model)


def _ia3(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    from peft import IA3Config, inject_adapter_in_model

    try:
        inject_adapter_in_model(IA3Config(), encoder.transformers_model)
    except ValueError as error:
        kind = type(encoder.transformers_model).__name__
        raise InputError(
            f"IA3 does not know where keys and values of {kind} are; take text.tune.strategy=lora"
        ) from error


def _prefix(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    Prefix.add_to(encoder.transformers_model, _layers(encoder), adaptation.size)


def _adapter(encoder: SentenceTransformer, adaptation: Adaptation) -> None:
    for layer in _layers(encoder):
        Bottleneck.add_to(layer, encoder.transformers_model.config.hidden_size, adaptation.size)


_ADAPTERS = {
    "frozen": _frozen,
    "projection": _projection,
    "top": _top,
    "full": _full,
    "lora": _lora,
    "adalora": _adalora,
    "prefix": _prefix,
    "ia3": _ia3,
    "adapter": _adapter,
}
