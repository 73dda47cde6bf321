"""I_alpha: between TUBA and InfoNCE."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mibench.estimators.variational.bounds import interpolated_scores, nwj
from mibench.estimators.variational.critics import Critic, OfX, SumCritic
from mibench.estimators.variational.evaluation import FEWEST_TERMS, effective_pairs, group_count, scored_rows
from mibench.estimators.variational.infonce import InfoNCE
from mibench.interface import Estimate, parameter
from mibench.registry import register_estimator
from mibench.training.networks import Generators, perceptron


@register_estimator(
    name="interpolated",
    family="variational",
    summary="I_alpha lower bound, from TUBA (alpha=0) to InfoNCE (alpha=1), on held-out points",
    citation="poole2019variational",
    version="2",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class Interpolated(InfoNCE):
    r"""I >= 1 + E log(exp f(x, y_1) / b) - E exp f(x, y_1) / b, with b = alpha m(x, y_1..y_k) + (1 - alpha) a(x).

    m(x, y_1..y_k) is the mean of exp f(x, y_j) over k values; a(x) > 0 a learned baseline. In the first expectation
    y_1 is the partner of x, in the second it is not; y_2..y_k never are. For fixed y_2..y_k this is the NWJ bound of
    the critic f - log b, so its expectation is a lower bound for every f, a and alpha. At alpha = 0 it is TUBA, at
    alpha = 1 InfoNCE of k pairs; a larger alpha has less variance and, through exp f / b <= k / alpha, a lower ceiling.

    Of K points each x has K - 1 other y, so k = K - 1; training takes K from the batch, evaluation from all held-out
    points up to `negatives`.
    """

    alpha: float = parameter(0.5, "weight of the other pairs' mean against the learned baseline", low=0.0, high=1.0)

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Critic:
        """See `Trained.network`; f - log a."""
        sizes = [dim_x, *[self.hidden] * self.layers, 1]
        minus_log_a = OfX(perceptron(sizes, generators, self.activation, zero_last=True))
        return SumCritic(minus_log_a, super().network(dim_x, dim_y, generators))

    def objective(self, network: Critic, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """See `Trained.objective`."""
        bound = nwj(*interpolated_scores(network.all_pairs(x, y).to(x.dtype), self.alpha))
        return bound, bound

    def validate(self, network: Critic, x: Tensor, y: Tensor) -> Tensor:
        """See `Trained.validate`; with groups of a batch's size, as in training."""
        return nwj(*self._held_out_scores(network, x, y, self.batch_size)[:2])

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        """See `Trained.evaluate`."""
        n = x.shape[1]
        joint, product, others = self._held_out_scores(network, x, y, self.negatives)
        value, terms = float(nwj(joint, product)), effective_pairs(product)
        ceiling = math.log(others / self.alpha) if self.alpha > 0 else math.inf
        warnings = []
        if value > ceiling - 1:
            warnings.append(f"within 1 nat of log({others} / alpha) = {ceiling:.2f} nats: the MI may be far higher")
        if terms < min(FEWEST_TERMS, n / 2):
            warnings.append(
                f"about {terms:.0f} of {n} points carry the mean of exp f / b: it is mostly too small, and the value "
                "too large"
            )
        if value > math.log(n):
            warnings.append(f"above log {n} = {math.log(n):.2f} nats, which so few points cannot certify")
        diagnostics = {"negatives": others, "effective_points": terms}
        return Estimate(value, diagnostics=diagnostics, warnings=tuple(warnings))

    def _held_out_scores(self, network: Critic, x: Tensor, y: Tensor, negatives: int) -> tuple[Tensor, Tensor, int]:
        """Joint and product scores (B, n), and with how many values of y a point is contrasted at least."""
        n, blocks = x.shape[1], scored_rows(network, x, y, negatives)
        scores = [interpolated_scores(rows.double(), self.alpha) for rows in blocks]
        joint, product = (torch.cat(parts, 1) for parts in zip(*scores, strict=True))
        return joint, product, n // group_count(n, negatives) - 1
