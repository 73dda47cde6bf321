"""Labels on both sides: X and Y take finitely many values.

Pointwise MI is log p(x,y) / (p(x) p(y)) with probabilities in the place of densities. It is -inf for every pair that
cannot occur, also where x or y alone is no value of its column.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from dataclasses import MISSING, dataclass

import numpy as np
from scipy.special import kl_div

from mibench.interface import Array, GroundTruth, InputError, JointDistribution, Sample, Shape, parameter
from mibench.registry import register_distribution


@dataclass(frozen=True)
class FiniteTable(JointDistribution):
    r"""X in {0..r-1} and Y in {0..c-1} with probabilities p_ij: I = sum_ij p_ij log(p_ij / (p_i. p_.j)), in nats."""

    dim_x = 1
    dim_y = 1

    @property
    @abstractmethod
    def probabilities(self) -> Array:
        """Probability of each pair, shape (r, c), with sum 1."""

    def sample_shape(self, n: int) -> Shape:
        """Two labels."""
        return Shape(n, ("discrete",), ("discrete",))

    @functools.cached_property
    def _ratios(self) -> Array:
        p = self.probabilities
        with np.errstate(divide="ignore", invalid="ignore"):  # log 0, and 0 / 0 where a whole row or column is empty
            ratios = np.log(p) - np.log(p.sum(axis=1, keepdims=True)) - np.log(p.sum(axis=0))
        return np.where(p > 0, ratios, -np.inf)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Draw cells by inversion of their distribution function."""
        ends = np.cumsum(self.probabilities)
        # A draw falls into the cell whose end is the first above it, so cells without probability are never drawn.
        cells = np.searchsorted(ends, rng.random(n) * ends[-1], side="right")
        rows, columns = np.divmod(cells, self.probabilities.shape[1])
        x, y = rows[:, None].astype(float), columns[:, None].astype(float)
        return Sample(x, y, self._ratios[rows, columns], self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        rows, row_exists = labels(x[:, 0], self.probabilities.shape[0])
        columns, column_exists = labels(y[:, 0], self.probabilities.shape[1])
        return np.where(row_exists & column_exists, self._ratios[rows, columns], -np.inf)

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        return GroundTruth(table_information(self.probabilities)) if quantity == "mi" else None


def table_information(p: Array) -> float:
    """Mutual information of a table of probabilities."""
    return float(divergence(p, np.outer(p.sum(axis=1), p.sum(axis=0))).sum())


def divergence(p: Array, q: Array) -> Array:
    """Terms p log(p/q) - p + q of a Kullback-Leibler divergence: none is negative, so no sum is, by rounding."""
    return np.asarray(np.maximum(kl_div(p, q), 0))


def labels(column: Array, count: int) -> tuple[np.typing.NDArray[np.intp], np.typing.NDArray[np.bool_]]:
    """Read a column as labels 0 to count - 1: the labels (0 where it is none), and whether it is one."""
    exists = (column == np.floor(column)) & (column >= 0) & (column < count)
    return np.where(exists, column, 0).astype(np.intp), exists


@register_distribution(
    name="discrete-table",
    family="discrete",
    summary="two labels with any table of joint probabilities; 1 x 1",
    formula="I = sum_ij p_ij log(p_ij / (p_i. p_.j))",
    citation="cover2006elements",
    example="discrete-table[table=((0.3,0.1,0),(0.05,0.2,0.35))]",
)
@dataclass(frozen=True)
class DiscreteTable(FiniteTable):
    r"""X is the row and Y the column of a cell drawn from a table: I = sum_ij p_ij log(p_ij / (p_i. p_.j)).

    A table of counts is one of probabilities up to its sum, by which the entries are divided.
    """

    table: tuple[tuple[float, ...], ...] = parameter(
        MISSING, "probabilities or counts, a row for each value of X: rows in brackets, or a .npy, .csv or .txt file"
    )

    def __post_init__(self) -> None:
        """Check that the entries are weights and that neither X nor Y is constant."""
        super().__post_init__()
        what = f"{self.label()}: the table"
        if not self.table or len({len(row) for row in self.table}) != 1:
            raise InputError(f"{what} has rows of unequal length; give as many entries in each row")
        weights = np.array(self.table)
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise InputError(f"{what} has entries that are negative or not finite; give probabilities or counts")
        if min((weights > 0).any(axis=1).sum(), (weights > 0).any(axis=0).sum()) < 2:
            raise InputError(f"{what} makes X or Y constant; give positive entries in 2 or more rows and columns")

    @functools.cached_property
    def probabilities(self) -> Array:
        """See `FiniteTable.probabilities`."""
        weights = np.array(self.table)
        weights /= weights.max()  # so that no sum overflows
        return np.asarray(weights / weights.sum())


@register_distribution(
    name="symmetric-channel",
    family="discrete",
    summary="a uniform label, received as another one with some probability; 1 x 1",
    formula="I = log(levels) + (1 - error) log(1 - error) + error log(error / (levels - 1))",
    citation="cover2006elements",
)
@dataclass(frozen=True)
class SymmetricChannel(FiniteTable):
    """X uniform on {0..levels-1}; Y = X, or with probability `error` any of the other values, each as likely.

    I = log(levels) + (1 - error) log(1 - error) + error log(error / (levels - 1)); 0 at error = 1 - 1/levels.
    """

    levels: int = parameter(4, "values of X and of Y", low=2, high=1000)
    error: float = parameter(0.2, "probability that Y is not X", low=0, high=1)

    @functools.cached_property
    def probabilities(self) -> Array:
        """See `FiniteTable.probabilities`."""
        table = np.full((self.levels, self.levels), self.error / (self.levels - 1))
        np.fill_diagonal(table, 1 - self.error)
        return table / self.levels


@register_distribution(
    name="erasure-channel",
    family="discrete",
    summary="a uniform label, received or erased; 1 x 1",
    formula="I = (1 - erasure) log(levels)",
    citation="cover2006elements",
)
@dataclass(frozen=True)
class ErasureChannel(FiniteTable):
    """X uniform on {0..levels-1}; Y = X, or with probability `erasure` the further value `levels`, which says nothing.

    I = (1 - erasure) log(levels).
    """

    levels: int = parameter(4, "values of X; Y has one more", low=2, high=1000)
    erasure: float = parameter(0.3, "probability that Y is the value that says nothing", low=0, high=0.999)

    @functools.cached_property
    def probabilities(self) -> Array:
        """See `FiniteTable.probabilities`."""
        received = (1 - self.erasure) * np.eye(self.levels)
        erased = np.full((self.levels, 1), self.erasure)
        return np.hstack([received, erased]) / self.levels
