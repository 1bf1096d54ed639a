"""A trained run without some people: without them in its tables, its split and the rows of the model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kg.dataset import Dataset
from kg.errors import InputError
from kg.growth.forget import Forgetting, forget, prove
from kg.named_split import NamedSplit
from kg.schema import ITEM, USER
from kg.storage.atomic import clear_leftovers, staged_directory
from kg.storage.manifest import seal
from models.inputs import relation_name
from models.posterior import PhasedPosterior
from models.recommender import Recommender
from models.saved import Said, read_ledger, read_run, write_ledger, write_parts
from training.bundle import Run, load_run, refuse_other_run
from training.experiment import Experiment
from training.split_file import SPLIT_FILE, rows_of, write_split
from training.splits import Split

__all__ = ["RunForgetting"]

_KEPT = ("config.yaml", "metrics.json", "history.csv")


@dataclass(frozen=True, kw_only=True, eq=False)
class RunForgetting:
    """A run without some people, ready to be written.

    Their ratings, edges and ids leave the tables, and their rows in every sample are set to zero or, where a table has rows
    for raters only, taken out. Embeddings, graph inputs, training ratings, split, priors of newcomers are made anew without
    them. What all other parameters, and who comes across what, learned from their ratings stays in them: only a new
    training on the new graph takes that away.

    Attributes:
        run: The run as it is.
        people: User ids.
        forgetting: Its data set without them, in which the run's own split is kept as it was drawn.
        after: The experiment that is left.
        posterior: Its samples without them.
        gone: Their numbers, int64 `[num_people]`.
    """

    run: Run
    people: Sequence[str]
    forgetting: Forgetting
    after: Experiment
    posterior: PhasedPosterior
    gone: NDArray[np.int64]

    @classmethod
    def prepare(cls, directory: Path, people: Sequence[str]) -> RunForgetting:
        """Read a run and take people out of it, in memory.

        Raises:
            InputError: If it is no run, or so little is left of it that it cannot answer.
        """
        run = load_run(directory)
        refuse_other_run(directory)
        before = run.experiment
        users = np.zeros(len(before.dataset.graph.users), dtype=bool)
        place = before.dataset.graph.users.vocabulary.places(list(people))
        users[place[place >= 0]] = True
        forgetting = forget(_with_frozen_split(before.dataset, before.config.split.name, before.split), people)
        dataset = _without_empty_parts(forgetting.dataset, before.config.split.name, directory)
        after = Experiment(dataset, before.config)
        after.use(item_vectors=before.item_vectors, projection=before.projection)
        if not np.array_equal(after.levels, before.levels):
            raise InputError(
                "without this person a value of the rating scale has no training rating left, and the model cannot go without; "
                "delete this run and train again",
                file=directory,
            )
        gone = np.flatnonzero(users)
        samples = run.trained.posterior.warm.forgetting(
            torch.from_numpy(gone), _senders_left(before, after), after.new_model(torch.Generator())
        )
        return cls(
            run=run,
            people=people,
            forgetting=Forgetting(dataset=dataset, counts=forgetting.counts),
            after=after,
            posterior=PhasedPosterior(samples, run.trained.posterior.num_cold),
            gone=gone,
        )

    def write(self) -> None:
        """Replace the run as a whole; nothing is written if the people are not in it."""
        directory, dataset = self.run.directory, self.forgetting.dataset
        ledger = [part.without(self.people) for part in self._ledger]
        if self.forgetting.counts["people"] or [part.records for part in ledger] != [
            part.records for part in self._ledger
        ]:
            with staged_directory(directory, replaceable=refuse_other_run) as folder:
                for name in _KEPT:
                    shutil.copyfile(directory / name, folder / name)
                (folder / "graph").mkdir()
                dataset.write(folder / "graph")
                content, names = write_parts(self._recommender, folder)
                write_split(self.after.split, dataset, folder)
                added = write_ledger([part for part in ledger if part.records], folder)
                files = (*_KEPT, SPLIT_FILE, *names, *added, "graph/manifest.json")
                manifest = {name: part for name, part in self.run.manifest.items() if name not in ("files", "checksum")}
                # Not that of a run trained on what is left: to train again is the remedy and must not be taken as done.
                identity = sha256(f"forgotten\n{self.after.identity}".encode()).hexdigest()
                manifest |= {"fingerprint": dataset.fingerprint, "identity": identity, **content}
                seal(folder, manifest, files)
                prove(folder, self.people, dataset.namespace)
                self._prove_numbers(folder)
        clear_leftovers(directory)
        prove(directory, self.people, dataset.namespace)

    @cached_property
    def _recommender(self) -> Recommender:
        """What answers without the people."""
        trained = self.run.trained
        left = self.after.recommender(self.posterior, trained.item_item, trained.encoder_fingerprint)
        return left.with_map(trained.sentences)

    def _prove_numbers(self, folder: Path) -> None:
        """Raise `InputError` if a file of the new run holds a rating, an edge or a row of these people, read as answers read it."""
        left, gone = read_run(Recommender, folder, {**self.run.manifest, "files": ()}), torch.from_numpy(self.gone)
        data, samples = left.data, left.posterior.samples
        ends = [
            data[edge_type].edge_index[row]
            for edge_type in data.edge_types
            for row in (0, 1)
            if edge_type[2 * row] == USER
        ]
        named = any(bool(torch.isin(part, gone).any()) for part in (torch.from_numpy(left.train.user.copy()), *ends))
        rows = [samples.factors(USER, gone), samples.residual(USER, gone), left.predictor.samples.preferences[:, gone]]
        rows += [part[gone] for group in data[USER].features.values() for part in group.values()]
        if named or any(bool(part.any()) for part in rows):
            raise InputError("a row of a forgotten person is left in this run; please report this", file=folder)

    @property
    def joined(self) -> set[str]:
        """Ids of all users who joined the run after its training."""
        return {raw_id for part in self._ledger for raw_id in part.users}

    @property
    def counts(self) -> dict[str, int]:
        """What leaves the run, by kind."""
        people = self.forgetting.counts["people"] + len(self.joined & {*self.people})
        return {**self.forgetting.counts, "people": people}

    @cached_property
    def _ledger(self) -> list[Said]:
        """What was added to the run as it is, read once."""
        return read_ledger(self.run.directory, self.run.manifest["files"])


def _with_frozen_split(dataset: Dataset, name: str, split: Split) -> Dataset:
    """Return a data set that names the rows of a split: drawn again without a person, others would be held out."""
    parts = {part: np.sort(rows_of(held_out, dataset.ratings)) for part, held_out in split.test.items()}
    validation = None if split.validation is None else np.sort(rows_of(split.validation, dataset.ratings))
    rows = np.concatenate(list(parts.values()))
    if len(np.unique(rows)) < len(rows):  # `warm` is all of them, and the cold ones are told apart anew
        return _with_split(dataset, name, NamedSplit(test_ratings=parts["warm"], validation_ratings=validation))
    return _with_split(dataset, name, NamedSplit(parts=parts, validation_ratings=validation))


def _with_split(dataset: Dataset, name: str, split: NamedSplit) -> Dataset:
    return replace(dataset, splits={**dataset.splits, name: split})


def _without_empty_parts(dataset: Dataset, name: str, directory: Path) -> Dataset:
    roles = {role: rows for role, rows in dataset.splits[name].roles.items() if len(rows)}
    if not set(roles) - {"validation_ratings"}:
        raise InputError(
            "all ratings this run is tested on are of people to be forgotten; delete this run and train again",
            file=directory,
        )
    return _with_split(dataset, name, NamedSplit.of_roles(roles))


def _senders_left(before: Experiment, after: Experiment) -> dict[tuple[str, str, str], Tensor]:
    """Return which rows stay of each table that has one for every sender: senders may fall silent with a person."""
    return {
        (kind, group, relation_name(edge_type)): torch.isin(
            before.data[edge_type].senders, after.data[edge_type].senders
        )
        for kind in (USER, ITEM)
        for group in ("content", "interactions")
        for edge_type in getattr(before.data[kind], group)
        if edge_type in getattr(after.data[kind], group)
    }
