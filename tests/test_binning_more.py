"""Patterns, adaptive bins and shrinkage against loops over their definitions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import pytest

from mibench.interface import Array, Context, Estimate, InputError, Shape, kinds_of
from mibench.registry import make_estimator


def estimate(spec: str, x: Array, y: Array, context: Context | None = None) -> Estimate:
    return make_estimator(spec).estimate(x, y, context or Context())


def layers(n: int, dim_x: int, dim_y: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([seed, n])
    x = rng.standard_normal((n, dim_x))
    return x, x @ rng.standard_normal((dim_x, dim_y)) + 0.5 * rng.standard_normal((n, dim_y))


def plug_in(x: Sequence[Hashable], y: Sequence[Hashable]) -> float:
    """Sum of p(x, y) log p(x, y) / (p(x) p(y)) over the symbols that occur."""
    n, in_x, in_y = len(x), Counter(x), Counter(y)
    joint = Counter(zip(x, y, strict=True))
    return sum(count / n * math.log(count * n / (in_x[a] * in_y[b])) for (a, b), count in joint.items())


def range_patterns(block: Array, bins: int, low: float, high: float) -> list[tuple[int, ...]]:
    inner = [low + (high - low) * edge / bins for edge in range(1, bins)]
    return [tuple(sum(value >= edge for edge in inner) for value in row) for row in block.tolist()]


def adaptive_patterns(block: Array, bins: int, saturated: Sequence[float]) -> list[tuple[Hashable, ...]]:
    """The edges are every (u / bins)-th of the u distinct values of the whole block; saturated values stand apart."""
    distinct = sorted({value for row in block.tolist() for value in row} - set(saturated))
    edges = [distinct[int(k * (len(distinct) / bins))] for k in range(bins)]

    def symbol(value: float) -> Hashable:
        return f"saturated at {value}" if value in saturated else max(k for k in range(bins) if edges[k] <= value)

    return [tuple(symbol(value) for value in row) for row in block.tolist()]


@pytest.mark.parametrize(("dim_x", "dim_y", "bins"), [(1, 1, 30), (2, 3, 4), (5, 2, 2)])
def test_patterns(dim_x: int, dim_y: int, bins: int) -> None:
    x, y = layers(800, dim_x, dim_y)
    x, y = np.tanh(x), np.tanh(y)
    expected = plug_in(range_patterns(x, bins, -1, 1), range_patterns(y, bins, -1, 1))
    assert estimate(f"binning-pattern[bins={bins}]", x, y).value == pytest.approx(expected, abs=1e-12)
    expected = plug_in(range_patterns(x, bins, -0.5, 0.3), range_patterns(y, bins, -0.5, 0.3))
    found = estimate(f"binning-pattern[bins={bins},low=-0.5,high=0.3]", x, y)
    assert found.value == pytest.approx(expected, abs=1e-12)
    outside = ((x < -0.5) | (x > 0.3)).mean()
    assert f"{100 * outside:.3g}% of the values of X lie outside [-0.5, 0.3]" in " ".join(found.warnings)


def test_all_values_outside_are_100_percent() -> None:
    x, y = layers(50, 1, 1)
    warnings = estimate("binning-pattern", x + 100, np.tanh(y)).warnings
    assert "100% of the values of X lie outside [-1, 1] and are counted in the end bins" in warnings


def test_patterns_do_not_depend_on_the_extremes_of_the_sample() -> None:
    """The range is given: one more point moves no edge; the ends belong to it."""
    x, y = np.array([[-1.0], [-0.1], [0.1], [1.0]]), np.array([[-0.2], [-0.3], [0.3], [0.2]])
    found = estimate("binning-pattern[bins=2]", x, y)
    assert found.value == pytest.approx(math.log(2), abs=1e-12)
    assert not any("outside" in warning for warning in found.warnings)
    for low in (2.0, 1.0, -math.inf):
        with pytest.raises(InputError, match="give finite low < high"):
            make_estimator("binning-pattern", low=low)


@pytest.mark.parametrize("spec", ["binning-pattern[bins=30]", "binning-adaptive[bins=30]"])
def test_saturation_is_said(spec: str) -> None:
    """Each of 500 points in 5 units has its own pattern: I is the entropy of the labels, related or not."""
    rng = np.random.default_rng(2)
    x, labels = np.tanh(rng.standard_normal((500, 5))), rng.integers(0, 10, (500, 1)).astype(float)
    found = estimate(spec, x, labels, Context(shape=Shape(500, kinds_of(5), ("discrete",))))
    counts = np.bincount(labels[:, 0].astype(int)) / 500
    assert found.value == pytest.approx(-(counts * np.log(counts)).sum(), abs=0.01)
    assert any("cells of X are saturated" in warning and "log n = 6.21" in warning for warning in found.warnings)
    assert not any("cells of Y are saturated" in warning for warning in found.warnings)
    both = estimate(spec, x, rng.permutation(x))
    assert math.log(500) - 0.02 < both.value <= math.log(500) + 1e-12
    x, y = layers(2000, 1, 1)
    wide = spec.replace("30", "5").replace("]", ",low=-3,high=3]" if "pattern" in spec else "]")
    assert not any("saturate" in warning for warning in estimate(wide, x, y).warnings)


@pytest.mark.parametrize(("dim_x", "dim_y", "bins"), [(1, 1, 7), (3, 2, 3), (4, 4, 2)])
def test_adaptive_bins(dim_x: int, dim_y: int, bins: int) -> None:
    x, y = layers(600, dim_x, dim_y)
    x, y = np.maximum(x, 0), np.maximum(np.round(y, 1), 0)  # rectified; Y has many ties
    expected = plug_in(adaptive_patterns(x, bins, [0.0]), adaptive_patterns(y, bins, [0.0]))
    assert estimate(f"binning-adaptive[bins={bins}]", x, y).value == pytest.approx(expected, abs=1e-12)
    x, y = np.clip(x, None, 1), np.clip(y, None, 1)
    expected = plug_in(adaptive_patterns(x, bins, [0.0, 1.0]), adaptive_patterns(y, bins, [0.0, 1.0]))
    for ends in ("0,1", "1,0"):
        found = estimate(f"binning-adaptive[bins={bins},saturated=({ends})]", x, y)
        assert found.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("spec", ["binning-pattern[bins=30]", "binning-adaptive[bins=30]"])
@pytest.mark.parametrize("encoder", ["of the input", "of noise"])
def test_layers_saturate_at_the_entropy_of_the_labels(spec: str, encoder: str) -> None:
    """4 tanh units, 2000 points, 10 labels: 2.27 to H = 2.30 nats and a warning, whether the layer saw its input."""
    rng = np.random.default_rng(11)
    labels = rng.integers(0, 10, (2000, 1))
    inputs = 1.5 * rng.standard_normal((10, 8))[labels[:, 0]] + rng.standard_normal((2000, 8))
    noise = rng.standard_normal((2000, 4))
    layer = np.tanh(inputs @ rng.standard_normal((8, 4)) / 4 if encoder == "of the input" else noise)
    context = Context(shape=Shape(2000, kinds_of(4), ("discrete",)))
    found = estimate(spec, layer, labels.astype(float), context)
    entropy = -sum(share * math.log(share) for share in np.bincount(labels[:, 0]) / 2000)
    assert entropy - 0.035 < found.value <= entropy + 1e-12
    assert 2.29 < entropy < math.log(10)
    assert any("cells of X are saturated" in warning for warning in found.warnings)
    coarse = estimate(spec.replace("30", "2"), layer, labels.astype(float), context)
    assert (coarse.value > 0.3) == (encoder == "of the input")
    assert not any("saturated" in warning for warning in coarse.warnings)


def test_adaptive_bins_hold_equally_many_distinct_values() -> None:
    """Increasing maps of a whole block move no point to another bin; maps of one column do, as bins are shared."""
    x, y = layers(300, 2, 2)
    value = estimate("binning-adaptive[bins=4]", x, y).value
    assert estimate("binning-adaptive[bins=4]", np.sinh(x), y**3).value == pytest.approx(value, abs=1e-12)
    assert estimate("binning-adaptive[bins=4]", x * [1.0, 5.0], y).value != pytest.approx(value, abs=1e-3)
    one = np.arange(1.0, 13)[:, None]
    found = estimate("binning-adaptive[bins=4]", one, one)
    assert found.value == pytest.approx(math.log(4), abs=1e-12)


def test_all_values_saturated() -> None:
    x = np.array([[0.0], [1.0], [0.0], [1.0]])
    found = estimate("binning-adaptive[saturated=(0,1)]", x, x)
    assert found.value == pytest.approx(math.log(2), abs=1e-12)


def test_discrete_columns_keep_their_values() -> None:
    x, _ = layers(400, 1, 1)
    kind = np.random.default_rng(1).choice([-7.0, 0.1, 0.2], (400, 1))
    block = np.hstack([x, kind])
    context = Context(shape=Shape(400, ("continuous", "discrete"), ("discrete",)))
    for spec, patterns in (
        ("binning-pattern[bins=4]", range_patterns(x, 4, -1, 1)),
        ("binning-adaptive[bins=4]", adaptive_patterns(x, 4, [0.0])),
    ):
        symbols = [(*pattern, label) for pattern, label in zip(patterns, kind[:, 0].tolist(), strict=True)]
        expected = plug_in(symbols, kind[:, 0].tolist())
        assert estimate(spec, block, kind, context).value == pytest.approx(expected, abs=1e-12)


def loop_shrinkage(table: Array) -> float:
    """James-Stein: shrink every cell of the table, empty ones included, towards 1 / K; MI of what comes out."""
    n, size = table.sum(), table.size
    f = table / n
    spread = sum((1 / size - p) ** 2 for p in f.flat)
    weight = min(1.0, (1 - sum(p**2 for p in f.flat)) / ((n - 1) * spread)) if spread else 1.0
    p = (1 - weight) * f + weight / size
    in_x, in_y = p.sum(axis=1), p.sum(axis=0)
    return float(
        sum(
            p[i, j] * math.log(p[i, j] / (in_x[i] * in_y[j]))
            for i in range(p.shape[0])
            for j in range(p.shape[1])
            if p[i, j]
        )
    )


@pytest.mark.parametrize(
    "table",
    [
        [[3, 1], [1, 4]],
        [[3, 0], [0, 4]],
        [[2, 2], [2, 2]],
        [[1, 0, 1], [0, 1, 0]],
        [[30, 2, 0, 1], [0, 0, 0, 9], [5, 5, 5, 0]],
    ],
)
def test_shrinkage(table: list[list[int]]) -> None:
    rows = [(i, j) for i, line in enumerate(table) for j, count in enumerate(line) for _ in range(count)]
    x, y = np.array(rows, dtype=float).T[:, :, None]
    context = Context(shape=Shape(len(x), ("discrete",), ("discrete",)))
    found = estimate("binning[correction=shrinkage]", x, y, context)
    assert found.value == pytest.approx(loop_shrinkage(np.array(table, dtype=float)), abs=1e-12)
    assert 0 <= found.diagnostics["shrinkage"] <= 1


def test_shrinkage_removes_most_of_the_bias_at_independence() -> None:
    """Few points in 6 x 6 uniform cells, which is the target of the shrinkage: well below the plug-in's 25 / (2n)."""
    values = []
    for seed in range(100):
        x, y = np.random.default_rng([seed, 3]).random((2, 200, 1))
        values.append([estimate(f"binning[bins=6,correction={c}]", x, y).value for c in ("none", "shrinkage")])
    means, errors = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / 10
    assert means[1] + 4 * errors[1] < 0.3 * means[0]


@pytest.mark.parametrize(
    "spec", ["binning[bins=6]", "binning-adaptive[bins=6]", "binning-pattern[bins=6,low=-3,high=3]"]
)
def test_gaussians_in_one_dimension(spec: str) -> None:
    """Many points in few cells: most of the truth, but not what the cells hide; near 0 when independent."""
    rng = np.random.default_rng(5)
    x, noise = rng.standard_normal((2, 20_000, 1))
    truth = -0.5 * math.log(1 - 0.64)
    assert 0.6 * truth < estimate(spec, x, 0.8 * x + 0.6 * noise).value < truth
    assert abs(estimate(spec, x, noise).value) < 25 / 40_000 + 4 * math.sqrt(25 / 2) / 20_000
