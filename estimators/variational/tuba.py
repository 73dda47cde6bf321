"""TUBA: the NWJ bound with a learned baseline."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mibench.estimators.variational.bounds import nwj
from mibench.estimators.variational.critics import Critic, OfX, SumCritic
from mibench.estimators.variational.trained_critic import TrainedOnPairs
from mibench.registry import register_estimator
from mibench.training.networks import Generators, perceptron


@register_estimator(
    name="tuba",
    family="variational",
    summary="unnormalised Barber-Agakov lower bound: NWJ with a learned baseline, on held-out points",
    citation="poole2019variational",
    version="2",
    bound="lower",
    supports=("continuous", "discrete", "mixed"),
    trains=True,
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class TUBA(TrainedOnPairs):
    r"""I >= 1 + E_{p(x,y)} log(exp f(x, y) / a(x)) - E_{p(x)p(y)} exp f(x, y) / a(x), for every f and a(x) > 0.

    Tight at f = pointwise MI + log a(x) for any a; for a given critic the best baseline a(x) is E_y exp f(x, y), which
    makes exp f / a a normalised conditional density ratio. The network of log a, of the critic's width and depth,
    learns it, so that the critic need not. NWJ is a = 1, Donsker-Varadhan a constant a = E exp f; the source
    writes a(y), which is the same with X and Y swapped.

    What is reported is the NWJ bound of f - log a: its expectation is a lower bound, its variance is that of exp f / a,
    at the best critic at least exp(I) - 1.
    """

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> Critic:
        """See `Trained.network`; f - log a."""
        sizes = [dim_x, *[self.hidden] * self.layers, 1]
        minus_log_a = OfX(perceptron(sizes, generators, self.activation, zero_last=True))
        return SumCritic(minus_log_a, super().network(dim_x, dim_y, generators))

    def value(self, joint: Tensor, product: Tensor) -> Tensor:
        """See `TrainedOnPairs.value`."""
        return nwj(joint, product)
