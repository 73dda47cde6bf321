"""Broken ties against laws whose information is a sum or an integral, and what the noise must not do."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from mibench.estimators.ties import Spread, Width, untied
from mibench.interface import Array, Context, Estimate, Shape
from mibench.registry import make_estimator

WIDTHS: list[Width] = ["thin", "cells"]
SAMPLES, N = 20, 1000


def spread(x: Array, y: Array, width: Width = "cells") -> Spread:
    return untied(x, y, "spread", width, Shape.continuous(len(x), x.shape[1], y.shape[1]))


def rounded(seed: int, rho: float, step_x: float, step_y: float, n: int = N) -> tuple[Array, Array]:
    """A normal pair recorded in steps; 0: as it is."""
    rng = np.random.default_rng([seed, n])
    x, e = rng.standard_normal((2, n, 1))
    y = rho * x + np.sqrt(1 - rho**2) * e
    steps = ((x, step_x), (y, step_y))
    x, y = (np.round(block / step) * step if step else block for block, step in steps)
    return x, y


def information(joint: Array) -> float:
    """Of a table of probabilities."""
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / product[seen])).sum())


def lattice_information(rho: float, step_x: float, step_y: float) -> float:
    """I of a normal pair in steps: the integral over every cell of X of the chances of the cells of Y."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    cells_x = np.arange(-round(8 / step_x), round(8 / step_x) + 1) * step_x
    edges_y = (np.arange(-round(8 / step_y), round(8 / step_y) + 2) - 0.5) * step_y
    x = cells_x[:, None] + nodes * step_x / 2
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * weights * step_x / 2
    below = ndtr((edges_y - rho * x[..., None]) / np.sqrt(1 - rho**2))
    return information((density[..., None] * np.diff(below, axis=-1)).sum(axis=1))


def rain(seed: int, n: int = N) -> tuple[Array, Array]:
    """Nothing is recorded of what lies below a limit: an atom at 0 beside a density."""
    rng = np.random.default_rng([seed, n, 1])
    x, e = rng.standard_normal((2, n, 1))
    return x, np.maximum(x + e - 0.3, 0.0)


def rain_information() -> float:
    """H(Y) - H(Y | X), where Y is 0 with the chance P(X + E < 0.3), and has a normal density above."""

    def phi(t: float) -> float:
        return float(np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi))

    def plogp(p: float) -> float:
        return p * np.log(p) if p > 0 else 0.0

    def within(x: float) -> float:
        """Minus the entropy of Y given x."""
        return plogp(float(ndtr(0.3 - x))) + float(quad(lambda y: plogp(phi(y + 0.3 - x)), 0, max(x, 0) + 9)[0])

    scale = np.sqrt(2)
    over_x = quad(lambda x: phi(x) * within(x), -8, 8, epsabs=1e-8)[0]
    alone = plogp(float(ndtr(0.3 / scale))) + quad(lambda y: plogp(phi((y + 0.3) / scale) / scale), 0, 14)[0]
    return float(over_x - alone)


def judge(spec: str, truth: float, sample: Callable[[int], tuple[Array, Array]]) -> None:
    """The mean of 20 samples is near the truth, or the estimator says in each of them that it may not be."""
    estimator = make_estimator(spec)
    found: list[Estimate] = [
        estimator.estimate(*sample(seed), Context(np.random.default_rng(seed))) for seed in range(SAMPLES)
    ]
    values = np.array([one.value for one in found])
    error, noise = abs(values.mean() - truth), values.std(ddof=1) / np.sqrt(SAMPLES)
    near = error <= max(0.03, 0.15 * truth) + 2 * noise
    assert near or all(one.warnings for one in found), f"off by {error:.3f} of {truth:.3f}"


QUICK = ["ksg", "ksg-2", "lnc", "kl", "mixed-ksg"]
EVERY = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in ("kde", "gmm"))]


@pytest.mark.parametrize("spec", EVERY)
@pytest.mark.parametrize(
    ("rho", "step_x", "step_y"),
    [(0.5, 1 / 7, 1 / 12), (0.5, 1 / 3, 0), (0.0, 0.1, 0.1), (0.9, 1 / 3, 1 / 3), (0.5, 0.01, 0.01)],
)
def test_lattices(spec: str, rho: float, step_x: float, step_y: float) -> None:
    """Whole centimetres and kilograms, one side alone, independence, coarse steps, steps that few values share."""
    truth = lattice_information(rho, step_x, step_y or 0.002)
    judge(spec, truth, lambda seed: rounded(seed, rho, step_x, step_y))


@pytest.mark.parametrize("spec", EVERY)
def test_an_atom_beside_a_density(spec: str) -> None:
    judge(spec, rain_information(), rain)


@pytest.mark.parametrize("spec", ["ksg", "ksg-2", "mixed-ksg"])
def test_ten_values_that_tell_each_other(spec: str) -> None:
    def same(seed: int) -> tuple[Array, Array]:
        x = np.random.default_rng([seed, 2]).integers(10, size=(N, 1)).astype(float)
        return x, x.copy()

    judge(spec, np.log(10), same)


def test_truths() -> None:
    """A fine lattice has the information of the normal pair; a coarse one less; the rain's is known from elsewhere."""
    assert lattice_information(0.5, 0.01, 0.01) == pytest.approx(-np.log(1 - 0.5**2) / 2, abs=1e-4)
    assert lattice_information(0.5, 1, 1) < 0.9 * -np.log(1 - 0.5**2) / 2
    assert rain_information() == pytest.approx(0.2468, abs=2e-4)


@pytest.mark.parametrize("width", WIDTHS)
def test_untied_blocks_are_the_same_arrays(width: Width) -> None:
    x, y = rounded(0, 0.5, 0, 0)
    found = spread(x, y, width)
    assert found.x is x
    assert found.y is y
    assert (found.diagnostics, found.warnings) == ({}, ())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sample", [lambda: rounded(0, 0.5, 0.1, 0.3), lambda: rain(0)])
def test_the_noise_keeps_values_apart(width: Width, sample: Callable[[], tuple[Array, Array]]) -> None:
    """So that what was recorded can be told from what is spread: the information stays that of the recorded data."""
    x, y = sample()
    found = spread(x, y, width)
    for before, after in ((x[:, 0], found.x[:, 0]), (y[:, 0], found.y[:, 0])):
        cells = [after[before == value] for value in np.unique(before)]
        assert all(low.max() < high.min() for low, high in itertools.pairwise(cells))
        assert len(np.unique(after)) == len(after)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_noise_is_of_the_data_alone(width: Width) -> None:
    """It follows rows and units, is another for X and for Y, and leaves discrete columns."""
    x, y = rounded(0, 0.5, 0.25, 0.25)
    found = spread(x, y, width)
    order = np.random.default_rng(1).permutation(len(x))
    again = spread(x[order], y[order], width)
    np.testing.assert_allclose(np.sort(again.x, axis=0), np.sort(found.x, axis=0))
    scaled = spread(8 * x + 2, y, width)
    np.testing.assert_allclose(scaled.x - scaled.x.min(), 8 * (found.x - found.x.min()), atol=1e-9)
    twice = spread(x, x.copy(), width)
    assert abs(np.corrcoef(twice.x[:, 0] - x[:, 0], twice.y[:, 0] - x[:, 0])[0, 1]) < 0.2
    labels = untied(x, y, "spread", width, Shape(len(x), ("discrete",), ("continuous",)))
    assert labels.x is x
    assert untied(x, y, "keep", width, Shape.continuous(len(x), 1, 1)).y is y


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_no_seed_of_the_user_meets_the_noise(seed: int) -> None:
    """Data that are drawn from `default_rng(seed)` beside an estimate of that seed."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, 1))
    y = x + rng.standard_normal((N, 1))
    x, y = np.round(x, 1), np.round(y, 1)
    value = make_estimator("ksg").estimate(x, y, Context(np.random.default_rng(seed))).value
    assert value == pytest.approx(lattice_information(np.sqrt(0.5), 0.1, 0.1 / np.sqrt(2)), abs=0.12)
