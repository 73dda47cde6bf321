"""Products of copulas with any margins: what the copulas of `copulas.py` have in common.

A copula is the law of (U, V), both uniform. It is written here in the log odds s of u and t of v, see `margins.py`.
"""

from __future__ import annotations

import functools
import itertools
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy.special import expit

from mibench.distributions.margins import Cells, DiscreteMargin, Margin, Word, log_difference, margin
from mibench.distributions.pairs import pair_count
from mibench.interface import Array, GroundTruth, InputError, JointDistribution, Sample, Shape, kinds_of, parameter


@dataclass(frozen=True)
class CopulaPairs(JointDistribution):
    r"""Independent pairs (X_i, Y_i), i < pairs, of one copula c and the given margins; other columns are independent.

    With continuous margins I = pairs * E log c(U, V) whatever they are, for they are increasing functions of U and V.
    A margin of whole numbers cuts (0, 1) into cells of probability p(k) and loses information. With h(k|u) the
    probability of cell k of V given U = u, a pair has

    I = integral over u of sum_k h(k|u) log[h(k|u) / p(k)]                   if one of X, Y is discrete,
    I = sum_jk P(j,k) log[P(j,k) / (p(j) p(k))], P(j,k) = integral over cell j of h(k|u)   if both are,

    by Gauss-Legendre panels in the log odds of u, refined towards the ends of cells: absolute error below 1e-9.
    """

    dim_x: int = parameter(5, "columns of X", low=1)
    dim_y: int = parameter(5, "columns of Y", low=1)
    pairs: int | None = parameter(None, "dependent pairs (X_i, Y_i); none means min(2, dim_x, dim_y)", low=1)
    margins: Word = parameter("normal", "law of each column; binary, geometric and poisson are discrete")
    margins_y: Literal["same", Word] = parameter("same", "law of each column of Y, where it is not that of X")

    method: ClassVar[Literal["closed form", "quadrature"]] = "closed form"  # of pair_information

    @property
    @abstractmethod
    def pair_information(self) -> float:
        """I of one pair with continuous margins."""

    @abstractmethod
    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw log odds (s, t) of pairs."""

    @abstractmethod
    def log_density(self, s: Array, t: Array) -> Array:
        """Log c(u, v)."""

    @abstractmethod
    def conditional(self, s: Array, t: Array) -> Array:
        """Log odds of P(V <= v | U = u). The copulas are symmetric, so they are those of P(U <= v | V = u) too."""

    def __post_init__(self) -> None:
        """Check that the pairs fit."""
        super().__post_init__()
        pair_count(self.label(), self.pairs, self.dim_x, self.dim_y)

    def chosen(self, *alternatives: str) -> tuple[str, float] | None:
        """Return the one of these parameters that is given; MI is shared out to the pairs."""
        given = {name: getattr(self, name) for name in alternatives if getattr(self, name) is not None}
        if len(given) > 1:
            listing = ", ".join(alternatives[:-1]) + " and " + alternatives[-1]
            raise InputError(f"{self.label()}: {listing} are alternatives; give one of them")
        if "mi" in given and self._discrete:
            others = " or ".join(name for name in alternatives if name != "mi")
            raise InputError(f"{self.label()}: mi is that of continuous margins; with discrete ones give {others}")
        return next(((name, value / self._count if name == "mi" else value) for name, value in given.items()), None)

    @functools.cached_property
    def _count(self) -> int:
        return pair_count(self.label(), self.pairs, self.dim_x, self.dim_y)

    @functools.cached_property
    def _margins(self) -> tuple[Margin, Margin]:
        return margin(self.margins), margin(self.margins if self.margins_y == "same" else self.margins_y)

    @functools.cached_property
    def _discrete(self) -> list[DiscreteMargin]:
        return [one for one in self._margins if isinstance(one, DiscreteMargin)]

    def sample_shape(self, n: int) -> Shape:
        """Discrete where the margins take whole numbers."""
        x_discrete, y_discrete = (isinstance(one, DiscreteMargin) for one in self._margins)
        return Shape(n, kinds_of(self.dim_x, discrete=x_discrete), kinds_of(self.dim_y, discrete=y_discrete))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """Map log odds, of the pairs and of independent columns, by the margins' quantiles."""
        s, t = self.draw((n, self._count), rng)
        margin_x, margin_y = self._margins
        x = np.hstack([margin_x.quantile(s), margin_x.quantile(rng.logistic(size=(n, self.dim_x - self._count)))])
        y = np.hstack([margin_y.quantile(t), margin_y.quantile(rng.logistic(size=(n, self.dim_y - self._count)))])
        # The log odds at hand are more exact than those of the points.
        of_x = x[:, : self._count] if isinstance(margin_x, DiscreteMargin) else s
        of_y = y[:, : self._count] if isinstance(margin_y, DiscreteMargin) else t
        return Sample(x, y, self._pmi(of_x, of_y), self.sample_shape(n))

    def pmi(self, x: Array, y: Array) -> Array:
        """See `JointDistribution.pmi`."""
        margin_x, margin_y = self._margins
        x, y = x[:, : self._count], y[:, : self._count]
        with np.errstate(all="ignore"):  # points outside of the margin's range
            return self._pmi(
                x if isinstance(margin_x, DiscreteMargin) else margin_x.log_odds(x),
                y if isinstance(margin_y, DiscreteMargin) else margin_y.log_odds(y),
            )

    def _pmi(self, of_x: Array, of_y: Array) -> Array:
        """Sum of the pairs' pointwise MI, by log odds of continuous margins and values of discrete ones."""
        if len(self._discrete) == 2:
            parts = self._table[1][self._discrete[0].cells(of_x), self._discrete[1].cells(of_y)]
        elif self._discrete:
            s, values = (of_y, of_x) if isinstance(self._margins[0], DiscreteMargin) else (of_x, of_y)
            parts = self._cell_pmi(s, self._discrete[0].cells(values))
        else:
            parts = self.log_density(of_x, of_y)
        return np.asarray(parts.sum(axis=1))

    def _cell_pmi(self, s: Array, cells: Cells) -> Array:
        """Log[h(k|u) / p(k)] where one margin is discrete."""
        ends, last = self._discrete[0].thresholds, len(self._discrete[0].thresholds)
        upper = np.where(cells == last, np.inf, self.conditional(s, ends[np.minimum(cells, last - 1)]))
        lower = np.where(cells == 0, -np.inf, self.conditional(s, ends[np.maximum(cells - 1, 0)]))
        return np.asarray(log_difference(upper, lower) - self._discrete[0].log_probabilities[cells])

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """See `JointDistribution.ground_truth`."""
        if quantity != "mi":
            return None
        # Rounding may take a value that is 0 or next to it below 0.
        if self._discrete:
            return GroundTruth(self._count * max(self._cell_information, 0.0), method="quadrature")
        return GroundTruth(self._count * max(self.pair_information, 0.0), method=self.method)

    @functools.cached_property
    def _cell_information(self) -> float:
        """I of one pair with a discrete margin."""
        if len(self._discrete) == 2:
            joint, pmi = self._table
            return float((joint * np.where(joint > 0, pmi, 0)).sum())
        s, weights = self._nodes()
        log_h = self._log_cells(s)
        h = np.exp(log_h)
        return float(weights @ (h * np.where(h > 0, log_h - self._discrete[0].log_probabilities, 0)).sum(axis=1))

    @functools.cached_property
    def _table(self) -> tuple[Array, Array]:
        """P(j, k) of two discrete margins, and its pointwise MI."""
        of_x, of_y = self._discrete
        s, weights = self._nodes()
        joint = np.zeros((len(of_x.thresholds) + 1, len(of_y.thresholds) + 1))
        np.add.at(joint, np.searchsorted(of_x.thresholds, s), weights[:, None] * np.exp(self._log_cells(s)))
        with np.errstate(divide="ignore"):  # cells of probability 0 in float64
            return joint, np.log(joint) - of_x.log_probabilities[:, None] - of_y.log_probabilities

    def _log_cells(self, s: Array) -> Array:
        """Log h(k|u) at log odds s for every cell k of the last discrete margin."""
        inner = self.conditional(s[:, None], self._discrete[-1].thresholds[None, :])
        edge = np.full((len(s), 1), np.inf)
        ends = np.hstack([-edge, inner, edge])
        return log_difference(ends[:, 1:], ends[:, :-1])

    def _nodes(self) -> tuple[Array, Array]:
        """Log odds of u and weights du that integrate over (0, 1) smooth functions of h(k|u).

        As a function of u, h changes near the ends of cells (or opposite to them), over a width of some exp(-I). Panels
        start with that width there and double, up to 1; a cell's end is the end of a panel.
        """
        ends = np.concatenate([one.thresholds for one in self._discrete])
        centres = np.unique(np.concatenate([ends, -ends, [-_END, 0, _END]]))
        width = 0.25 * np.exp(-self.pair_information)
        ladder = np.concatenate([np.exp2(np.arange(np.log2(width), 0)), np.arange(1, _END)])
        panels = [centres]
        for left, right in itertools.pairwise(centres):
            steps = ladder[ladder < (right - left) / 2]
            panels += [left + steps, right - steps]
        edges = np.sort(np.concatenate(panels))
        half = np.diff(edges)[:, None] / 2
        nodes, weights = np.polynomial.legendre.leggauss(12)
        s = ((edges[:-1, None] + half) + half * nodes).ravel()
        return s, (half * weights).ravel() * expit(s) * expit(-s)


_END = 40.0  # exp(-40) of the probability lies beyond
