"""The kept samples of every parameter, compact; the only place that knows what parameters are called."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator, Mapping, MutableMapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from kg.schema import ITEM, USER
from models.network.encoder import Messages, RelationalEncoder, parameter_key
from models.network.head import rising
from models.network.hybrid import HybridInputs, HybridModel
from models.posterior.predictor import Predictor, by_node, rows_of

__all__ = ["Posterior"]

SMALLEST_VARIANCE = 1e-6
LARGE = 20_000  # items from which a list reads few of them
TOGETHER = 8  # samples that are encoded at once: what is between stays small

_STEPS, _PREFERENCES = "head.steps", "head.preferences"


def _factors(kind: str) -> str:
    return f"{kind}s.factors.rows"


def _residual(kind: str) -> str:
    return f"cold_{kind}s.residual.rows"


def _shared(kind: str) -> str:
    return f"cold_{kind}s.shared.rows"


def _part(kind: str, group: str) -> str:
    return f"{kind}s.{group}."


def _table(kind: str, group: str, message: str) -> str:
    return f"{_part(kind, group)}tables.{parameter_key(message)}"


class GrowingSamples(UserDict[str, Tensor]):
    """Samples of which some get rows of new nodes when they are first read: most of them answer no question.

    Args:
        samples: The samples so far.
        rows: Rows to add, by parameter, `[num_samples, num_new_nodes, size]`.
    """

    def __init__(self, samples: Mapping[str, Tensor], rows: Mapping[str, Tensor]) -> None:
        super().__init__()
        growing = isinstance(samples, GrowingSamples)
        self.data = dict(samples.data if growing else samples)  # type: ignore[attr-defined]
        self._rows = dict(samples._rows) if growing else {}  # type: ignore[attr-defined]
        for name, added in rows.items():
            self._rows[name] = torch.cat([self._rows[name], added], dim=1) if name in self._rows else added

    def __getitem__(self, name: str) -> Tensor:
        if name in self._rows:
            self.data[name] = torch.cat([self.data[name], self._rows.pop(name)], dim=1)
        return self.data[name]


class Posterior:
    """Samples of every parameter of a network, half precision; a gradient run has one sample, and everything works the same.

    Everything above asks it for embeddings, for what content says of a node, and for the messages a node is the sum of; kinds are
    `user` and `item`, groups `content` and `interactions`.

    Args:
        parameters: By name, `[num_samples, *shape]`.
        added: How many rows at the end of a parameter training has not seen.
    """

    def __init__(self, parameters: Mapping[str, Tensor], added: Mapping[str, int] | None = None) -> None:
        growing = isinstance(parameters, GrowingSamples)
        self.parameters: MutableMapping[str, Tensor] = parameters if growing else dict(parameters)  # type: ignore[assignment]
        self._added = dict(added or {})
        self._covariances: dict[str, Tensor] = {}

    @classmethod
    def stack(cls, kept: list[dict[str, Tensor]]) -> Posterior:
        """Stack what `snapshot` returned at different steps."""
        return cls({name: torch.stack([sample[name] for sample in kept]) for name in kept[0]})

    @staticmethod
    def snapshot(model: nn.Module) -> dict[str, Tensor]:
        """Return a compact copy of the model's parameters; thresholds stay in full precision."""
        return {
            name: parameter.detach().clone() if parameter.dim() == 1 else parameter.detach().half()
            for name, parameter in model.named_parameters()
        }

    @staticmethod
    def residual_of(snapshot: Mapping[str, Tensor], kind: str) -> Tensor:
        """Return the residuals of the cold view in one snapshot, `[num_nodes, size]`, in the same memory."""
        return snapshot[_residual(kind)]

    def __len__(self) -> int:
        return len(self.parameters[_STEPS] if _STEPS in self.parameters else next(iter(self.parameters.values())))

    @property
    def size(self) -> int:
        """Width of an embedding, with the bias."""
        return self.parameters[_factors(USER)].shape[2]

    def part(self, chosen: slice) -> Posterior:
        """Return some of the samples, in the same memory."""
        return Posterior({name: stacked[chosen] for name, stacked in self.parameters.items()}, self._added)

    def extended(self, kind: str, residual: Tensor, preferences: Tensor) -> Posterior:
        """Return these samples with new nodes, whose spreads stay those of the nodes that training has seen.

        Args:
            kind: Kind of the new nodes.
            residual: What they are beyond their content in the cold view, `[num_samples, num_new_nodes, size]`.
            preferences: Of new users for levels, `[num_samples, num_new_nodes, num_levels]`.
        """
        rows = {_factors(kind): torch.zeros_like(residual), _residual(kind): residual}
        if kind == USER:
            rows[_PREFERENCES] = preferences
        added = {name: self._added.get(name, 0) + part.shape[1] for name, part in rows.items()}
        return Posterior(GrowingSamples(self.parameters, rows), {**self._added, **added})

    def with_residual(self, kind: str, nodes: Tensor, residual: Tensor) -> Posterior:
        """Return these samples with other residuals of some nodes, `[num_first_samples, num_given_nodes, size]`, in the first samples."""
        changed = self.parameters[_residual(kind)].clone()
        changed[: len(residual), nodes] = residual
        return Posterior({**self.parameters, _residual(kind): changed}, self._added)

    def of_nodes(self, users: Tensor, items: Tensor) -> Posterior:
        """Return samples of a network whose nodes are some of these, which may repeat.

        Args:
            users: Which users, int64 `[num_chosen_users]`.
            items: Which items, int64 `[num_chosen_items]`.
        """
        chosen = dict(self.parameters)
        for kind, nodes in ((USER, users), (ITEM, items)):
            for name in (_factors(kind), _residual(kind)):
                chosen[name] = chosen[name][:, nodes]
        chosen[_PREFERENCES] = chosen[_PREFERENCES][:, users]
        return Posterior(chosen)

    def without_dates(self, added: Mapping[str, Tensor]) -> Posterior:
        """Return samples of before without messages along dates and days, which the network has no longer.

        Args:
            added: What these added to nodes, and now their latent factors do, by kind, `[num_samples, num_nodes, size]`.
        """
        left = {
            name: rows
            for name, rows in self.parameters.items()
            if not name.startswith("sessions.") and not name.endswith("dated<week")
        }
        return Posterior(left | {_factors(kind): self.factors(kind) + rows for kind, rows in added.items()})

    def forgetting(
        self, users: Tensor, senders: Mapping[tuple[str, str, str], Tensor], model: HybridModel
    ) -> Posterior:
        """Return these samples without what is some users' alone, for a network that is left.

        Args:
            users: Users whose rows become zero, int64 `[num_gone]`.
            senders: Kind, group and message of each table that is left -> which of its rows stay, bool `[num_rows]`.
            model: What the samples shall fit.
        """
        stay = {_table(*key): rows for key, rows in senders.items()}
        left = {}
        for name, _ in model.named_parameters():
            stacked = self.parameters[name]
            if name in (_factors(USER), _residual(USER), _PREFERENCES):
                stacked = stacked.clone()
                stacked[:, users] = 0
            elif name in stay:
                stacked = stacked[:, stay[name]].contiguous()
            left[name] = stacked
        return Posterior(left)

    def shared(self, kind: str) -> Tensor:
        """Return what all nodes of a kind have in common in the cold view, `[num_samples, size]`."""
        return self.parameters[_shared(kind)][:, 0].float()

    def residual(self, kind: str, nodes: Tensor | int | slice = slice(None)) -> Tensor:
        """Return what nodes are beyond their content and what all share, in the cold view, `[num_samples, num_given_nodes, size]`."""
        return self.parameters[_residual(kind)][:, nodes].float()

    def factors(self, kind: str, nodes: Tensor | int | slice = slice(None)) -> Tensor:
        """Return latent factors of nodes, with their bias, `[num_samples, num_given_nodes, size]`."""
        return self.parameters[_factors(kind)][:, nodes].float()

    def table(self, kind: str, group: str, message: str) -> Tensor:
        """Return the rows that senders of one message share with all receivers, half precision, `[num_samples, num_senders, size]`."""
        return self.parameters[_table(kind, group, message)]

    def factor_covariance(self, kind: str) -> Tensor:
        """Return the covariance over the latent factors that training has seen, `[num_samples, size, size]`; kept once taken."""
        return self._covariance(_factors(kind))

    def residual_covariance(self, kind: str) -> Tensor:
        """Return the same of the residuals of the cold view."""
        return self._covariance(_residual(kind))

    def factor_variance(self, kind: str) -> Tensor:
        """Return the variance over the latent factors that training has seen, by column, `[num_samples, size]`."""
        return self._covariance(_factors(kind)).diagonal(dim1=1, dim2=2)

    def content_variance(self, kind: str, message: str) -> Tensor:
        """Return the variance over the rows of a content table, by column, `[num_samples, size]`."""
        return self._covariance(_table(kind, "content", message)).diagonal(dim1=1, dim2=2)

    def _covariance(self, name: str) -> Tensor:
        if name not in self._covariances:
            rows = self.parameters[name]
            learned = rows[:, : rows.shape[1] - self._added.get(name, 0)]
            covariance = torch.empty(len(rows), rows.shape[2], rows.shape[2])
            for number, sample in enumerate(learned):
                centred = sample.float() - sample.float().mean(0)
                covariance[number] = centred.t() @ centred / len(centred)
            self._covariances[name] = covariance + SMALLEST_VARIANCE * torch.eye(rows.shape[2])
        return self._covariances[name]

    def _blocks(self) -> Iterator[tuple[slice, dict[str, Tensor]]]:
        """Yield a few samples at a time, in full precision."""
        for start in range(0, len(self), TOGETHER):
            chosen = slice(start, start + TOGETHER)
            yield chosen, {name: stacked[chosen].float() for name, stacked in self.parameters.items()}

    @torch.no_grad()
    def content_embeddings(
        self,
        encoder: RelationalEncoder,
        kind: str,
        messages: Messages,
        senders: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Return what text and concepts say of nodes, which training need not have seen, `[num_samples, num_nodes, size]`.

        Args:
            encoder: The content encoder of the kind.
            kind: Kind of the nodes.
            messages: Content messages to them.
            senders: Row in its table of each sender of a relation, where the messages name some of them only.
        """
        prefix, named = _part(kind, "content"), (*messages.num_sources, *messages.features)
        tables = {_table(kind, "content", name): name for name in named}
        others = [
            name
            for name in self.parameters
            if name.startswith(prefix) and not name.startswith(_table(kind, "content", ""))
        ]
        embeddings = torch.zeros(len(self), messages.num_nodes, self.size)
        for start in range(0, len(self) if named else 0, TOGETHER):
            chosen = slice(start, start + TOGETHER)
            parameters = {}
            for full in (*tables, *others):
                rows, sender = self.parameters[full][chosen], (senders or {}).get(tables.get(full, ""))
                parameters[full.removeprefix(prefix)] = (rows if sender is None else rows_of(rows, sender)).float()
            embeddings[chosen] = functional_call(encoder, parameters, (messages,))
        return embeddings

    def _known_preferences(self, known: Tensor) -> Tensor:
        """Return preferences of known users and of those that joined; of others training has only drawn what it believes of anyone."""
        place = torch.arange(len(known))
        joined = place >= len(known) - self._added.get(_PREFERENCES, 0)
        return self.parameters[_PREFERENCES].float() * (known | joined)[:, None]

    @torch.no_grad()
    def predictor(
        self, model: HybridModel, inputs: HybridInputs, known_users: Tensor, known_items: Tensor
    ) -> Predictor:
        """Encode all nodes once for every sample.

        Args:
            model: The network whose parameters the samples are.
            inputs: Messages to users and items.
            known_users: Which users have training ratings, bool `[num_users]`; the others get the cold view.
            known_items: Which items have training ratings, bool `[num_items]`.
        """
        # Written where they stay: a list of them, stacked afterwards, would hold all twice.
        users, items = (torch.empty(len(self), len(known), self.size) for known in (known_users, known_items))
        for chosen, parameters in self._blocks():
            rows = functional_call(model, parameters, (inputs,), tie_weights=False)
            users[chosen] = torch.where(known_users[:, None], rows.users, rows.cold_users)
            items[chosen] = torch.where(known_items[:, None], rows.items, rows.cold_items)
        if items.shape[1] > LARGE:
            items = by_node(items)
        return Predictor(
            users=users,
            items=items,
            thresholds=rising(self.parameters[_STEPS]),
            preferences=self._known_preferences(known_users),
        )
