"""Sampling as training: a preconditioned Langevin sampler in the form of a torch optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from training.scale_priors import ScalePrior

__all__ = ["LangevinSampler"]

SMALLEST_VARIANCE = 1e-6
STIFFEST = 2.0  # of step_size^2 times the largest eigenvalue; beyond 4 the dynamics diverge
FREEDOM = 2.0  # of the prior of a covariance: correlations are uniform
WIDEST = 1.0  # scale of the half-Cauchy prior of a standard deviation, in units of the score
BLOCK = 2048  # rows moved at once: what is between the operations of a step stays in the cache
NUDGE = 0.1  # length of the move that a curvature along a direction is measured by, in preconditioned units


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
        priors: Every parameter, and its prior.
        step_size: $\epsilon$.
        friction: $\gamma$.
        generator: Source of all noise; its state is part of a checkpoint.
    """

    def __init__(
        self,
        priors: Mapping[nn.Parameter, ScalePrior],
        *,
        step_size: float = 0.12,
        friction: float = 0.2,
        generator: torch.Generator,
    ) -> None:
        groups = [{"params": [parameter], "prior": prior} for parameter, prior in priors.items()]
        super().__init__(groups, {"step_size": step_size, "friction": friction})
        self.generator = generator
        searcher = torch.Generator().manual_seed(0)  # where power iteration starts is no part of the chain's noise
        for group in self.param_groups:
            parameter, prior = group["params"][0], group["prior"]
            self.state[parameter] = {
                "velocity": torch.randn(parameter.shape, generator=generator),
                "variance": torch.full((parameter.shape[-1],), prior.initial**2),
                "curvature": torch.zeros_like(parameter),
                "damping": torch.tensor(prior.damping),
                "direction": torch.randn(parameter.shape, generator=searcher),
            }

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every parameter once; its `grad` is the gradient of the negative log-likelihood."""
        for group in self.param_groups:
            parameter, step_size = group["params"][0], group["step_size"]
            state = self.state[parameter]
            keep = math.exp(-group["friction"] * step_size)
            precision = 1.0 / state["variance"]
            noise = torch.randn(parameter.shape, generator=self.generator)
            # A part the objective leaves out has no gradient: it is drawn from its prior.
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            whole = (parameter, gradient, noise, state["velocity"], state["curvature"])
            joint = state.get("joint")  # what the prior's precision has beside its diagonal
            for rows, slope, kick, velocity, curvature in zip(*(part.split(BLOCK) for part in whole), strict=True):
                scale = (state["damping"] * curvature + precision).rsqrt_()
                force = torch.addcmul(slope, rows, precision)
                if joint is not None:
                    force.addmm_(rows, joint)
                force = force.mul_(scale).clamp_(-4.0, 4.0)  # of what a surprise may push in one step
                velocity.mul_(keep).add_(kick, alpha=math.sqrt(1.0 - keep * keep)).sub_(force, alpha=step_size)
                rows.addcmul_(scale, velocity, value=step_size)

    @torch.no_grad()
    def adapt_damping(self, gradients: Callable[[Sequence[Tensor]], Sequence[Tensor]], *, iterations: int = 1) -> float:
        r"""Raise the damping of the tables that make the stiffest direction too stiff for the step.

        The diagonal $H$ does not see that many rows move together. The largest eigenvalue $\lambda$ of
        the preconditioned Hessian $M (\nabla^2 L) M$ says how stiff they are together; steps are
        stable for $\epsilon^2 \lambda < 4$. Power iteration follows its eigenvector from call to call, with
        one difference of gradients each; tables get more damping by their share in it.

        Args:
            gradients: Computes the gradients of the negative log-likelihood in some parameters, where they stand.
            iterations: Power iterations.

        Returns:
            $\epsilon^2 \lambda$ before the change.
        """
        groups = [(group["params"][0], self.state[group["params"][0]]) for group in self.param_groups]
        precisions = [1.0 / state["variance"] for _, state in groups]  # of the prior, by column
        scales = [
            (state["damping"] * state["curvature"] + precision).rsqrt()  # M, with the shape of the parameter
            for (_, state), precision in zip(groups, precisions, strict=True)
        ]
        step_size = float(self.param_groups[0]["step_size"])
        parameters = [parameter for parameter, _ in groups]
        here = gradients(parameters)
        # One power iteration is a product of M H M, with H the Hessian, and the direction: H times the move is the
        # difference of two gradients, a short step along the move apart.
        for _ in range(iterations):
            moves = [scale * state["direction"] for (_, state), scale in zip(groups, scales, strict=True)]
            length = math.sqrt(sum(float(state["direction"].square().sum()) for _, state in groups))
            for (parameter, _), move in zip(groups, moves, strict=True):
                parameter.add_(move, alpha=NUDGE / length)
            there = gradients(parameters)
            for (parameter, _), move in zip(groups, moves, strict=True):
                parameter.sub_(move, alpha=NUDGE / length)
            for (_, state), precision, scale, move, old, new in zip(
                groups, precisions, scales, moves, here, there, strict=True
            ):
                pull = move * precision  # the prior is quadratic: its part of the product is exact
                if "joint" in state:
                    pull += move @ state["joint"]
                state["direction"] = scale * ((new - old) / NUDGE + pull / length)
        shares = torch.stack([state["direction"].square().sum() for _, state in groups])
        stiffness = step_size**2 * float(shares.sum().sqrt())
        if stiffness > STIFFEST:
            # The table with the largest share takes the whole factor, others its power: what does not move stays.
            for (_, state), share in zip(groups, shares / shares.max(), strict=True):
                state["damping"] = state["damping"] * (stiffness / STIFFEST) ** share
        return stiffness

    def set_curvature(self, curvature: Mapping[nn.Parameter, Tensor], *, memory: float = 0.7) -> None:
        """Blend new diagonal curvature of the likelihood into the old."""
        for group in self.param_groups:
            state, new = self.state[group["params"][0]], curvature[group["params"][0]]
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
            if prior.joint:
                self._draw_covariance(self.state[parameter], rows)
                continue
            shape = torch.full((rows.shape[1],), prior.shape + len(rows) / 2)
            # A rate over a standard gamma variable is inverse gamma.
            drawn = (prior.rate + rows.square().sum(0) / 2) / torch._standard_gamma(shape, generator=self.generator)
            self.state[parameter]["variance"] = drawn.clamp_(SMALLEST_VARIANCE, prior.highest)

    def _draw_covariance(self, state: dict[str, Tensor], rows: Tensor) -> None:
        r"""Gibbs step for a full covariance of the rows, bias included (Huang & Wand 2013, doi 10.1214/13-BA815).

        $$\Sigma^{-1} \sim \mathrm{Wishart}\left(\nu + D - 1 + n, \left[2\nu\,\mathrm{diag}(1 / a) + \sum_c V_c V_c^\top\right]^{-1}\right),
          \quad 1 / a_d \sim \mathrm{Gamma}\left(\tfrac{\nu + D}{2}, \nu \Sigma^{-1}_{dd} + \tfrac{1}{A^2}\right)$$

        With $\nu = 2$ every correlation is uniform a priori and every standard deviation half-t, so that a dimension can still
        fade out, as with scales of its own; a Wishart prior of fixed width could not let it.
        """
        size = rows.shape[1]
        widths = state.get("widths", state["variance"])
        scatter = rows.double().t() @ rows.double() + torch.diag(2 * FREEDOM / widths.double())
        root = torch.linalg.cholesky(torch.linalg.inv(scatter))
        # Bartlett's decomposition of a Wishart draw.
        degrees = FREEDOM + size - 1 + len(rows) - torch.arange(size, dtype=torch.float64)
        lower = torch.randn(size, size, generator=self.generator, dtype=torch.float64).tril(-1)
        lower += (2 * torch._standard_gamma(degrees / 2, generator=self.generator)).sqrt().diag()
        precision = root @ lower @ lower.t() @ root.t()
        shape = torch.full((size,), (FREEDOM + size) / 2, dtype=torch.float64)
        drawn = torch._standard_gamma(shape, generator=self.generator)
        state["widths"] = ((FREEDOM * precision.diagonal() + WIDEST**-2) / drawn).float()
        state["variance"] = (1 / precision.diagonal()).float()
        state["joint"] = (precision - precision.diagonal().diag()).float()

    @torch.no_grad()
    def rescale(self, parameter: nn.Parameter, factor: Tensor) -> None:
        """Multiply the columns of one parameter, with its scales and curvature: the same model in other units."""
        state = self.state[parameter]
        parameter.mul_(factor)
        state["variance"] = state["variance"] * factor.square()
        state["curvature"] = state["curvature"] / factor.square()
        if "joint" in state:
            state["joint"] = state["joint"] / factor / factor[:, None]
            state["widths"] = state["widths"] * factor.square()
