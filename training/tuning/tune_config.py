"""Settings of the tuning of the language model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from models.language.adaptation import Strategy

__all__ = ["TuneConfig"]


class TuneConfig(BaseModel):
    """How the language model is tuned on the training ratings before anything reads its vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: Strategy = "frozen"
    """Which weights are trained: frozen, projection, top, full, lora, adalora, prefix, ia3 or adapter."""
    layers: int = Field(default=2, ge=1, le=96)
    """Number of last layers that `top` trains."""
    size: int = Field(default=8, ge=1, le=256)
    """Rank of lora and adalora, positions of prefix, width of adapter."""
    epochs: int = Field(default=2, ge=1, le=100)
    """Most passes over the texts of the rated items."""
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    """Length of a step; by default one that suits the strategy. Lower layers take shorter ones."""
    batch_size: int = Field(default=32, ge=2, le=1024)
    """Texts a step."""
    max_length: int = Field(default=128, ge=8, le=8192)
    """Longest text in training, in word pieces."""
    choices: float = Field(default=1.0, ge=0)
    """Weight of the error of the co-choice factors."""
    ratings: float = Field(default=1.0, ge=0)
    """Weight of the likelihood of the ratings; without stars it is left out."""
    contrast: float = Field(default=0.0, ge=0)
    """Weight of the contrast between items that the same people choose and others of the batch."""
    pretrain: Literal["none", "masked", "tsdae"] = "none"
    """What is learned of all texts before: nothing, masked words (arXiv:1810.04805), or whole sentences from damaged ones (arXiv:2104.06979)."""
    pretrain_epochs: int = Field(default=1, ge=1, le=100)
    """Passes over all texts before the ratings count."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of hidden units left out in a step."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled pull of the trained weights towards zero."""
    augment: float = Field(default=0.0, ge=0, lt=1)
    """Share of words, and of whole sentences, left out of a text in each pass; the sentences are then shuffled, too."""
    adversary: float = Field(default=0.0, ge=0, le=10)
    """Length of a step of the word embeddings against which a text is read once more (FGM, arXiv:1605.07725)."""
    held_out: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of the rated items that is kept apart to choose the best epoch by; 0 takes the last one."""
    average: int = Field(default=1, ge=1, le=16)
    """Number of tunings with other seeds whose weights are averaged (arXiv:2203.05482)."""
