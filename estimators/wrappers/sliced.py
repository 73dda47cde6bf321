"""Sliced mutual information: that of random projections, averaged over their directions."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from mibench.estimators.wrappers.over_inner import OverInner
from mibench.interface import Array, Context, Estimate, EstimatorFacts, parameter
from mibench.registry import register_estimator

NUMBERS_AT_ONCE = 2**23  # in the projections that the inner estimator is given as one batch


@register_estimator(
    name="sliced",
    family="wrappers",
    summary="sliced MI: that of X and Y on random directions, by any inner estimator, averaged",
    citation="""@inproceedings{goldfeld2021sliced,
      author = {Ziv Goldfeld and Kristjan Greenewald},
      title = {Sliced Mutual Information: A Scalable Measure of Statistical Dependence},
      booktitle = {Advances in Neural Information Processing Systems},
      volume = {34},
      year = {2021}
    }""",
    quantity="sliced-mi",
    invariances=("shift", "rows"),
    devices=("cpu", "cuda"),
)
@dataclass(frozen=True)
class Sliced(OverInner):
    r"""SI = mean over s of I(A_s'X; B_s'Y), in nats, with A_s and B_s independent and uniform on the unit sphere.

    With `dims` = k > 1 they are k orthonormal columns, uniform on the Stiefel manifold (k-sliced MI). Zero only at
    independence, and at most MI, but a quantity with a scale of its own: it equals MI at 1 x 1 only, and falls with
    the dimension, as a random direction meets little of the dependence there is. Rotations of X and of Y leave it as
    it is, other maps do not. The inner estimator sees 1 x 1 (k x k) problems in any dimension; its bias in these stays.
    The standard error among the diagnostics is that of the mean over directions, for the sample at hand.
    """

    slices: int = parameter(128, "pairs of random directions; the error falls with the root of their number", low=2)
    dims: int = parameter(1, "columns of a projection", low=1)

    def own_facts(self) -> EstimatorFacts:
        """Another number of columns, or another inner quantity, is another quantity."""
        name = f"sliced-{self.inner.quantity}"
        return dataclasses.replace(super().own_facts(), quantity=name if self.dims == 1 else f"{self.dims}-{name}")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        onto_x, onto_y = (directions(self.slices, block.shape[1], self.dims, context.rng) for block in (x, y))
        contexts = [
            dataclasses.replace(
                context,
                rng=rng,
                level=None,
                method=None,
                x_discrete=_kinds(context.x_discrete, self.dims),
                y_discrete=_kinds(context.y_discrete, self.dims),
            )
            for rng in context.rng.spawn(self.slices)
        ]
        values = np.full(self.slices, np.nan)
        doubts: list[str] = []
        at_once = max(NUMBERS_AT_ONCE // (2 * self.dims * len(x)), 1)
        for start in range(0, self.slices, at_once):
            part = slice(start, start + at_once)
            xs, ys = ([block @ axes for axes in onto[part]] for block, onto in ((x, onto_x), (y, onto_y)))
            for index, estimate in self.inner.estimate_batch(xs, ys, contexts[part]):
                values[start + index] = estimate.value
                doubts += estimate.warnings[:1]
        diagnostics = {
            "slices": self.slices,
            "standard_error": float(values.std(ddof=1) / math.sqrt(self.slices)),
            "smallest_slice": float(values.min()),
            "largest_slice": float(values.max()),
        }
        warnings = (
            (f"{len(doubts)} of {self.slices} slices come with warnings, such as: {doubts[0]}",) if doubts else ()
        )
        return Estimate(
            float(values.mean()), quantity=self.quantity, bound=self.bound, diagnostics=diagnostics, warnings=warnings
        )

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """A projection needs as many columns as it keeps; labels are projected only where they are alone."""
        for dim, discrete in ((dim_x, x_discrete), (dim_y, y_discrete)):
            if dim < self.dims:
                return f"projections keep dims = {self.dims} columns, more than the {dim} there are"
            if any(discrete) and dim > 1:
                return "columns of labels have no projections; one column of labels alone is taken as it is"
        kinds = _kinds(x_discrete, self.dims), _kinds(y_discrete, self.dims)
        return super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete) or self.inner.unsupported(
            n, self.dims, self.dims, *kinds
        )


def directions(count: int, dim: int, kept: int, rng: np.random.Generator) -> Array:
    """Matrices (count, dim, kept) with orthonormal columns, uniform on the Stiefel manifold; kept = 1: unit vectors."""
    axes, triangle = np.linalg.qr(rng.standard_normal((count, dim, kept)))
    return np.asarray(axes * np.sign(np.diagonal(triangle, axis1=1, axis2=2))[:, None])


def _kinds(discrete: tuple[bool, ...] | None, dims: int) -> tuple[bool, ...]:
    """Kinds of the projections: continuous, or that of the only column."""
    return (any(discrete or ()),) * dims
