"""Mutual information from three entropies of Kozachenko and Leonenko."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from mibench.estimators.margins import Margins, transformed
from mibench.estimators.neighbors.doubts import geometry_doubts, too_few_points
from mibench.estimators.neighbors.search import neighbor_radii
from mibench.interface import Array, Context, Estimate, Estimator, parameter
from mibench.registry import register_estimator


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
class KozachenkoLeonenko(Estimator):
    r"""I = H(X) + H(Y) - H(X, Y) with H(Z) = psi(n) - psi(k) + dim_z mean_i log(2 r_z(i)), in nats.

    r_z(i) is the distance from point i to its k-th neighbour in Z alone, in the maximum norm, whose ball of radius r
    has the volume (2r)^dim_z. Each entropy is consistent, but the radius in (X, Y) is far larger than those in X and
    in Y: their biases do not cancel as they do in KSG. Where k others share a value, an entropy is -infinity.
    """

    k: int = parameter(3, "which neighbour sets the radius; more: less variance, more bias", low=1)
    margins: Margins = parameter(
        "raw", "columns as given, with standard deviation 1, or replaced by the normal scores of their ranks"
    )

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        x, y = transformed(x, self.margins), transformed(y, self.margins)
        doubts, entropies = geometry_doubts(x, y), []
        for name, block in (("x", x), ("y", y), ("(x, y)", np.hstack([x, y]))):
            radii = neighbor_radii(block, [self.k], threads=context.threads)[:, 0]
            repeated = int(np.count_nonzero(radii == 0))
            if repeated:
                doubts.append(
                    f"{repeated} of {len(radii)} points coincide with {self.k} or more others in {name}: its entropy "
                    "is -infinity and the estimate no number; add small noise, or use an estimator for mixed data"
                )
            with np.errstate(divide="ignore"):
                log_widths = np.log(2 * radii)
            entropies.append(float(digamma(len(x)) - digamma(self.k) + block.shape[1] * log_widths.mean()))
        in_x, in_y, joint = entropies
        diagnostics = {"entropy_x": in_x, "entropy_y": in_y, "entropy_xy": joint}
        return Estimate(in_x + in_y - joint, diagnostics=diagnostics, warnings=tuple(doubts))

    def unsupported(
        self, n: int, dim_x: int, dim_y: int, x_discrete: tuple[bool, ...], y_discrete: tuple[bool, ...]
    ) -> str | None:
        """Each point needs k others."""
        reason = super().unsupported(n, dim_x, dim_y, x_discrete, y_discrete)
        return reason or too_few_points(n, self.k)
