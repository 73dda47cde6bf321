"""A Gaussian mixture fitted to (x, y), and its mutual information."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mibench.estimators.gaussian.canonical import gaussian_bias, orthonormal_basis, too_few_points
from mibench.estimators.gaussian.mixture import Fit, best_fit, parameters
from mibench.estimators.margins import normal_scores
from mibench.estimators.ties import BREAKING, Ties, untied
from mibench.interface import Array, Context, Estimate, Estimator, Shape, parameter
from mibench.registry import register_estimator

# BIC's search ends after so many numbers of components without a gain, or where a parameter had fewer points.
PATIENCE, FEWEST_POINTS = 2, 2
# Fewer points a parameter are few enough to say so.
FEW_POINTS = 5
# Of Monte Carlo, in units of the sampling error: it adds 2% to the error of the estimate.
MONTE_CARLO_SHARE = 0.2
# A mean over the sample that is so many sampling errors from the mixture's own is no accident.
FAR = 3
# The bias of more parameters is left alone: the information matrix would take seconds.
MOST_CORRECTED = 1000


@register_estimator(
    name="gmm",
    family="gaussian",
    summary="MI of a Gaussian mixture fitted by EM, its number of components by BIC",
    citation="""@article{piras2023robust,
      author = {Davide Piras and Hiranya V. Peiris and Andrew Pontzen and Luisa Lucie-Smith and Ningyuan Guo and
                Brian Nord},
      title = {A robust estimator of mutual information for deep learning interpretability},
      journal = {Machine Learning: Science and Technology},
      volume = {4},
      number = {2},
      pages = {025006},
      year = {2023}
    }""",
    invariances=("shift", "scale", "column-scale"),
    example="gmm[components=2]",
)
@dataclass(frozen=True)
class GMM(Estimator):
    r"""I(p) - bias in nats, p(x, y) = sum_k w_k N((x, y); m_k, S_k) the mixture of largest likelihood.

    I(p) = E_p log p(x, y) / (p(x) p(y)) by Monte Carlo, its error at most a fifth of the sampling error. The number
    of components has the smallest BIC = p log n - 2 log likelihood, p parameters (cross-validated likelihood, as in
    the source, takes more components and was no better). `bias` is what fitting adds on average, to order 1/n: see
    `Mixture.fitting_bias`; exact for one component, where this is `cca` without bias.

    Exact in the limit where (X, Y) is such a mixture, and there more precise than any estimate without a model;
    elsewhere on neither side of the truth: a warning compares I(p) with the mean log-ratio over the sample. Heavy tails
    and skewed margins take many components, of which `margins=normal` may need fewer.
    """

    components: int | Literal["bic"] = parameter("bic", "components of the mixture", low=1)
    most_components: int = parameter(10, "largest number that BIC may choose", low=1)
    initialisations: int = parameter(3, "starts of EM for each number, of which the best end is kept", low=1)
    margins: Literal["raw", "normal"] = parameter("raw", "the mixture is of the values, or of their normal scores")
    bias_correction: bool = parameter(True, "subtract what fitting adds on average")
    ties: Ties = parameter("spread", BREAKING, later=True)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        """See `Estimator.estimate`."""
        n = len(x)
        data = untied(x, y, self.ties, "cells", context.shape_of(x, y))
        blocks = (data.x, data.y) if self.margins == "raw" else (normal_scores(data.x), normal_scores(data.y))
        bases = [orthonormal_basis(block) for block in blocks]
        points, dim_x = math.sqrt(n) * np.hstack(bases), bases[0].shape[1]
        fits = self._fits(points, dim_x, context.rng)
        fit = min(fits, key=lambda candidate: (candidate.collapsed, candidate.bic))
        ratio = fit.mixture.log_ratio(points)
        sampling_error = float(ratio.std()) / math.sqrt(n)
        value, error = fit.mixture.mutual_information(MONTE_CARLO_SHARE * sampling_error, context.rng)
        warnings = self._warnings(fit, value)
        if abs(ratio.mean() - value) > FAR * sampling_error:
            warnings.append(
                f"the mixture's information is {value:.3g}, but over the sample its log-ratio has mean "
                f"{ratio.mean():.3g}: the data are no such mixture (heavy tails, curved dependence)"
            )
        bias = self._bias(fit, points)
        diagnostics = {
            "components": len(fit.mixture.weights),
            "parameters": fit.mixture.parameters,
            "bic": [candidate.bic for candidate in fits],
            "log_likelihood": fit.log_likelihood / n,
            "em_steps": fit.steps,
            "monte_carlo_error": error,
            "mean_log_ratio": float(ratio.mean()),
            "bias": bias,
            **data.diagnostics,
        }
        if bias is None:
            warnings.append(f"the bias of {fit.mixture.parameters} parameters fitted to {n} points is not corrected")
        warnings += data.density_warnings
        return Estimate(value - (bias or 0.0), diagnostics=diagnostics, warnings=tuple(warnings))

    def unsupported(self, shape: Shape) -> str | None:
        """Too few points make covariances singular."""
        reason = super().unsupported(shape) or too_few_points(shape)
        fewest = 1 if self.components == "bic" else self.components * (shape.dim_x + shape.dim_y + 1)
        if reason is None and shape.n < fewest:
            reason = f"needs at least {fewest} points for {self.components} components, got {shape.n}"
        return reason

    def _fits(self, points: Array, dim_x: int, rng: np.random.Generator) -> list[Fit]:
        """Fit the number of components asked for, or one after the other until BIC does not improve any more."""
        if self.components != "bic":
            return [best_fit(points, dim_x, self.components, self.initialisations, rng)]
        (n, dims), fits, best = points.shape, list[Fit](), 0
        for components in range(1, self.most_components + 1):
            if components > 1 and (FEWEST_POINTS * parameters(components, dims) > n or len(fits) - best > PATIENCE):
                break
            fits.append(best_fit(points, dim_x, components, self.initialisations, rng))
            if not fits[-1].collapsed and fits[-1].bic < fits[best].bic:
                best = len(fits) - 1
        return fits

    def _bias(self, fit: Fit, points: Array) -> float | None:
        """None where it is not known."""
        mixture, dims = fit.mixture, points.shape[1]
        if not self.bias_correction:
            return 0.0
        if len(mixture.weights) == 1:
            return gaussian_bias(fit.n, mixture.dim_x, dims - mixture.dim_x)
        if fit.collapsed or mixture.parameters > min(MOST_CORRECTED, fit.n // 2):
            return None
        return mixture.fitting_bias(points)

    def _warnings(self, fit: Fit, value: float) -> list[str]:
        warnings, n, components = [], fit.n, len(fit.mixture.weights)
        if not fit.converged:
            warnings.append(f"EM has not converged after {fit.steps} steps")
        if self.components == "bic" and components == self.most_components > 1:
            warnings.append(
                f"BIC takes all {components} components that it may: the data are no mixture of few normal laws; "
                "raise most_components, or try margins=normal"
            )
        if fit.collapsed:
            warnings.append(
                "a component has collapsed: X and Y share a combination without noise, values repeat, or there are "
                "too many components; the information is infinite or unresolved"
            )
        elif value > math.log(n):
            warnings.append(
                f"above log n = {math.log(n):.3g}, where no estimate from {n} points is safe without a model: this "
                "one stands on the assumption of a Gaussian mixture"
            )
        if n < FEW_POINTS * fit.mixture.parameters:
            warnings.append(f"{n} points are few for {fit.mixture.parameters} parameters: the estimate is uncertain")
        return warnings
