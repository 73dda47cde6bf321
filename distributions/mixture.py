"""Mixtures of a dependent and an independent part."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass

import numpy as np

from mibench.distributions.over_base import OverBase
from mibench.distributions.pmi_law import MIDWAY, KnownPMILaw, label_entropy
from mibench.interface import Array, GroundTruth, JointDistribution, Sample, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="contaminated",
    family="mixture",
    summary="a fraction of the points is drawn from the product of the margins",
    formula="I = E log((1 - f) exp(pmi) + f) with the base's pmi, by quadrature over its characteristic function",
    citation="czyz2023mixtures",
    example="contaminated[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class Contaminated(OverBase):
    r"""(1 - f) p(x, y) + f p(x) p(y) with the base's density p: the margins stay, the dependence is diluted.

    The pointwise MI becomes log((1 - f) exp(S) + f) with S that of the base, of MI I_0. Its mean is

    I = (1 - f) I_0 - H(B) + H(B|X,Y),   H(B) = -(1 - f) log(1 - f) - f log f,

    with B the label of a point; H(B|X,Y) is a quadrature over K(z) = log E[exp(z S)], see `label_entropy`. The absolute
    error is below 1e-9 at any number and strength of canonical pairs. Bases without a known K have no known truth.
    """

    base: JointDistribution = parameter(MISSING, "distribution that the other points are drawn from")
    fraction: float = parameter(0.2, "fraction f of points whose Y is drawn independently of X", low=0, high=1)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Draw from the base, then give a random fraction of the rows the Y of other draws."""
        drawn = self.base.sample(n, rng)
        alone = rng.random(n) < self.fraction
        y = drawn.y.copy()
        y[alone] = self.base.sample(int(alone.sum()), rng).y
        changed = self.base.pmi(drawn.x[alone], y[alone])
        if drawn.pmi is None or changed is None:
            return Sample(drawn.x, y, declared=self.sample_shape(n))
        pmi = drawn.pmi.copy()
        pmi[alone] = changed
        return Sample(drawn.x, y, self._diluted(pmi), self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array | None:
        """See `JointDistribution.pmi`."""
        pmi = self.base.pmi(x, y)
        return None if pmi is None else self._diluted(pmi)

    def _diluted(self, pmi: Array) -> Array:
        with np.errstate(divide="ignore"):  # log 0 at a fraction of 0 or 1
            return np.asarray(np.logaddexp(np.log1p(-self.fraction) + pmi, np.log(self.fraction)))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        f, base = self.fraction, self.base.ground_truth()
        if f in (0, 1):
            return base if f == 0 else GroundTruth(0.0)
        law = self.base.pmi_cumulants(MIDWAY) if isinstance(self.base, KnownPMILaw) else None
        if base is None or law is None:
            return None
        value = (1 - f) * (base.value + math.log1p(-f)) + f * math.log(f)
        return GroundTruth(value + label_entropy(f, law), method="quadrature")
