"""Sliced mutual information: that of random projections, averaged over their directions."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from mibench.estimators.wrappers.over_inner import OverInner
from mibench.interface import Array, Context, Estimate, EstimatorFacts, Shape, parameter
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
        shape = self._projected(context.shape_of(x, y))
        contexts = [
            dataclasses.replace(context, rng=rng, interval=None, shape=shape) for rng in context.rng.spawn(self.slices)
        ]
        values = np.full(self.slices, np.nan)
        of_slices: list[str] = []
        at_once = max(NUMBERS_AT_ONCE // (2 * self.dims * len(x)), 1)
        for start in range(0, self.slices, at_once):
            part = slice(start, start + at_once)
            xs, ys = ([block @ axes for axes in onto[part]] for block, onto in ((x, onto_x), (y, onto_y)))
            for index, estimate in self.inner.estimate_batch(xs, ys, contexts[part]):
                values[start + index] = estimate.value
                of_slices += estimate.warnings[:1]
        diagnostics = {
            "slices": self.slices,
            "standard_error": float(values.std(ddof=1) / math.sqrt(self.slices)),
            "smallest_slice": float(values.min()),
            "largest_slice": float(values.max()),
        }
        warnings = []
        if of_slices:
            warnings.append(f"{len(of_slices)} of {self.slices} slices come with warnings, such as: {of_slices[0]}")
        return Estimate(
            float(values.mean()),
            quantity=self.quantity,
            bound=self.bound,
            diagnostics=diagnostics,
            warnings=tuple(warnings),
        )

    def unsupported(self, shape: Shape) -> str | None:
        """A projection needs as many columns as it keeps; labels are projected only where they are alone."""
        for kinds in (shape.x, shape.y):
            if len(kinds) < self.dims:
                return f"projections keep dims = {self.dims} columns, more than the {len(kinds)} there are"
            if "discrete" in kinds and len(kinds) > 1:
                return "columns of labels have no projections; one column of labels alone is taken as it is"
        return super().unsupported(shape) or self.inner.unsupported(self._projected(shape))

    def _projected(self, shape: Shape) -> Shape:
        """The shape of projections, which are continuous; a column of labels alone stays what it is."""
        return dataclasses.replace(shape, x=shape.x[:1] * self.dims, y=shape.y[:1] * self.dims)


def directions(count: int, dim: int, kept: int, rng: np.random.Generator) -> Array:
    """Matrices (count, dim, kept) with orthonormal columns, uniform on the Stiefel manifold; kept = 1: unit vectors."""
    axes, triangle = np.linalg.qr(rng.standard_normal((count, dim, kept)))
    return np.asarray(axes * np.sign(np.diagonal(triangle, axis1=1, axis2=2))[:, None])
