"""One run from graph to recommender: split, encode, train; a killed run goes on where it stopped."""

from __future__ import annotations

import logging
from dataclasses import asdict
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kg.dataset import Dataset
from kg.errors import InputError
from kg.rating_levels import nearest_level, rating_levels
from kg.ratings import Ratings
from kg.storage.cache_directory import default_cache_directory
from kg.wording import item_sentences
from models.cold.expected_nodes import with_expected_items, with_expected_users
from models.inputs import InputLimits, graph_inputs, hybrid_inputs
from models.lists.content import Content
from models.lists.item_item import ItemItemModel
from models.lists.item_regression import OF_STARS
from models.network.assembly import ModelSettings, assemble
from models.network.graph_inputs import GraphInputs
from models.network.hybrid import HybridInputs, HybridModel
from models.network.projection import TextProjection
from models.posterior import PhasedPosterior
from models.recommender import Recommender
from models.text import TextEncoder
from training.checkpoint import Checkpoint, optimizer_tensors, restore_optimizer
from training.config import AdamWConfig, LangevinConfig, RunConfig
from training.descent import AdamWTraining
from training.history import History
from training.loop import train
from training.negative_samples import LEVELS, with_negative_samples
from training.objective import RatingObjective, TrainingBatch
from training.progress import Progress, silent
from training.sampling import LangevinTraining
from training.scale_priors import ScalePrior, scale_priors
from training.splits import Split, liked_from, make_split
from training.tuning.tuned_encoder import tuned_encoder

__all__ = ["Experiment"]

logger = logging.getLogger(__name__)

CHECKPOINTS = 16  # a run writes about this many
COLD_SEED = 3  # every chain and seed shows the same ratings as cold
NEGATIVES_SEED = 4  # and the same items as not chosen
THREADS = 1  # a step waits for memory: a second thread gains a fifth at a million ratings, and nothing below


class Experiment:
    """A configuration applied to a data set.

    Everything the model reads is built from the training part of the split; the held-out parts are
    looked at by evaluation alone.

    Args:
        dataset: Graph and ratings.
        config: What to do.
        split: Taken instead of the one that the configuration names.
        progress: Called with (stage, done, total, message).
    """

    def __init__(
        self, dataset: Dataset, config: RunConfig, *, split: Split | None = None, progress: Progress = silent
    ) -> None:
        self.dataset = dataset
        self.config = config
        self.progress = progress
        self.history = History()
        self.guard_events: list[dict[str, Any]] = []
        self._split = split

    @cached_property
    def identity(self) -> str:
        """Hash of everything that decides the outcome: a checkpoint of another identity is not used."""
        return sha256(f"{self.dataset.fingerprint}\n{self.config.model_dump_json()}".encode()).hexdigest()

    @cached_property
    def split(self) -> Split:
        """Training, validation and test ratings."""
        if self._split is not None:
            return self._split
        wanted = self.config.split
        shares = {"test_share": wanted.test_share, "validation_share": wanted.validation_share}
        return make_split(self.dataset, wanted.name, **shares, seed=wanted.seed)

    @cached_property
    def examples(self) -> Ratings:
        """What the likelihood is of: the training ratings; of implicit feedback also what was not chosen."""
        if not self.dataset.implicit:
            return self.split.train
        train, shown = self.split.train, self.split.shown
        return with_negative_samples(train, self.config.model.negative_samples, rng=NEGATIVES_SEED, shown=shown)

    @cached_property
    def levels(self) -> NDArray[np.float32]:
        """Levels of the training ratings, in rising order; absent and chosen of implicit feedback."""
        if self.dataset.implicit:
            return LEVELS
        return rating_levels(self.split.train.value)

    @cached_property
    def encoder(self) -> TextEncoder:
        """The language model, tuned on the training part where the configuration says so."""
        text = self.config.text
        return tuned_encoder(
            TextEncoder(
                text.encoder, max_length=text.max_length, cache=default_cache_directory(), precision=text.precision
            ),
            item_sentences(self.dataset.graph),
            self.split.train,
            text.tune,
            implicit=self.dataset.implicit,
            seed=self.config.seed,
            progress=self.progress,
        )

    @cached_property
    def item_vectors(self) -> NDArray[np.float32]:
        """Text vectors `[num_items, dimension]`; zero rows for items of which nothing is known in words."""
        sentences = item_sentences(self.dataset.graph)
        known = [number for number, sentence in enumerate(sentences) if sentence is not None]
        encoded = self.encoder.encode(
            [sentence for sentence in sentences if sentence is not None],
            progress=lambda done, total: self.progress("encode", done, total, "texts read by the language model"),
        )
        vectors = np.zeros((len(sentences), encoded.shape[1]), dtype=np.float32)
        vectors[known] = encoded
        return vectors

    @cached_property
    def projection(self) -> TextProjection | None:
        """From text vectors to the features of items; None where no text is read."""
        has_text = np.asarray(self.item_vectors.any(axis=1))
        if not has_text.any() or not self.config.text.num_features:
            return None
        return TextProjection.fit(self.item_vectors[has_text], self.config.text.num_features)

    @cached_property
    def data(self) -> GraphInputs:
        """Graph inputs of the model."""
        num_features = 0 if self.projection is None else len(self.projection.components)
        features = np.zeros((len(self.item_vectors), num_features), dtype=np.float32)
        if self.projection is not None:
            has_text = self.item_vectors.any(axis=1)
            features[has_text] = self.projection(self.item_vectors[has_text])
        leave_out = frozenset(self.config.model.leave_out)
        if self.dataset.implicit:  # these messages say who chose what: the very thing to be predicted
            leave_out |= {"neighbours", "two_hops"}
        return graph_inputs(self.dataset.graph, self.split.train, features, InputLimits(leave_out=leave_out))

    @cached_property
    def inputs(self) -> HybridInputs:
        """The same, stacked into sparse operators."""
        return hybrid_inputs(self.data)

    def check(self) -> None:
        """Raise `InputError` for what would otherwise only be found after minutes of work."""
        _ = self.levels
        if isinstance(self.config.training, AdamWConfig) and self.dataset.implicit:
            raise InputError("adamw stops early on validation stars, and implicit feedback has none; use langevin")
        if isinstance(self.config.training, AdamWConfig) and self.split.validation is None:
            raise InputError("adamw stops early on validation ratings; set split.validation_share, for example to 0.05")

    def run(self, file: Path) -> PhasedPosterior:
        """Train every chain and return the pooled samples.

        Args:
            file: Checkpoint of the unfinished run; read if it is there and of this identity.
        """
        self.check()
        checkpoint, first, posterior = self._interrupted(file), 0, None
        if checkpoint is not None:
            first, finished = checkpoint.state["chain"], checkpoint.part("done/")
            posterior = PhasedPosterior.of_tensors(finished) if finished else None
        threads = torch.get_num_threads()
        torch.set_num_threads(THREADS)
        try:
            for chain in range(first, getattr(self.config.training, "chains", 1)):
                samples = self._chain(chain, file, checkpoint if chain == first else None, posterior)
                posterior = samples if posterior is None else posterior.join(samples)
        finally:
            torch.set_num_threads(threads)
        assert posterior is not None
        return posterior

    def _interrupted(self, file: Path) -> Checkpoint | None:
        """Return the checkpoint that this run goes on from, and take over the history until then."""
        checkpoint = Checkpoint.read(file)
        if checkpoint is None:
            if file.exists():
                logger.warning("found a damaged checkpoint in %s; starts clean", file)
            return None
        state = checkpoint.state
        if state["identity"] != self.identity:
            logger.warning("found the checkpoint of another configuration or graph in %s; starts clean", file)
            return None
        logger.warning("found an interrupted run at chain %d, epoch %d; goes on", state["chain"], state["epoch"])
        self.history = History(state["history"])
        self.guard_events = list(state["guard"])
        return checkpoint

    def _chain(
        self, chain: int, file: Path, checkpoint: Checkpoint | None, done: PhasedPosterior | None
    ) -> PhasedPosterior:
        """Train one chain, from its checkpoint if there is one; `done` are the samples of the chains before."""
        from lightning_fabric import Fabric  # takes half a second to load, which only training should wait for

        config = self.config
        epochs, chains = config.training.epochs, getattr(config.training, "chains", 1)
        generator = torch.Generator().manual_seed(config.seed * 1000 + chain)
        fabric = Fabric(accelerator="cpu", devices=1)
        batch = self.training_batch
        model = self.new_model(generator)
        objective = RatingObjective(self.inputs, weight=config.model.cold_weight)
        method: LangevinTraining | AdamWTraining
        if isinstance(config.training, LangevinConfig):
            method = LangevinTraining(model, objective, batch, config.training, self.priors(model), generator)
        else:
            assert self.split.validation is not None, "check() comes first"
            held_out, priors = (self.split.validation, self.levels), self.priors(model)
            method = AdamWTraining(model, objective, batch, *held_out, config.training, priors, generator)
        start = 0
        if checkpoint is not None:
            start = int(checkpoint.state["epoch"])
            model.load_state_dict(checkpoint.part("model/"), strict=False)
            restore_optimizer(method.optimizer, checkpoint.part("optimizer/"))
            method.restore(checkpoint.state["method"], checkpoint.part("kept/"))
            generator.set_state(checkpoint.tensors["random"])
        module, optimizer = fabric.setup(model, method.optimizer)
        for record in train(
            module,
            optimizer,
            method.loss,
            method.batches,
            fabric=fabric,
            epochs=range(start, epochs),
            clip_norm=getattr(config.training, "clip_norm", None),
        ):
            measured = method.after(record)
            self.history.add(chain=chain, **asdict(record), **measured)
            message = ", ".join(f"{name} {value:.4f}" for name, value in {"loss": record.loss, **measured}.items())
            self.progress("train", chain * epochs + record.epoch + 1, chains * epochs, message)
            if method.finished:
                break
            epoch = record.epoch + 1
            if epoch % max(1, epochs // CHECKPOINTS) == 0 and epoch < epochs:
                state, kept = method.state()
                run = {"identity": self.identity, "history": self.history.records, "guard": self.guard_events}
                Checkpoint.of(
                    {**run, "chain": chain, "epoch": epoch, "method": state},
                    model=dict(model.named_parameters()),
                    optimizer=optimizer_tensors(method.optimizer),
                    kept=kept,
                    done={} if done is None else done.tensors(),
                    random=generator.get_state(),
                ).write(file)
        samples = method.posterior()
        if isinstance(method, LangevinTraining):
            self.guard_events += [{"chain": chain, **event} for event in method.guard.events]
        return samples

    @property
    def training_batch(self) -> TrainingBatch:
        """All examples in the form that is trained on; every chain and seed sees the same of them as cold."""
        cold = torch.Generator().manual_seed(COLD_SEED)
        return TrainingBatch.draw(self.examples, self.levels, share=self.config.model.cold_share, generator=cold)

    def new_model(self, generator: torch.Generator) -> HybridModel:
        """Return the network with rows drawn from their priors."""
        counts = np.bincount(nearest_level(self.examples.value, self.levels), minlength=len(self.levels))
        shares = torch.from_numpy((counts / counts.sum()).astype(np.float32))
        return assemble(self.inputs, shares, self._settings, generator=generator)

    def priors(self, model: HybridModel) -> dict[nn.Parameter, ScalePrior]:
        """Return the prior of every parameter of a network made by `new_model`."""
        return scale_priors(model, self._settings, self.inputs)

    @property
    def _settings(self) -> ModelSettings:
        free_rows = "factors" not in self.config.model.leave_out
        return ModelSettings(embedding_size=self.config.model.embedding_size, free_rows=free_rows)

    def use(self, **parts: Any) -> None:
        """Take parts that are known already instead of making them, by name: `item_vectors`, `projection`, `data`, `levels`."""
        self.__dict__.update(parts)

    def use_vectors(self, item_vectors: NDArray[np.float32]) -> None:
        """Take the text vectors of another experiment instead of encoding again."""
        self.use(item_vectors=item_vectors)

    @cached_property
    def content(self) -> Content:
        """What lists know of items: no texts where the model reads none."""
        reads = self.config.text.num_features and "text" not in self.config.model.leave_out
        return Content.of(self.data, self.item_vectors if reads else self.item_vectors[:, :0])

    def recommender(
        self, posterior: PhasedPosterior, item_item: ItemItemModel | None = None, encoder_fingerprint: str | None = None
    ) -> Recommender:
        """Put together what answers; exposure and encoder fingerprint of a saved run may be given."""
        if item_item is None:
            settings = None if self.dataset.implicit else OF_STARS
            item_item = ItemItemModel.fit(self.split.train, self.content, settings=settings)
        trained = Recommender(
            graph=self.dataset.graph,
            train=self.split.train,
            levels=self.levels,
            settings=self._settings,
            posterior=posterior,
            data=self.data,
            item_vectors=self.item_vectors,
            item_item=item_item,
            encoder=self.encoder,
            encoder_fingerprint=encoder_fingerprint or self.encoder.fingerprint,
            scale=self.dataset.scale,
            relevant_from=liked_from(self.dataset.scale),
            content=self.content,
            projection=self.projection,
        )
        return with_expected_items(with_expected_users(trained))
