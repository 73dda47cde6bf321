"""Nearest neighbours within each class: mutual information of a label and a continuous vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from mibench.estimators.neighbors.search import Counts, Norm, count_within, neighbor_radii
from mibench.estimators.ties import BREAKING, Ties, untied
from mibench.interface import Array, Context, Estimate, Estimator, Shape, parameter
from mibench.registry import register_estimator


@register_estimator(
    name="ross",
    family="neighbors",
    summary="a label and a continuous vector: neighbours of the own class against neighbours of all",
    citation="ross2014mutual",
    supports=("mixed",),
    symmetric=True,
    deterministic=True,
    invariances=("shift", "scale", "rows"),
)
@dataclass(frozen=True)
class Ross(Estimator):
    r"""I = psi(n) + mean_i [psi(k_i) - psi(n_i) - psi(m_i)], in nats, with all columns of X or all of Y a label.

    n_i counts the points with the label of point i, itself included; r_i is the distance to the k-th other of them
    (the last, where there are fewer) in the continuous block; k_i counts the others of this label
    at most r_i away, which are k unless there are ties, and m_i those of any label. A point whose label nobody shares
    has no such distance: it is left out, of n too. Labels are only told apart, never measured.
    """

    k: int = parameter(3, "which neighbour of the own class sets the radius", low=1)
    norm: Norm = parameter("maximum", "of differences within the continuous block")
    ties: Ties = parameter("spread", BREAKING, later=True)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        shape = context.shape_of(x, y)
        data = untied(x, y, self.ties, "thin", shape)
        label, block = (y, data.x) if "continuous" in shape.x else (x, data.y)
        _, classes, sizes = np.unique(label, axis=0, return_inverse=True, return_counts=True)
        shared = sizes[classes.ravel()] > 1
        classes, block = classes.ravel()[shared], np.ascontiguousarray(block[shared])
        n, alone = len(block), int(np.count_nonzero(~shared))
        diagnostics = {"classes": len(sizes), "points_left_out": alone} | data.diagnostics
        if n == 0:
            return Estimate(float("nan"), diagnostics=diagnostics, warnings=("no two points share a label",))
        radii, own = np.empty(n), np.empty(n, dtype=np.int64)
        for one in np.unique(classes):
            members = classes == one
            radii[members], own[members] = self._within_class(block[members], context.threads)
        everyone = count_within(block, radii, norm=self.norm, threads=context.threads)
        terms = digamma(own) - digamma(sizes[classes]) - digamma(everyone)
        warnings = []
        if alone:
            warnings.append(f"{alone} of {len(x)} points have a label that no other point has, and are left out")
        small = int(np.count_nonzero((sizes > 1) & (sizes <= self.k)))
        if small:
            labels = "1 label has" if small == 1 else f"{small} labels have"
            warnings.append(f"{labels} {self.k} or fewer points: there the last neighbour sets the radius")
        repeated = int(np.count_nonzero(radii == 0))
        if repeated:
            warnings.append(f"{repeated} of {n} points coincide with {self.k} or more others of their label")
        warnings += data.warnings
        return Estimate(float(digamma(n) + terms.mean()), diagnostics=diagnostics, warnings=tuple(warnings))

    def _within_class(self, block: Array, threads: int) -> tuple[Array, Counts]:
        radii = neighbor_radii(block, [min(self.k, len(block) - 1)], norm=self.norm, threads=threads)[:, 0]
        return radii, count_within(block, radii, norm=self.norm, threads=threads)

    def unsupported(self, shape: Shape) -> str | None:
        """One side is the label, the other is continuous."""
        reason = super().unsupported(shape)
        one_kind_each = len({*shape.x}) == len({*shape.y}) == 1
        if reason is None and not one_kind_each:
            reason = "needs all columns of x discrete and all of y continuous, or the other way round"
        return reason
