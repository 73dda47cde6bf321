"""Binning against contingency tables counted by other packages and by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from mibench.interface import Array, Context, InputError, Shape, kinds_of
from mibench.registry import make_estimator

CORRECTIONS = ("none", "miller-madow")
RULES = ("sturges", "rice", "scott", "freedman-diaconis")


def pair(n: int, dim_x: int, dim_y: int, rho: float = 0.7, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([seed, n])
    x, y = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
    y[:, 0] = rho * x[:, 0] + math.sqrt(1 - rho**2) * y[:, 0]
    return x, y


def labels(block: Array, bins: int, name: str) -> list[tuple[float, ...]]:
    """Cells from the edges themselves; both ways agree where no point lies on an edge."""
    shares = np.linspace(0, 1, bins + 1)[1:-1]
    by_quantile = name == "binning-quantile"
    cut = np.quantile(block, shares, axis=0) if by_quantile else block.min(0) + np.outer(shares, np.ptp(block, 0))
    return list(zip(*map(np.digitize, block.T, cut.T), strict=True))


def numbers(cells: Sequence[tuple[float, ...]]) -> list[int]:
    return [sorted(set(cells)).index(cell) for cell in cells]


@pytest.mark.parametrize("name", ["binning", "binning-quantile"])
@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (2, 1), (2, 3)])
def test_agrees_with_contingency_tables(name: str, dim_x: int, dim_y: int) -> None:
    x, y = pair(2000, dim_x, dim_y)
    cells_x, cells_y = numbers(labels(x, 4, name)), numbers(labels(y, 4, name))
    estimate = make_estimator(name, bins=4).estimate(x, y, Context())
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
    estimate = make_estimator("binning", bins=2).estimate(x, y, Context(shape=Shape(500, ("discrete",), ("discrete",))))
    assert estimate.value == pytest.approx(mutual_info_score(x[:, 0].astype(str), y[:, 0].astype(str)), abs=1e-12)
    assert estimate.diagnostics["cells_x"] == 4


def test_mixed_columns() -> None:
    rng = np.random.default_rng(5)
    x, y = pair(3000, 1, 1)
    kind = rng.choice([0.0, 0.1, 100.0], (3000, 1))
    y = np.where(kind == 0.1, -y, y)
    cells = [(*cell, value) for cell, value in zip(labels(x, 6, "binning"), kind[:, 0].tolist(), strict=True)]
    expected = mutual_info_score(numbers(cells), numbers(labels(y, 6, "binning")))
    context = Context(shape=Shape(3000, ("continuous", "discrete"), ("continuous",)))
    estimate = make_estimator("binning", bins=6).estimate(np.hstack([x, kind]), y, context)
    assert estimate.value == pytest.approx(expected, abs=1e-12)


def test_width_and_quantile_invariances() -> None:
    x, y = pair(1000, 2, 1)
    for name in ("binning", "binning-quantile"):
        binning = make_estimator(name, bins=5)
        value = binning.estimate(x, y, Context()).value
        assert binning.estimate(x * [4.0, 0.25], y + 2.0**20, Context()).value == pytest.approx(value, abs=1e-9)
        assert binning.estimate(y, x, Context()).value == pytest.approx(value, abs=1e-12)
        cubed = binning.estimate(x**3, np.exp(y), Context()).value
        assert (cubed == value) == (name == "binning-quantile")


@pytest.mark.parametrize(
    ("name", "bins", "expected"),
    [
        ("binning-quantile", 2, [0] * 5 + [1] * 5),
        ("binning-quantile", 5, [0] * 5 + [2, 3, 3, 4, 4]),
        ("binning", 5, [0] * 5 + [1, 2, 3, 4, 4]),
    ],
)
def test_tied_points_stay_in_one_bin(name: str, bins: int, expected: list[int]) -> None:
    """With the row's number as label, I is the entropy of the bins; joint labels tell which points share one."""
    column = np.array([0.0, 0, 0, 0, 0, 1, 2, 3, 4, 5])[:, None]
    binning = make_estimator(name, bins=bins)
    context = Context(shape=Shape(10, ("continuous",), ("discrete",)))
    for label in (np.arange(10), expected, np.arange(10) // 3, np.arange(10) % 2):
        y = np.array(label, dtype=float)[:, None]
        value = binning.estimate(column, y, context).value
        assert value == pytest.approx(mutual_info_score(expected, y[:, 0].astype(int)), abs=1e-12)


def test_quantile_bins_hold_equally_many_points() -> None:
    """Without ties both margins are uniform: for Y an increasing function of X, I = log(bins)."""
    x, _ = pair(600, 1, 1)
    assert make_estimator("binning-quantile[bins=12]").estimate(x, np.exp(x), Context()).value == pytest.approx(
        math.log(12), abs=1e-12
    )
    uneven = make_estimator("binning-quantile[bins=7]").estimate(x, x, Context()).value  # 600 = 7 * 85 + 5
    assert uneven == pytest.approx(entropy([86] * 5 + [85] * 2), abs=1e-12)


NUMPY_RULES = {"sturges": "sturges", "rice": "rice", "scott": "scott", "freedman-diaconis": "fd"}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n", [50, 1000, 7001])
def test_rules_are_those_of_numpy(rule: str, n: int) -> None:
    """Number of bins and cells against numpy's edges, on a normal and a skew column."""
    x, y = pair(n, 1, 1)
    y = np.exp(y)
    edges = [np.histogram_bin_edges(block[:, 0], NUMPY_RULES[rule]) for block in (x, y)]
    estimate = make_estimator("binning", bins=rule).estimate(x, y, Context())
    counts = [len(each) - 1 for each in edges]
    by_rule = rule in ("scott", "freedman-diaconis")
    assert estimate.diagnostics["bins"] == (counts if by_rule else counts[0])
    assert by_rule or counts[0] == counts[1]
    cells = [np.digitize(block[:, 0], each[1:-1]) for block, each in zip((x, y), edges, strict=True)]
    assert estimate.value == pytest.approx(mutual_info_score(*cells), abs=1e-9)


def test_interquartile_range_of_zero() -> None:
    """Two thirds of X are alike, so that Freedman and Diaconis' width is 0: Scott's is taken for that column."""
    x, y = pair(900, 1, 1)
    x[:600] = 0.0
    found = make_estimator("binning[bins=freedman-diaconis]").estimate(x, y, Context())
    scott = make_estimator("binning[bins=scott]").estimate(x, y, Context())
    own = len(np.histogram_bin_edges(y[:, 0], "fd")) - 1
    assert found.diagnostics["bins"] == [scott.diagnostics["bins"][0], own]


def test_rules_are_judged_without_the_data() -> None:
    """What is refused has more cells than points for every sample, whatever its shape."""
    kinds = kinds_of(2)
    reason = make_estimator("binning[bins=sturges]").unsupported(Shape(1000, kinds, kinds))
    assert reason == "joint grid of 11^4 cells for 1000 points: needs at least one point per cell"
    assert make_estimator("binning[bins=sturges]").unsupported(Shape.continuous(1000, 1, 1)) is None
    assert make_estimator("binning[bins=rice]").unsupported(Shape.continuous(64, 1, 1)) is None
    assert "8^2 cells for 50" in str(make_estimator("binning[bins=rice]").unsupported(Shape.continuous(50, 1, 1)))
    rng = np.random.default_rng(8)
    for rule, fewest in (("scott", 12), ("freedman-diaconis", 10)):
        binning = make_estimator("binning", bins=rule)
        assert binning.unsupported(Shape.continuous(8000, 1, 1)) is None
        assert f"joint grid of {fewest}^4 cells" in str(binning.unsupported(Shape(8000, kinds, kinds)))
        columns = [
            rng.choice([-1.0, 1.0], 8000),
            rng.random(8000),
            rng.standard_normal(8000),
            rng.standard_cauchy(8000),
        ]
        for column in columns:
            estimate = binning.estimate(column[:, None], rng.random((8000, 1)), Context())
            assert estimate.diagnostics["bins"][0] >= fewest
    two_points = np.repeat([0.0, 1.0], 4000)[:, None]  # sd = range / 2 and IQR = range: the fewest bins there are
    for rule, fewest in (("scott", 12), ("freedman-diaconis", 10)):
        found = make_estimator("binning", bins=rule).estimate(two_points, two_points, Context())
        assert found.diagnostics["bins"] == [fewest] * 2
        assert found.value == pytest.approx(math.log(2), abs=1e-12)


def test_heavy_tails_give_many_bins_and_a_finite_value() -> None:
    """A range of 1e12 interquartile ranges: nearly all points share a few cells, none of which is held in memory."""
    x, y = pair(500, 1, 1)
    x[0] = 1e12
    found = make_estimator("binning[bins=freedman-diaconis]").estimate(x, y, Context())
    assert found.diagnostics["bins"][0] > 1e10
    assert 0 <= found.value <= math.log(500)
    assert any("points per occupied cell" in warning for warning in found.warnings)


def test_many_columns_do_not_overflow() -> None:
    """100 binary columns have 2^100 cells; the points are numbered by what they are."""
    rng = np.random.default_rng(6)
    x = rng.integers(0, 2, (64, 100)).astype(float)
    kinds = Context(shape=Shape(64, kinds_of(100, discrete=True), kinds_of(100, discrete=True)))
    estimate = make_estimator("binning").estimate(x, 1 - x, kinds)
    assert estimate.value == pytest.approx(math.log(64), abs=1e-12)
    assert "saturates at log n = 4.16" in estimate.warnings[0]


def test_all_small_discrete_tables() -> None:
    """Every pattern of four points with two labels each."""
    context = Context(shape=Shape(4, ("discrete",), ("discrete",)))
    for pattern in itertools.product([0.0, 1.0], repeat=8):
        x, y = pattern[:4], pattern[4:]
        value = make_estimator("binning").estimate(np.array(x)[:, None], np.array(y)[:, None], context).value
        assert value == pytest.approx(mutual_info_score(x, y), abs=1e-12)


def test_hopeless_grids_are_refused() -> None:
    kinds = kinds_of(10)
    reason = make_estimator("binning", bins=5).unsupported(Shape(10_000, kinds, kinds))
    assert reason is not None
    assert "joint grid of 5^20 cells for 10000 points" in reason
    assert "2^20 cells" in str(make_estimator("binning").unsupported(Shape(10_000, kinds, kinds)))
    for name in ("binning", "binning-quantile"):
        binning = make_estimator(name, bins=10)
        assert binning.unsupported(Shape.continuous(100, 1, 1)) is None
        assert "10^2 cells for 99 points" in str(binning.unsupported(Shape.continuous(99, 1, 1)))
        assert binning.unsupported(Shape(99, ("discrete",), ("continuous",))) is None
    with pytest.raises(InputError, match="bins = 1 is out of range"):
        make_estimator("binning", bins=1)


@pytest.mark.parametrize(("n", "dims", "bins"), [(1000, 2, 10), (10_000, 2, 21), (10**6, 2, 100), (10_000, 10, 2)])
def test_default_bins_leave_n_to_two_thirds_joint_cells(n: int, dims: int, bins: int) -> None:
    x, y = pair(n, dims // 2, dims // 2)
    for name in ("binning", "binning-quantile", "binning-adaptive", "binning-pattern"):
        found, given = (make_estimator(spec).estimate(x, y, Context()) for spec in (name, f"{name}[bins={bins}]"))
        assert found.value == given.value
        assert found.diagnostics["bins"] == bins
