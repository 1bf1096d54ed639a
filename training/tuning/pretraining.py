"""Learning the words of a catalogue before its ratings count: masked words, or whole sentences from damaged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kg.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["DamagedTexts", "MaskedWords"]

_MASKED = 0.15
_KEPT = 0.4  # of the words of a damaged text


class MaskedWords(nn.Module):
    """Guess hidden words from the others (arXiv:1810.04805): 15 % of them, of which a tenth stays and a tenth is another.

    Args:
        encoder: Adapted encoder; what its strategy trains is trained, and the new head.
        folder: Where the encoder lies.

    Raises:
        InputError: If the architecture has no head for masked words, as decoders have none.
    """

    def __init__(self, encoder: SentenceTransformer, folder: str) -> None:
        from transformers import AutoConfig, AutoModelForMaskedLM, DataCollatorForLanguageModeling

        super().__init__()
        try:
            model: Any = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(folder, local_files_only=True))
        except ValueError as error:
            kind = type(encoder.transformers_model).__name__
            raise InputError(f"{kind} guesses no masked words; take text.tune.pretrain=tsdae or none") from error
        setattr(model, model.base_model_prefix, encoder.transformers_model)
        model.tie_weights()
        words = encoder.transformers_model.get_input_embeddings().weight
        for parameter in model.get_output_embeddings().parameters():
            parameter.requires_grad_(parameter is not words)
        self.model = model
        self.collate = DataCollatorForLanguageModeling(encoder.tokenizer, mlm_probability=_MASKED)

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Return the mean cross-entropy of the hidden words, in nats."""
        masked, labels = self.collate.torch_mask_tokens(tokens["input_ids"].clone())
        if not (labels != -100).any():  # of a few short texts none may be hidden
            labels = tokens["input_ids"]
        loss: Tensor = self.model(input_ids=masked, attention_mask=tokens["attention_mask"], labels=labels).loss
        return loss


class DamagedTexts(nn.Module):
    """Write a text anew from the vector of what is left when three in five of its words are gone (TSDAE, arXiv:2104.06979).

    Args:
        encoder: Adapted encoder, which also lends the decoder its weights.

    Raises:
        InputError: If the architecture cannot be a decoder.
    """

    def __init__(self, encoder: SentenceTransformer) -> None:
        from sentence_transformers.sentence_transformer.losses import DenoisingAutoEncoderLoss

        super().__init__()
        opened = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
        try:
            self.loss = DenoisingAutoEncoderLoss(encoder, tie_encoder_decoder=True)
        except (ValueError, AttributeError, TypeError) as error:
            kind = type(encoder.transformers_model).__name__
            raise InputError(f"{kind} cannot write texts; take text.tune.pretrain=masked or none") from error
        for parameter in encoder.parameters():
            parameter.requires_grad_(any(parameter is own for own in opened))
        self.tokenizer = encoder.tokenizer

    def forward(self, tokens: dict[str, Tensor]) -> Tensor:
        """Return the mean cross-entropy of the words of the whole texts, in nats."""
        damaged = dict(tokens)
        special = torch.isin(tokens["input_ids"], torch.tensor(self.tokenizer.all_special_ids))
        stays = (torch.rand(tokens["input_ids"].shape) < _KEPT) | special
        damaged["attention_mask"] = tokens["attention_mask"] * stays
        loss: Tensor = self.loss([damaged, dict(tokens)], torch.empty(0))
        return loss
