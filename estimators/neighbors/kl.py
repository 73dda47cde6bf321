"""Mutual information from three entropies of Kozachenko and Leonenko."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mibench.estimators.neighbors.base import FromContinuousNeighbors
from mibench.estimators.neighbors.data_warnings import even_warnings, geometry_warnings
from mibench.estimators.neighbors.entropy import debiasing_weights, neighbor_entropies
from mibench.estimators.neighbors.search import Norm
from mibench.interface import Array, Context, Estimate, InputError, Shape, parameter
from mibench.registry import register_estimator

# Normals in 8 dimensions, n = 4000, k = 20: a norm of 4 makes the entropy's standard deviation 3 times that of one
# neighbour alone; in 12 dimensions a norm of 46 makes it 12 times.
LARGE_NORM = 10.0


@register_estimator(
    name="kl",
    family="neighbors",
    summary="H(X) + H(Y) - H(X, Y), each entropy from the distance of the k-th neighbour",
    citation="""@article{kozachenko1987sample,
      author = {L. F. Kozachenko and N. N. Leonenko},
      title = {Sample Estimate of the Entropy of a Random Vector},
      journal = {Problems of Information Transmission},
      volume = {23},
      number = {2},
      pages = {95--101},
      year = {1987}
    }""",
    symmetric=True,
    deterministic=True,
    invariances=("shift", "rows"),
)
@dataclass(frozen=True)
class KozachenkoLeonenko(FromContinuousNeighbors):
    r"""I = H(X) + H(Y) - H(X, Y) with H(Z) = sum_k w_k [psi(n) - psi(k) + mean_i log V(r_k(i))], in nats.

    r_k(i) is the distance from point i to its k-th neighbour in Z alone, V(r) the volume of the ball of that radius.
    `weights=equal` takes the k given, each with w_k = 1 / (how many); `weights=debiased` takes 1, ..., k, with the
    smallest weights that cancel the leading terms of each entropy's bias from 4 dimensions on (Berrett, Samworth and
    Yuan, Annals of Statistics 2019; see `debiasing_weights`): at n = 4000 normals in 5 + 5 dimensions have no bias left
    with k = 50, and -0.2 nats in KSG. `truncated=true` cuts each ball, a cube, at the least and the largest value of
    every column (Ao and Li, AAAI 2022, for the unit cube): where a density ends abruptly, the ball of a point at the
    border is empty beyond it.

    Each entropy is consistent, but the radius in (X, Y) is far larger than those in X and in Y: their biases do not
    cancel as they do in KSG. Where k others share a value, an entropy is -infinity:
    see `ties`.
    """

    width = "cells"

    norm: Norm = parameter("maximum", "of differences, in X, in Y and in (X, Y)")
    weights: Literal["equal", "debiased"] = parameter(
        "equal", "one weight for each k given, or weights of 1, ..., k that cancel bias (k: 20 and more)"
    )
    truncated: bool = parameter(False, "cut the balls at the range of each column; with the maximum norm")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights == "debiased" and not isinstance(self.k, int):
            raise InputError(f"{self.label()}: weights=debiased uses all neighbours up to one k; give one whole number")
        if self.truncated and self.norm != "maximum":
            raise InputError(f"{self.label()}: truncated=true needs norm=maximum, whose balls are cut into boxes")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        data = self.prepared(x, y, context)
        x, y = data.x, data.y
        debiased = self.weights == "debiased"
        ks = range(1, max(self.ks) + 1) if debiased else self.ks
        warnings, entropies, weights = geometry_warnings(x, y) + even_warnings(x, y), [], []
        for name, block in (("x", x), ("y", y), ("(x, y)", np.hstack([x, y]))):
            of_k, repeated = neighbor_entropies(block, ks, self.norm, self.truncated, context.threads)
            entropies.append(of_k)
            weights.append(debiasing_weights(len(ks), block.shape[1]) if debiased else np.full(len(ks), 1 / len(ks)))
            if repeated:
                warnings.append(
                    f"{repeated} of {len(x)} points coincide with {min(ks)} or more others in {name}: its entropy is "
                    "-infinity and the estimate no number; ties=spread, the default, tells them apart"
                )
        norm = float(np.linalg.norm(weights[-1]))
        if norm > LARGE_NORM:
            warnings.append(f"the weights that cancel bias in (x, y) have norm {norm:.0f}: they multiply the variance")
        with np.errstate(invalid="ignore"):  # -infinity less -infinity
            in_x, in_y, joint = (float(w @ of_k) for w, of_k in zip(weights, entropies, strict=True))
            by_k = entropies[0] + entropies[1] - entropies[2]
        diagnostics = {"entropy_x": in_x, "entropy_y": in_y, "entropy_xy": joint}
        extra = {"norm_of_weights": norm} if debiased else {"by_k": by_k.tolist()}
        diagnostics |= extra | data.diagnostics
        warnings += data.density_warnings
        return Estimate(in_x + in_y - joint, diagnostics=diagnostics, warnings=tuple(warnings))

    def unsupported(self, shape: Shape) -> str | None:
        """Each point needs k others, and each constraint on the weights one more neighbour."""
        reason = super().unsupported(shape)
        needed = 1 + (shape.dim_x + shape.dim_y) // 4
        if reason is None and self.weights == "debiased" and max(self.ks) < needed:
            reason = f"weights=debiased needs k >= {needed} in {shape.dim_x} + {shape.dim_y} dimensions, got {self.k}"
        return reason
