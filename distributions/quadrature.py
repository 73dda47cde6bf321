"""Nodes and weights for the integrals behind truths that have no closed form."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.special import gammainccinv, gammaincinv

from mibench.interface import Array


def gauss_legendre(edges: Iterable[float], order: int = 16) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights between neighbouring edges; the edges go where the integrand bends sharply."""
    ends = np.unique(np.asarray(list(edges), dtype=float))
    points, weights = np.polynomial.legendre.leggauss(order)
    half = np.diff(ends)[:, None] / 2
    return np.ravel(ends[:-1, None] + half * (1 + points)), np.ravel(half * weights)


def normal_nodes(step: float) -> tuple[Array, Array]:
    """Nodes and weights of the mean of f(Z), Z standard normal: the trapezoidal rule on (-9, 9), equal steps.

    What is cut off weighs 2e-19. The error falls as exp(-2 pi d / step) where f is analytic in a strip of half-width d.
    """
    half = int(np.ceil(9 / step))
    nodes = np.linspace(-9, 9, 2 * half + 1)
    weights = np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi) * (9 / half)
    return nodes, weights


def log_chi_square_nodes(least: float, most: float, count: int = 1500) -> tuple[Array, float]:
    """Equally spaced u = log V and their step, for V chi-square with any degrees of freedom from `least` to `most`.

    In log V the density is analytic and falls off exponentially at both ends: the trapezoidal rule is all that a
    mean over V needs. What is cut off has probability 1e-20.
    """
    low, high = np.log(2 * gammaincinv(least / 2, 1e-20)), np.log(2 * gammainccinv(most / 2, 1e-20))
    nodes, step = np.linspace(low, high, count, retstep=True)
    return nodes, float(step)
