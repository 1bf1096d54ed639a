"""The configuration of a run: typed, ranged, and complete enough to repeat it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kg.errors import InputError, did_you_mean
from kg.tabular.yaml_file import fields_at, read_yaml
from models.language.precision import Precision
from models.text import DEFAULT_ENCODER
from training.tuning.tune_config import TuneConfig

__all__ = ["AdamWConfig", "LangevinConfig", "ModelConfig", "RunConfig", "SplitConfig", "TextConfig"]


_RENAMED = (("text", "portraits", "synthetic_texts"), ("model", "absences", "negative_samples"))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TextConfig(_Part):
    """The language model."""

    encoder: str = DEFAULT_ENCODER
    """Folder or hub name of the sentence encoder."""
    max_length: int = Field(default=256, ge=8, le=8192)
    """Longest text, in word pieces."""
    num_features: int = Field(default=64, ge=0, le=1024)
    """Principal components of the text vectors that the model reads; 0 leaves text out."""
    synthetic_texts: int = Field(default=1000, ge=0, le=100_000)
    """Synthetic texts of training users that teach what a sentence says of a taste; 0: only its nearness to items counts."""
    precision: Precision = "float32"
    """Numbers the encoder calculates in: float32, or bfloat16, faster where the processor has it."""
    tune: TuneConfig = TuneConfig()
    """How the encoder is tuned on the training ratings; by default it is not."""


class ModelConfig(_Part):
    """The hybrid model."""

    embedding_size: int = Field(default=24, ge=1, le=512)
    """Number of latent dimensions."""
    leave_out: tuple[Literal["concepts", "text", "neighbours", "two_hops", "factors"], ...] = ()
    """Parts of the graph that send no messages, or the free rows (factors): what an ablation removes."""
    cold_share: float = Field(default=0.3, ge=0, le=1)
    """Share of the training ratings that is also seen as cold."""
    cold_weight: float = Field(default=0.3, ge=0, le=1)
    """Weight of a rating seen as cold."""
    negative_samples: int = Field(default=4, ge=1, le=100)
    """Of implicit feedback: random items not chosen that stand beside each choice."""


class LangevinConfig(_Part):
    """Training by sampling: many plausible models instead of one."""

    method: Literal["langevin"] = "langevin"
    """Preconditioned underdamped Langevin dynamics."""
    epochs: int = Field(default=2000, ge=2)
    """Steps, each over all ratings."""
    burn_in: int = Field(default=600, ge=1)
    """Steps before the first sample is kept."""
    cold_phase: float = Field(default=0.35, ge=0, le=0.8)
    """Share of the steps after burn-in that still train the cold view; only their samples answer for the new."""
    settle: float = Field(default=0.1, ge=0, le=0.2)
    """Share of the steps after burn-in between the two phases, of which no sample is kept."""
    hold: int = Field(default=500, ge=0)
    """Steps with fixed prior scales, so that factors can form."""
    keep_every: int = Field(default=10, ge=1)
    """Steps between two kept samples."""
    chains: int = Field(default=1, ge=1, le=64)
    """Independent runs whose samples are pooled."""
    step_size: float = Field(default=0.12, gt=0, le=1)
    """Length of a step in preconditioned units."""
    friction: float = Field(default=0.2, gt=0, le=10)
    """Share of velocity lost per unit of time."""

    @model_validator(mode="after")
    def _keeps_samples(self) -> LangevinConfig:
        if self.burn_in >= self.epochs:
            raise ValueError(
                f"burn_in is {self.burn_in} and epochs {self.epochs}: no sample would be kept; lower burn_in"
            )
        return self


class AdamWConfig(_Part):
    """Training by gradient descent: one model, chosen by early stopping."""

    method: Literal["adamw"] = "adamw"
    """AdamW, arXiv:1711.05101."""
    epochs: int = Field(default=300, ge=1)
    """Most passes over the ratings."""
    batches: int = Field(default=16, ge=1)
    """Parts a pass is split into."""
    learning_rate: float = Field(default=0.005, gt=0, le=1)
    """Length of a step."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled pull of every parameter towards zero, beside the prior's."""
    prior_strength: float = Field(default=3.0, ge=0)
    """Weight of the prior; 1 is the mode of the posterior with the starting scales, which overfits a little."""
    patience: int = Field(default=20, ge=1)
    """Epochs without a better validation RMSE before stopping."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Largest gradient norm."""


class SplitConfig(_Part):
    """Which ratings are held out."""

    name: str = "random"
    """A canonical split of the data, or random, by-time, liked, cold-items, cold-users, cold-both, none."""
    test_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of ratings (random, by-time), of liked ones (liked) or of items and users (cold ones) that is held out."""
    validation_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the remaining ratings that is held out to choose by; the test part stays untouched."""
    seed: int = Field(default=0, ge=0, lt=2**53)
    """Seed of the draw."""


class RunConfig(_Part):
    """Everything that decides a run but the graph."""

    seed: int = Field(default=0, ge=0, lt=2**53)
    """Seed of model and training."""
    split: SplitConfig = SplitConfig()
    """What is held out."""
    text: TextConfig = TextConfig()
    """What reads the texts."""
    model: ModelConfig = ModelConfig()
    """What is learned."""
    training: Annotated[LangevinConfig | AdamWConfig, Field(discriminator="method")] = LangevinConfig()
    """How it is learned."""

    @model_validator(mode="before")
    @classmethod
    def _older(cls, values: object) -> object:
        """Settings that had other names in earlier versions, or that stand for what is no longer learned."""
        for section, old, new in _RENAMED:
            part = values.get(section) if isinstance(values, dict) else None
            if isinstance(values, dict) and isinstance(part, dict) and old in part:
                renamed = {new if key == old else key: value for key, value in part.items()}
                values = {**values, section: renamed}
        model = values.get("model") if isinstance(values, dict) else None
        if isinstance(values, dict) and isinstance(model, dict):
            left = {name: value for name, value in model.items() if name != "rating_dates"}
            if model.get("rating_dates", False) is not False:
                raise ValueError(
                    "model.rating_dates is gone: what a day adds to a user brought nothing on held-out ratings; leave it out and "
                    "train again"
                )
            if isinstance(left.get("leave_out"), list | tuple):
                left["leave_out"] = [part for part in left["leave_out"] if part != "dates"]
            values = {**values, "model": left}
        return values

    @field_validator("training", mode="before")
    @classmethod
    def _method(cls, value: object) -> object:
        """A file may leave the usual method out."""
        return {"method": "langevin", **value} if isinstance(value, dict) else value

    @classmethod
    def load(cls, file: Path) -> RunConfig:
        """Read a configuration from YAML.

        Raises:
            InputError: With file, field, value and remedy.
        """
        return read_yaml(file, cls)

    @classmethod
    def of_run(cls, file: Path) -> RunConfig:
        """Read the configuration that a finished run was trained with; what is no longer learned is left out."""
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
        values["model"].pop("rating_dates", None)
        return cls.checked(values)

    @classmethod
    def checked(cls, values: object) -> RunConfig:
        """Return the configuration these values describe, or raise `InputError` for the first wrong one."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(_sentence(error.errors()[0])) from error

    def updated(self, assignments: list[str]) -> RunConfig:
        """Return a copy with `section.field=value` assignments applied, as the command line gives them."""
        values: dict[str, Any] = self.model_dump(mode="json")
        # The method comes first: it decides which other settings of training there are.
        for assignment in sorted(assignments, key=lambda text: not text.startswith("training.method=")):
            path, equals, text = assignment.partition("=")
            if not equals:
                raise InputError(f"expected section.field=value, got {assignment!r}; for example training.epochs=800")
            *sections, field = path.strip().split(".")
            target = values
            for section in sections:
                target = target.setdefault(section, {})
                if not isinstance(target, dict):
                    raise InputError(f"{section!r} in {path!r} is a value, not a section")
            if sections == ["training"] and field == "method":
                target.clear()
            try:
                target[field] = yaml.safe_load(text)
            except (yaml.YAMLError, RecursionError, ValueError):
                raise InputError(
                    f"{path}: {text!r} is not valid YAML; quote text that holds brackets or colons"
                ) from None
        return self.checked(values)

    def dump(self) -> str:
        """Return the configuration as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def _sentence(error: Any) -> str:
    if error["type"] == "value_error" and not error["loc"]:
        return str(error["ctx"]["error"])
    place = ".".join(str(part) for part in error["loc"] if part not in ("langevin", "adamw"))
    if error["type"] == "extra_forbidden":
        known = fields_at(RunConfig, error["loc"][:-1])
        hint = did_you_mean(str(error["loc"][-1]), known)
        return f"{place!r} is no field of the configuration; expected one of {', '.join(known)}.{hint}"
    return f"{place or 'configuration'}: {error['msg']}, got {error['input']!r}"
