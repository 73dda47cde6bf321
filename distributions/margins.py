"""Margins of copulas: increasing functions of the log odds t = log(u / (1 - u)) of the uniform variable u.

Log odds carry both tails to full precision, where u itself is 1 in float64 from t = 37 on. A continuous margin is a
quantile function and its inverse, both in closed form; a margin that takes whole numbers is a list of log odds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_ndtr, logit, ndtri, pdtr, pdtrc

from mibench.interface import Array

Cells = NDArray[np.intp]
Continuous = Literal[
    "uniform", "normal", "exponential", "lognormal", "extreme-value", "student", "cauchy", "beta", "bimodal"
]
Discrete = Literal["binary", "geometric", "poisson"]
Word = Literal[Continuous, Discrete]


@dataclass(frozen=True)
class ContinuousMargin:
    """Quantiles x(t), strictly increasing in the log odds t, and the log odds t(x) of a value."""

    quantile: Callable[[Array], Array]
    log_odds: Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class DiscreteMargin:
    """Values 0, 1, ..., K: `thresholds[k]` are the log odds of P(value <= k) for k < K.

    K stands for all values above it too, whose probability is below 1e-14.
    """

    thresholds: Array

    def quantile(self, t: Array) -> Array:
        """The value at log odds t."""
        return np.searchsorted(self.thresholds, t).astype(float)

    def cells(self, x: Array) -> Cells:
        """Index of the values; others count as the nearest."""
        return np.clip(np.rint(x), 0, len(self.thresholds)).astype(np.intp)

    @property
    def log_probabilities(self) -> Array:
        """Log p(k) of the values 0 to K."""
        ends = np.concatenate([[-np.inf], self.thresholds, [np.inf]])
        return log_difference(ends[1:], ends[:-1])


Margin = ContinuousMargin | DiscreteMargin


def margin(word: Word) -> Margin:
    """Look up a margin.

    uniform on (0, 1)        exponential of mean 1                  student with 2 degrees of freedom
    normal, standard         lognormal, exp of a standard normal    cauchy, standard
    beta(2, 2) on (0, 1)     extreme-value, exp(-exp(-x))           bimodal: logistic laws at -3 and 3, half each
    binary, a fair coin      geometric, 2^-(k+1) for k = 0, 1, ...  poisson of mean 3
    """
    return _MARGINS[word]


# ---------------------------------------------------------------------------------------------------------------------
# Functions that keep their relative precision at both ends


def softplus(t: Array) -> Array:
    """log(1 + exp(t)): -log(1 - u) at log odds t, and -log u at log odds -t."""
    return np.logaddexp(0, t)


def log1mexp(x: Array) -> Array:
    """log(1 - exp(-x)) of x >= 0."""
    with np.errstate(divide="ignore"):  # log 0 at x = 0
        return np.where(x > 0.7, np.log1p(-np.exp(-x)), np.log(-np.expm1(-x)))


def log_expm1(x: Array) -> Array:
    """log(exp(x) - 1) of x >= 0, the inverse of `softplus`: log odds t of -log(1 - u), and -t of -log u."""
    return np.asarray(x + log1mexp(x))


def log_difference(upper: Array, lower: Array) -> Array:
    """Log of the probability between two log odds."""
    return np.asarray(log1mexp(upper - lower) - softplus(-upper) - softplus(lower))


# ---------------------------------------------------------------------------------------------------------------------
# Margins


def _normal(t: Array) -> Array:
    return np.copysign(ndtri(expit(-np.abs(t))), t)


def _normal_log_odds(x: Array) -> Array:
    return np.asarray(log_ndtr(x) - log_ndtr(-x))


def _cauchy(t: Array) -> Array:
    return np.copysign(1 / np.tan(np.pi * expit(-np.abs(t))), t)


def _cauchy_log_odds(x: Array) -> Array:
    return np.copysign(logit(np.arctan2(1, np.abs(x)) / np.pi), x)


def _beta(t: Array) -> Array:
    """Solve u = x^2 (3 - 2 x) for x by the sine of a third of an angle; above the middle by symmetry."""
    angle = 2 * np.arcsin(np.sqrt(expit(-np.abs(t))))
    tail = 2 * np.cos(np.pi / 6 - angle / 6) * np.sin(angle / 6)
    return np.where(t < 0, tail, 1 - tail)


_BUMP = math.cosh(3)


def _bimodal(t: Array) -> Array:
    """Solve u = (F(x - 3) + F(x + 3)) / 2 for x, F the logistic distribution function: quadratic in exp(x)."""
    return np.asarray(t / 2 + np.arcsinh(_BUMP * np.sinh(t / 2)))


def _bimodal_log_odds(x: Array) -> Array:
    return np.asarray(x + np.logaddexp(x, math.log(_BUMP)) - np.logaddexp(x + math.log(_BUMP), 0))


_COUNTS = np.arange(46)
_MARGINS: dict[Word, Margin] = {
    "uniform": ContinuousMargin(expit, logit),
    "normal": ContinuousMargin(_normal, _normal_log_odds),
    "exponential": ContinuousMargin(softplus, log_expm1),
    "lognormal": ContinuousMargin(lambda t: np.exp(_normal(t)), lambda x: _normal_log_odds(np.log(x))),
    "extreme-value": ContinuousMargin(lambda t: -np.log(softplus(-t)), lambda x: -log_expm1(np.exp(-x))),
    "student": ContinuousMargin(
        lambda t: np.asarray(math.sqrt(2) * np.sinh(t / 2)), lambda x: 2 * np.arcsinh(x / math.sqrt(2))
    ),
    "cauchy": ContinuousMargin(_cauchy, _cauchy_log_odds),
    "beta": ContinuousMargin(_beta, lambda x: np.asarray(2 * logit(x) + np.log((3 - 2 * x) / (1 + 2 * x)))),
    "bimodal": ContinuousMargin(_bimodal, _bimodal_log_odds),
    "binary": DiscreteMargin(np.zeros(1)),
    "geometric": DiscreteMargin(log_expm1(np.asarray((_COUNTS + 1) * math.log(2)))),
    "poisson": DiscreteMargin(np.log(pdtr(_COUNTS[:26], 3.0)) - np.log(pdtrc(_COUNTS[:26], 3.0))),
}
