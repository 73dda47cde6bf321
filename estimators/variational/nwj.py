"""The bound of Nguyen, Wainwright and Jordan, also known as MINE-f."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import nwj
from mibench.estimators.variational.trained_critic import TrainedOnPairs
from mibench.registry import register_estimator


@register_estimator(
    name="nwj",
    family="variational",
    summary="Nguyen-Wainwright-Jordan lower bound of a trained critic, on held-out points",
    citation="""@article{nguyen2010estimating,
      author = {XuanLong Nguyen and Martin J. Wainwright and Michael I. Jordan},
      title = {Estimating Divergence Functionals and the Likelihood Ratio by Convex Risk Minimization},
      journal = {IEEE Transactions on Information Theory},
      year = {2010},
      volume = {56},
      pages = {5847--5861}
    }""",
    version="2",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
    aliases=("f-mine",),
)
@dataclass(frozen=True)
class NWJ(TrainedOnPairs):
    r"""I >= 1 + E_{p(x,y)} f - E_{p(x)p(y)} exp f, tight at f = pointwise MI only.

    With f - 1 in place of f this is E f - E exp(f - 1), as it is often written. Averages replace expectations without
    bias, in the gradient as in the held-out value, whose expectation therefore is a lower bound for every critic. The
    price is variance: no logarithm tempers exp f, whose variance at the best critic is at least exp(I) - 1, and the
    critic must also find the constant that Donsker-Varadhan leaves free.
    """

    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.value`."""
        return nwj(joint, product)
