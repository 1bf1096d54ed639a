"""Sampling as training: a preconditioned Langevin sampler in the form of a torch optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.priors import ScalePrior

__all__ = ["LangevinSampler"]

SMALLEST_VARIANCE = 1e-6


class LangevinSampler(torch.optim.Optimizer):
    r"""Underdamped Langevin dynamics on the posterior of every parameter at once.

    Each step moves a parameter $V$ with velocity $v$, preconditioner $M$ and the gradient of the log
    posterior $g = -\nabla \mathrm{NLL}(V) - V / \tau^2$:

    $$v \leftarrow e^{-\gamma\epsilon} v + \sqrt{1 - e^{-2\gamma\epsilon}}\,\xi
      + \epsilon\,\mathrm{clip}(M g, \pm 4), \qquad V \leftarrow V + \epsilon M v$$

    with $M = (\kappa H + 1/\tau^2)^{-1/2}$, where $H$ is the diagonal curvature of the likelihood
    (`set_curvature`) and $\kappa$ the prior's damping. `draw_scales` is the Gibbs step for $\tau^2$,
    whose full conditional given the rows is inverse gamma. The loss handed to `backward` is the
    *summed* negative log-likelihood; the prior is added here.

    Underdamped Langevin: Cheng et al., arXiv:1707.03663; preconditioning: Girolami & Calderhead 2011.

    Args:
        parameters: Named parameters.
        priors: Prior of each, by the same name.
        step_size: $\epsilon$.
        friction: $\gamma$.
        generator: Source of all noise; its state is part of a checkpoint.
    """

    def __init__(
        self,
        parameters: Iterable[tuple[str, nn.Parameter]],
        priors: Mapping[str, ScalePrior],
        *,
        step_size: float = 0.12,
        friction: float = 0.2,
        generator: torch.Generator,
    ) -> None:
        groups = [{"params": [parameter], "name": name, "prior": priors[name]} for name, parameter in parameters]
        super().__init__(groups, {"step_size": step_size, "friction": friction})
        self.generator = generator
        for group in self.param_groups:
            parameter, prior = group["params"][0], group["prior"]
            self.state[parameter] = {
                "velocity": torch.randn(parameter.shape, generator=generator),
                "variance": torch.full((parameter.shape[-1],), prior.initial**2),
                "curvature": torch.zeros_like(parameter),
            }

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every parameter once; its `grad` is the gradient of the negative log-likelihood."""
        for group in self.param_groups:
            parameter, step_size = group["params"][0], group["step_size"]
            state = self.state[parameter]
            keep = math.exp(-group["friction"] * step_size)
            precision = 1.0 / state["variance"]
            scale = (group["prior"].damping * state["curvature"] + precision).rsqrt()
            force = (parameter * precision).add_(parameter.grad).mul_(scale).clamp_(-4.0, 4.0)
            noise = torch.randn(parameter.shape, generator=self.generator)
            velocity = state["velocity"]
            velocity.mul_(keep).add_(noise, alpha=math.sqrt(1.0 - keep * keep)).sub_(force, alpha=step_size)
            parameter.addcmul_(scale, velocity, value=step_size)

    def set_curvature(self, curvature: Mapping[str, Tensor], *, memory: float = 0.7) -> None:
        """Blend new diagonal curvature of the likelihood, by parameter name, into the old."""
        for group in self.param_groups:
            state = self.state[group["params"][0]]
            new = curvature[group["name"]]
            first = not state["curvature"].any()
            state["curvature"] = new.clone() if first else state["curvature"].mul_(memory).add_(new, alpha=1 - memory)

    @torch.no_grad()
    def draw_scales(self) -> None:
        r"""Gibbs step: $\tau_d^2 \sim \mathrm{InvGamma}(a + n/2,\; b + \tfrac12\sum_c V_{cd}^2)$ for each table."""
        for group in self.param_groups:
            parameter, prior = group["params"][0], group["prior"]
            if not prior.learned:
                continue
            rows = parameter.reshape(-1, parameter.shape[-1])
            shape = torch.full((rows.shape[1],), prior.shape + len(rows) / 2)
            drawn = (prior.rate + rows.square().sum(0) / 2) / torch._standard_gamma(shape, generator=self.generator)
            self.state[parameter]["variance"] = drawn.clamp_(SMALLEST_VARIANCE, prior.highest)

    @torch.no_grad()
    def rescale(self, name: str, factor: Tensor) -> None:
        """Multiply the columns of one parameter, with its scales and curvature: the same model in other units."""
        for group in self.param_groups:
            if group["name"] == name:
                parameter = group["params"][0]
                state = self.state[parameter]
                parameter.mul_(factor)
                state["variance"] = state["variance"] * factor.square()
                state["curvature"] = state["curvature"] / factor.square()
