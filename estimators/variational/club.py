"""CLUB: the contrast of joint with product pairs under the true p(y | x)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mibench.estimators.variational.bounds import club
from mibench.estimators.variational.evaluation import held_out_pairs
from mibench.estimators.variational.given import GivenConditional, mismatch, support_warnings
from mibench.interface import Array, Context, Estimate, Estimator, JointDistribution, Shape, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="club",
    family="variational",
    summary="CLUB upper bound with a given p(y | x): joint minus product log-likelihood",
    citation="cheng2020club",
    bound="upper",
    supports=("continuous", "discrete", "mixed"),
    example="club[given=gaussian-sparse[dim_x=2,dim_y=2,rho=0.8]]",
)
@dataclass(frozen=True)
class CLUB(Estimator):
    r"""I <= E_{p(x,y)} log p(y | x) - E_{p(x)p(y)} log p(y | x), with p(y | x) that of `given`.

    `given` is any distribution with a known density, a task's id, or a user's own `path/to/file.py:Class`. An upper
    bound, in expectation and at every n, if the data have its p(y | x), whatever their p(x). A loose one: for a
    correlation rho it is rho^2 / (1 - rho^2) where MI is -1/2 log(1 - rho^2), and it is infinite where p(y | x) is 0
    somewhere. Computed from pointwise MI: log p(y) cancels, as both means take every y equally often.
    """

    given: JointDistribution | None = parameter(None, "distribution that has the p(y | x) of the data")
    shuffles: int = parameter(100, "product pairs per point", low=1)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        assert self.given is not None
        order = context.rng.permutation(len(x))
        shuffled_x, shuffled_y = (torch.from_numpy(block[order])[None] for block in (x, y))
        joint, product = held_out_pairs(GivenConditional(self.given), shuffled_x, shuffled_y, self.shuffles)
        value = float(club(joint, product))
        diagnostics = {"product_pairs": product.shape[1]}
        return Estimate(value, bound=self.bound, diagnostics=diagnostics, warnings=support_warnings(value))

    def unsupported(self, shape: Shape) -> str | None:
        """The data have to be such as `given` makes them."""
        reason = super().unsupported(shape)
        if reason is None and self.given is None:
            reason = "needs the distribution whose p(y | x) it uses: club[given=...]; vclub trains one"
        if reason is None and self.given is not None:
            reason = mismatch(self.given, shape)
        return reason
