"""Puts the hybrid model together from the inputs it will read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.encoder import Messages, RelationalEncoder
from models.factors import Factors
from models.head import OrdinalHead
from models.hybrid import HybridInputs, HybridModel
from models.inputs import HOP, RATED, RATED_BY, RATED_OVER
from models.network.priors import ScalePrior
from models.network.sessions import Sessions, SessionTower
from models.network.tower import ColdTower, NodeInputs, Tower

__all__ = ["ModelSettings", "assemble"]

NOTHING = 1e-3  # standard deviation of rows that are to say nothing; a score moves by a thousandth


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Sizes and starting scales; the scales themselves are learned.

    Attributes:
        embedding_size: Number of latent dimensions, without the bias.
        content_scale: First standard deviation of concept tables and text projections.
        rated_scale: The same for tables of rated neighbours.
        hop_scale: The same for two-hop projections.
        factor_scale: The same for free rows.
        free_rows: Whether users and items have free rows; without, content and messages say all.
        session_scale: The same for what a day adds to a user.
        correlated_damping: Damping of messages that many nodes share.
        joint: Whether the columns of free rows and of tables of rated neighbours vary together (`ScalePrior.joint`). Pays where
            nothing but ratings is known of anyone; beside content it takes from content what new items need of it.
    """

    embedding_size: int = 24
    content_scale: float = 0.15
    rated_scale: float = 0.1
    hop_scale: float = 0.05
    factor_scale: float = 0.3
    free_rows: bool = True
    session_scale: float = 0.1
    correlated_damping: float = 6.0
    joint: bool = False

    @property
    def size(self) -> int:
        """Width of a representation: latent dimensions and the bias."""
        return self.embedding_size + 1

    def prior(self, message: str) -> ScalePrior:
        """Return the prior of a message's table by the kind of message it is."""
        if message.startswith(HOP):
            return ScalePrior(initial=self.hop_scale, damping=self.correlated_damping)
        if message.partition("<")[0] in (RATED, RATED_BY):
            return ScalePrior(initial=self.rated_scale, damping=self.correlated_damping, joint=self.joint)
        if message.startswith(RATED_OVER):
            return ScalePrior(initial=self.rated_scale, damping=self.correlated_damping)
        return ScalePrior(initial=self.content_scale)


def assemble(
    inputs: HybridInputs, shares: Tensor, settings: ModelSettings, *, generator: torch.Generator
) -> HybridModel:
    """Return a model for these inputs, with rows drawn from their priors.

    Args:
        inputs: Messages to users and items; sessions, if users differ from day to day.
        shares: Share of each rating level in training, `[num_levels]`.
        settings: Sizes and starting scales.
        generator: Source of the starting values.
    """
    known = [side.content for side in (inputs.users, inputs.items)]
    settings = replace(settings, joint=not any(content.num_sources or content.features for content in known))

    def encoder(messages: Messages) -> RelationalEncoder:
        widths = {name: features.shape[1] for name, features in messages.features.items()}
        priors = {name: settings.prior(name) for name in (*messages.num_sources, *widths)}
        return RelationalEncoder(messages.num_sources, widths, settings.size, priors, generator)

    def factors(num_nodes: int, prior: ScalePrior) -> Factors:
        return Factors(num_nodes, settings.size, prior, generator)

    free = ScalePrior(initial=settings.factor_scale, joint=settings.joint)

    def tower(node_inputs: NodeInputs) -> Tower:
        content, interactions = encoder(node_inputs.content), encoder(node_inputs.interactions)
        prior = free if settings.free_rows else ScalePrior(initial=NOTHING, learned=False)
        return Tower(content, interactions, factors(node_inputs.content.num_nodes, prior))

    def cold_tower(warm: Tower, node_inputs: NodeInputs) -> ColdTower:
        residual, shared = factors(node_inputs.content.num_nodes, free), ScalePrior(initial=settings.content_scale)
        return ColdTower(warm.content, residual, factors(1, shared))

    def session_tower(sessions: Sessions) -> SessionTower:
        weeks = ScalePrior(initial=settings.session_scale, damping=settings.correlated_damping)
        return SessionTower(sessions, settings.size, weeks, ScalePrior(initial=settings.session_scale), generator)

    users, items = tower(inputs.users), tower(inputs.items)
    return HybridModel(
        users=users,
        items=items,
        cold_users=cold_tower(users, inputs.users),
        cold_items=cold_tower(items, inputs.items),
        head=OrdinalHead(shares, inputs.users.content.num_nodes),
        sessions=None if inputs.sessions is None else session_tower(inputs.sessions),
    )
