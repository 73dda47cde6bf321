"""What surrounds a dependence: nuisance columns, independent blocks, exchanged sides, outliers."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass
from typing import ClassVar

import numpy as np
from scipy.special import xlogy

from mibench.distributions.pairs import OverPairs
from mibench.distributions.pmi_law import MIDWAY, Complex, KnownPMILaw, label_entropy
from mibench.distributions.transforms import Side, Transformed
from mibench.interface import Array, GroundTruth, InputError, JointDistribution, Sample, Shape, kinds_of, parameter
from mibench.registry import register_distribution


@register_distribution(
    name="cube",
    family="structure",
    summary="t^3 in every coordinate: very long tails and a density that is infinite at 0",
    formula="I of the base: the map is injective",
    citation="poole2019variational",
    example="cube[base=gaussian-sparse]",
)
@dataclass(frozen=True)
class Cube(Transformed):
    """t -> t^3 in every coordinate of X and Y."""

    def forward(self, block: Array, side: Side) -> Array:
        """See `Transformed.forward`."""
        return block * block * block

    def inverse(self, block: Array, side: Side) -> Array:
        """See `Transformed.inverse`."""
        return np.cbrt(block)


@register_distribution(
    name="nuisance",
    family="structure",
    summary="independent standard normal columns after those of the base",
    formula="I of the base: the further columns are independent of everything",
    citation="cover2006elements",
    example="nuisance[base=gaussian-sparse[dim_x=2,dim_y=2],dim_x=5,dim_y=5]",
)
@dataclass(frozen=True)
class Nuisance(KnownPMILaw):
    """((X, E), (Y, F)) with (X, Y) from the base and E, F independent standard normal: MI and pointwise MI stay.

    dim_x and dim_y are the columns in all. `--dim` fills what is open in the base too, which leaves nothing to add:
    give the base a size of its own. `linear-mix[base=nuisance[...]]` hides the informative columns among the others.
    """

    keeps_mi: ClassVar[bool] = True

    base: JointDistribution = parameter(MISSING, "distribution of the first columns")
    dim_x: int = parameter(0, "columns of X in all; 0 means twice the base's", low=0)
    dim_y: int = parameter(0, "columns of Y in all; 0 means twice the base's", low=0)

    def __post_init__(self) -> None:
        """Fill the sizes that are open; check that the base fits."""
        super().__post_init__()
        for key, dim, inner in (("dim_x", self.dim_x, self.base.dim_x), ("dim_y", self.dim_y, self.base.dim_y)):
            object.__setattr__(self, key, dim or 2 * inner)
            if dim and dim < inner:
                raise InputError(f"{self.label()}: {key} = {dim} is out of range; the base has {inner} columns alone")

    def sample_shape(self, n: int) -> Shape:
        """As in the base, then continuous."""
        base = self.base.sample_shape(n)
        more_x, more_y = kinds_of(self.dim_x - base.dim_x), kinds_of(self.dim_y - base.dim_y)
        return Shape(n, base.x + more_x, base.y + more_y)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        drawn = self.base.sample(n, rng)
        x, y = rng.standard_normal((n, self.dim_x)), rng.standard_normal((n, self.dim_y))
        x[:, : self.base.dim_x], y[:, : self.base.dim_y] = drawn.x, drawn.y
        return Sample(x, y, drawn.pmi, self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array | None:
        """That of the base at the first columns."""
        return self.base.pmi(
            np.ascontiguousarray(x[:, : self.base.dim_x]), np.ascontiguousarray(y[:, : self.base.dim_y])
        )

    def pmi_cumulants(self, z: Complex) -> Complex | None:
        """See `KnownPMILaw.pmi_cumulants`."""
        return self.base.pmi_cumulants(z) if isinstance(self.base, KnownPMILaw) else None

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`; of all quantities only MI stays."""
        return self.base.ground_truth() if quantity == "mi" else None


@register_distribution(
    name="blocks",
    family="structure",
    summary="two independent distributions side by side",
    formula="I = I of the first + I of the second",
    citation="cover2006elements",
    example="blocks[first=gaussian-sparse[dim_x=2,dim_y=2],second=student[dim_x=3,dim_y=2]]",
)
@dataclass(frozen=True)
class Blocks(KnownPMILaw):
    """((X, X'), (Y, Y')) with independent (X, Y) and (X', Y'): MI and pointwise MI add.

    The size is the sum of the two: give it in the parts, `--dim` does not apply.
    """

    first: JointDistribution = parameter(MISSING, "distribution of the first columns")
    second: JointDistribution = parameter(MISSING, "distribution of the other columns; may be another `blocks`")

    @property
    def dim_x(self) -> int:
        """Columns of both."""
        return self.first.dim_x + self.second.dim_x

    @property
    def dim_y(self) -> int:
        """Columns of both."""
        return self.first.dim_y + self.second.dim_y

    def sample_shape(self, n: int) -> Shape:
        """As in the parts."""
        first, second = self.first.sample_shape(n), self.second.sample_shape(n)
        return Shape(n, first.x + second.x, first.y + second.y)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        first, second = self.first.sample(n, rng), self.second.sample(n, rng)
        x, y = np.hstack([first.x, second.x]), np.hstack([first.y, second.y])
        pmi = None if first.pmi is None or second.pmi is None else first.pmi + second.pmi
        return Sample(x, y, pmi, self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array | None:
        """The sum of both; None where one is not known."""
        x_parts, y_parts = np.split(x, [self.first.dim_x], axis=1), np.split(y, [self.first.dim_y], axis=1)
        first, second = (
            law.pmi(np.ascontiguousarray(x_part), np.ascontiguousarray(y_part))
            for law, x_part, y_part in zip((self.first, self.second), x_parts, y_parts, strict=True)
        )
        return None if first is None or second is None else first + second

    def pmi_cumulants(self, z: Complex) -> Complex | None:
        """Those of independent variables add."""
        if not isinstance(self.first, KnownPMILaw) or not isinstance(self.second, KnownPMILaw):
            return None
        first, second = self.first.pmi_cumulants(z), self.second.pmi_cumulants(z)
        return None if first is None or second is None else first + second

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """The sum, with independent standard errors; None where a part has no more than an interval."""
        first, second = self.first.ground_truth(), self.second.ground_truth()
        if quantity != "mi" or first is None or second is None or not first.low == second.low is None:
            return None
        weaker = max((first.method, second.method), key=["closed form", "quadrature", "monte carlo"].index)
        error = math.hypot(first.standard_error, second.standard_error)
        return GroundTruth(first.value + second.value, error, method=weaker)


@register_distribution(
    name="swap",
    family="structure",
    summary="X and Y of the base exchanged",
    formula="I of the base: mutual information is symmetric",
    citation="cover2006elements",
    example="swap[base=low-rank[dim_x=2,dim_y=4]]",
)
@dataclass(frozen=True)
class Swap(KnownPMILaw):
    """(Y, X) for (X, Y) from the base: MI and pointwise MI stay, dim_x and dim_y change places."""

    keeps_mi: ClassVar[bool] = True

    base: JointDistribution = parameter(MISSING, "distribution whose sides are exchanged")

    @property
    def dim_x(self) -> int:
        """Columns of the base's Y."""
        return self.base.dim_y

    @property
    def dim_y(self) -> int:
        """Columns of the base's X."""
        return self.base.dim_x

    def sample_shape(self, n: int) -> Shape:
        """As in the base, exchanged."""
        return self.base.sample_shape(n).swapped()

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        drawn = self.base.sample(n, rng)
        return Sample(drawn.y, drawn.x, drawn.pmi, self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array | None:
        """See `JointDistribution.pmi`."""
        return self.base.pmi(y, x)

    def pmi_cumulants(self, z: Complex) -> Complex | None:
        """See `KnownPMILaw.pmi_cumulants`."""
        return self.base.pmi_cumulants(z) if isinstance(self.base, KnownPMILaw) else None

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        return self.base.ground_truth() if quantity == "mi" else None


@register_distribution(
    name="outliers",
    family="structure",
    summary="correlated normal pairs, a fraction of the points replaced by wide independent ones",
    formula="I = (1 - f) I_0 + H(B) - H(B|X) - H(B|Y) + H(B|X,Y) with the label B of an outlier, by quadrature",
    citation="""@incollection{tukey1960survey,
      author = {John W. Tukey},
      title = {A survey of sampling from contaminated distributions},
      booktitle = {Contributions to Probability and Statistics},
      publisher = {Stanford University Press},
      pages = {448--485},
      year = {1960}
    }""",
)
@dataclass(frozen=True)
class Outliers(OverPairs):
    r"""(1 - f) p(x, y) + f q(x) q(y): p normal as in `gaussian-sparse`, q normal with the standard deviation `scale`.

    Unlike `contaminated`, the margins change, and outliers inform: a far X tells of a far Y. Both given the label B

    I = (1 - f) I_0 + H(B) - H(B|X) - H(B|Y) + H(B|X,Y),   I_0 = -pairs/2 log(1 - rho^2), in nats,

    from I(X;Y) = I(X;Y|B) + I(B;X) + I(B;Y) - I(B;X,Y). Each H(B|.) is a quadrature (`label_entropy`) over

    K(z) = log integral of p^(1+z) q^(-z) = 1/2 sum_i [z log(s^2/l_i) - log(1 + z (1 - l_i/s^2))]

    with s = scale and the eigenvalues l_i of the inliers' covariance: 1 for X and for Y; 1 + rho, 1 - rho for each pair
    and 1 otherwise for both together. Absolute error below 1e-9.
    """

    rho: float = parameter(0.8, "correlation of a pair among the inliers", low=-1, high=1)
    fraction: float = parameter(0.05, "fraction f of outliers", low=0, high=1)
    scale: float = parameter(10.0, "standard deviation of an outlier's columns", low=0.01, high=1e6)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """See `JointDistribution.sample`."""
        x, y = self._pairs.draw(n, rng)
        out = rng.random(n) < self.fraction
        for block in (x, y):
            block[out] = self.scale * rng.standard_normal((int(out.sum()), block.shape[1]))
        return Sample(x, y, self.pmi(x, y))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        narrow = (1 - 1 / self.scale**2) / 2
        of_x, of_y = (block.shape[1] * math.log(self.scale) - narrow * (block**2).sum(axis=1) for block in (x, y))
        inlier = self._pairs.count * self._pairs.information - 0.5 * self._pairs.interaction(x, y)
        return np.asarray(self._mixed(of_x + of_y + inlier) - self._mixed(of_x) - self._mixed(of_y))

    def _mixed(self, log_ratio: Array) -> Array:
        """log((1 - f) p/q + f) from log p/q."""
        with np.errstate(divide="ignore"):  # log 0 at a fraction of 0 or 1
            return np.asarray(np.logaddexp(np.log1p(-self.fraction) + log_ratio, np.log(self.fraction)))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        f, pairs = self.fraction, self._pairs
        inliers = (1 - f) * pairs.count * pairs.information
        if f in (0, 1):
            return GroundTruth(inliers)
        alone = self._cumulants(1.0)
        paired = pairs.count * (self._cumulants(1 + self.rho) + self._cumulants(1 - self.rho) - 2 * alone)
        x, y, both = (
            label_entropy(f, law)
            for law in (self.dim_x * alone, self.dim_y * alone, (self.dim_x + self.dim_y) * alone + paired)
        )
        of_label = -float(xlogy(1 - f, 1 - f) + xlogy(f, f))
        return GroundTruth(inliers + of_label - x - y + both, method="quadrature")

    def _cumulants(self, eigenvalue: float) -> Complex:
        """K(z) of one direction in which the inliers' variance is `eigenvalue`."""
        ratio = eigenvalue / self.scale**2
        return np.asarray(-0.5 * (MIDWAY * math.log(ratio) + np.log1p(MIDWAY * (1 - ratio))))
