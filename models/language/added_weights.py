"""Small modules that are added to a frozen encoder and trained in its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize, pad

__all__ = ["Bottleneck", "Prefix", "VectorMap"]

_ATTENTION = "with_prefix"


class VectorMap(nn.Module):
    r"""A linear map of sentence vectors, $v' = (v + M v) / \lVert v + M v \rVert$, with $M = 0$ at first.

    Args:
        size: Dimension of the vectors.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.difference = nn.Linear(size, size, bias=False)
        nn.init.zeros_(self.difference.weight)

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Map what stands under `sentence_embedding`, `[num_texts, size]`, as a module of sentence-transformers does."""
        vectors = features["sentence_embedding"]
        features["sentence_embedding"] = normalize(vectors + self.difference(vectors), dim=1)
        return features


class Bottleneck(nn.Module):
    r"""An adapter after a layer, $h' = h + U\,\mathrm{gelu}(D h)$, with $U = 0$ at first (arXiv:1902.00751).

    Args:
        hidden_size: Dimension of the hidden states.
        width: Dimension of the bottleneck.
    """

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(hidden_size, width), nn.Linear(width, hidden_size)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return hidden states of the same shape, `[num_texts, num_tokens, hidden_size]`."""
        return hidden + self.up(gelu(self.down(hidden)))

    @classmethod
    def add_to(cls, layer: nn.Module, hidden_size: int, width: int) -> None:
        """Put a bottleneck behind a layer, whose output it changes from now on."""
        bottleneck = layer.bottleneck = cls(hidden_size, width)

        def adapted(_: nn.Module, __: Any, output: Any) -> Any:
            if isinstance(output, tuple):
                return (bottleneck(output[0]), *output[1:])
            return bottleneck(output)

        layer.register_forward_hook(adapted)


class Prefix(nn.Module):
    """Learned keys and values that every token of a text attends to beside the text (arXiv:2101.00190).

    The values are zero at first, so that attention to them only scales the rest.

    Args:
        num_heads: Heads of keys and values.
        length: Number of positions.
        head_size: Dimension of a head.
    """

    def __init__(self, num_heads: int, length: int, head_size: int) -> None:
        super().__init__()
        self.keys = nn.Parameter(0.02 * torch.randn(num_heads, length, head_size))
        self.values = nn.Parameter(torch.zeros(num_heads, length, head_size))

    @classmethod
    def add_to(cls, model: Any, layers: Iterable[nn.Module], length: int) -> None:
        """Let the attention of each layer see a prefix of its own."""
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import eager_mask

        AttentionInterface.register(_ATTENTION, _attention_with_prefix)
        AttentionMaskInterface.register(_ATTENTION, eager_mask)
        config = model.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        for layer in layers:
            for module in list(layer.modules()):
                if hasattr(module, "scaling"):  # how every attention of transformers names its temperature
                    module.prefix = cls(heads, length, head_size)
        config._attn_implementation = _ATTENTION


def _attention_with_prefix(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Attend to the prefix and the text: keys `[num_texts, num_heads, length + num_tokens, head_size]`."""
    prefix: Prefix = module.prefix
    every = (len(key), -1, -1, -1)
    key = torch.cat([prefix.keys.to(key.dtype).expand(every), key], dim=2)
    value = torch.cat([prefix.values.to(value.dtype).expand(every), value], dim=2)
    repeats = query.shape[1] // key.shape[1]  # heads of queries that share a key
    if repeats > 1:
        key, value = key.repeat_interleave(repeats, dim=1), value.repeat_interleave(repeats, dim=1)
    weights = query @ key.mT * scaling
    if attention_mask is not None:
        weights = weights + pad(attention_mask, (prefix.keys.shape[1], 0))  # nothing hides the prefix
    weights = nn.functional.dropout(weights.softmax(dim=-1), p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights
