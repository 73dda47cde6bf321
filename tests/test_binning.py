"""Binning against contingency tables counted by other packages and by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from mibench.estimators.binning.cells import bin_column
from mibench.interface import Array, Context, InputError
from mibench.registry import make_estimator

CORRECTIONS = ("none", "miller-madow")


def pair(n: int, dim_x: int, dim_y: int, rho: float = 0.7, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([seed, n])
    x, y = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
    y[:, 0] = rho * x[:, 0] + math.sqrt(1 - rho**2) * y[:, 0]
    return x, y


def labels(block: Array, bins: int, edges: str) -> list[tuple[float, ...]]:
    """Cells from the edges themselves; both ways agree where no point lies on an edge."""
    shares = np.linspace(0, 1, bins + 1)[1:-1]
    cut = (
        np.quantile(block, shares, axis=0) if edges == "quantile" else block.min(0) + np.outer(shares, np.ptp(block, 0))
    )
    return list(zip(*map(np.digitize, block.T, cut.T), strict=True))


def numbers(cells: Sequence[tuple[float, ...]]) -> list[int]:
    return [sorted(set(cells)).index(cell) for cell in cells]


@pytest.mark.parametrize("edges", ["width", "quantile"])
@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (2, 1), (2, 3)])
def test_agrees_with_contingency_tables(edges: str, dim_x: int, dim_y: int) -> None:
    x, y = pair(2000, dim_x, dim_y)
    cells_x, cells_y = numbers(labels(x, 4, edges)), numbers(labels(y, 4, edges))
    estimate = make_estimator("binning", bins=4, edges=edges).estimate(x, y, Context())
    assert estimate.value == pytest.approx(mutual_info_score(cells_x, cells_y), abs=1e-12)
    joint = numbers(list(zip(cells_x, cells_y, strict=True)))
    by_entropies = sum(sign * entropy(np.bincount(codes)) for sign, codes in ((1, cells_x), (1, cells_y), (-1, joint)))
    assert estimate.value == pytest.approx(by_entropies, abs=1e-12)
    assert estimate.diagnostics == {
        "bins": 4,
        "cells_x": len(set(cells_x)),
        "cells_y": len(set(cells_y)),
        "cells_joint": len(set(joint)),
    }


def test_miller_madow_by_hand() -> None:
    """Table [[3, 1], [0, 4]]: K_xy = 3, K_x = K_y = 2, so that (3 - 2 - 2 + 1) / 16 = 0 is subtracted; then 4 cells."""
    x = np.array([[0.0]] * 4 + [[1.0]] * 4)
    y = np.array([[0.0]] * 3 + [[1.0]] * 5)
    plug_in = (3 * math.log(3 * 8 / (4 * 3)) + math.log(8 / (4 * 5)) + 4 * math.log(4 * 8 / (4 * 5))) / 8
    for correction in ("none", "miller-madow"):
        value = make_estimator("binning", bins=2, correction=correction).estimate(x, y, Context()).value
        assert value == pytest.approx(plug_in, abs=1e-12)
    y = np.array([[0.0], [0.0], [0.0], [1.0], [1.0], [1.0], [1.0], [0.0]])  # [[3, 1], [1, 3]]
    plug_in = (6 * math.log(3 * 8 / 16) + 2 * math.log(8 / 16)) / 8
    value = make_estimator("binning", bins=2, correction="miller-madow").estimate(x, y, Context()).value
    assert value == pytest.approx(plug_in - 1 / 16, abs=1e-12)


def test_miller_madow_removes_the_bias_at_independence() -> None:
    """Full tables of independent uniforms: the plug-in shows (K_x - 1)(K_y - 1) / (2n) on average, corrected 0."""
    n, values = 1000, []
    for seed in range(200):
        x, y = np.random.default_rng([seed, 1]).random((2, n, 1))
        values.append(
            [make_estimator("binning", bins=6, correction=c).estimate(x, y, Context()).value for c in CORRECTIONS]
        )
    means, errors = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / math.sqrt(200)
    assert abs(means[0] - 25 / (2 * n)) < 4 * errors[0] + 1e-4
    assert abs(means[1]) < 4 * errors[1] + 1e-4
    assert 25 / (2 * n) > 10 * errors[0]


def test_discrete_columns_have_a_cell_per_value() -> None:
    rng = np.random.default_rng(4)
    x = rng.choice([-5.0, 0.0, 0.001, 1e9], (500, 1))  # equal width would merge three of the values
    y = np.where(rng.random((500, 1)) < 0.3, rng.choice([1.0, 2.0, 7.0], (500, 1)), x)
    estimate = make_estimator("binning", bins=2).estimate(x, y, Context(x_discrete=(True,), y_discrete=(True,)))
    assert estimate.value == pytest.approx(mutual_info_score(x[:, 0].astype(str), y[:, 0].astype(str)), abs=1e-12)
    assert estimate.diagnostics["cells_x"] == 4


def test_mixed_columns() -> None:
    rng = np.random.default_rng(5)
    x, y = pair(3000, 1, 1)
    kind = rng.choice([0.0, 0.1, 100.0], (3000, 1))
    y = np.where(kind == 0.1, -y, y)
    cells = [(*cell, value) for cell, value in zip(labels(x, 6, "width"), kind[:, 0].tolist(), strict=True)]
    expected = mutual_info_score(numbers(cells), numbers(labels(y, 6, "width")))
    context = Context(x_discrete=(False, True), y_discrete=(False,))
    estimate = make_estimator("binning", bins=6).estimate(np.hstack([x, kind]), y, context)
    assert estimate.value == pytest.approx(expected, abs=1e-12)


def test_width_and_quantile_invariances() -> None:
    x, y = pair(1000, 2, 1)
    for edges in ("width", "quantile"):
        binning = make_estimator("binning", bins=5, edges=edges)
        value = binning.estimate(x, y, Context()).value
        assert binning.estimate(x * [4.0, 0.25], y + 2.0**20, Context()).value == pytest.approx(value, abs=1e-9)
        assert binning.estimate(y, x, Context()).value == pytest.approx(value, abs=1e-12)
        cubed = binning.estimate(x**3, np.exp(y), Context()).value
        assert (cubed == value) == (edges == "quantile")


def test_tied_points_stay_in_one_bin() -> None:
    column = np.array([0.0, 0, 0, 0, 0, 1, 2, 3, 4, 5])
    assert bin_column(column, 2, "quantile").tolist() == [0] * 5 + [1] * 5
    assert bin_column(column, 5, "quantile").tolist() == [0] * 5 + [2, 3, 3, 4, 4]
    assert bin_column(column, 5, "width").tolist() == [0] * 5 + [1, 2, 3, 4, 4]


def test_many_columns_do_not_overflow() -> None:
    """100 binary columns have 2^100 cells; the points are numbered by what they are."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, 2, (64, 100)).astype(float)
    kinds = Context(x_discrete=(True,) * 100, y_discrete=(True,) * 100)
    estimate = make_estimator("binning").estimate(x, 1 - x, kinds)
    assert estimate.value == pytest.approx(math.log(64), abs=1e-12)
    assert "saturates at log n = 4.16" in estimate.warnings[0]


def test_all_small_discrete_tables() -> None:
    """Every pattern of four points with two labels each."""
    context = Context(x_discrete=(True,), y_discrete=(True,))
    for pattern in itertools.product([0.0, 1.0], repeat=8):
        x, y = pattern[:4], pattern[4:]
        value = make_estimator("binning").estimate(np.array(x)[:, None], np.array(y)[:, None], context).value
        assert value == pytest.approx(mutual_info_score(x, y), abs=1e-12)


def test_hopeless_grids_are_refused() -> None:
    kinds = (False,) * 10
    reason = make_estimator("binning", bins=5).unsupported(10_000, 10, 10, kinds, kinds)
    assert reason is not None
    assert "joint grid of 5^20 cells for 10000 points" in reason
    assert "2^20 cells" in str(make_estimator("binning").unsupported(10_000, 10, 10, kinds, kinds))
    binning = make_estimator("binning", bins=10)
    assert binning.unsupported(100, 1, 1, (False,), (False,)) is None
    assert "10^2 cells for 99 points" in str(binning.unsupported(99, 1, 1, (False,), (False,)))
    assert binning.unsupported(99, 1, 1, (True,), (False,)) is None
    with pytest.raises(InputError, match="bins = 1 is out of range"):
        make_estimator("binning", bins=1)


@pytest.mark.parametrize(("n", "dims", "bins"), [(1000, 2, 10), (10_000, 2, 21), (10**6, 2, 100), (10_000, 10, 2)])
def test_default_bins_leave_n_to_two_thirds_joint_cells(n: int, dims: int, bins: int) -> None:
    x, y = pair(n, dims // 2, dims // 2)
    assert make_estimator("binning").estimate(x, y, Context()).diagnostics["bins"] == bins
