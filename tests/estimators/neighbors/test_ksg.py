"""KSG against the definition written as a loop over all pairs, and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_regression

from mibench.estimators.neighbors.search import strict_neighbors
from mibench.interface import Array, Context, InputError, Shape
from mibench.registry import full_spec, make_estimator


def length(differences: Array, norm: str) -> Array:
    return np.asarray(np.abs(differences).max(axis=1) if norm == "maximum" else np.sqrt((differences**2).sum(axis=1)))


def ksg_by_definition(x: Array, y: Array, k: int, norm: str = "maximum") -> float:
    """Kraskov et al. (2004), eq. 8, one point at a time."""
    n, terms = len(x), []
    for i in range(n):
        others = np.arange(n) != i
        in_x, in_y = length(x[others] - x[i], norm), length(y[others] - y[i], norm)
        radius = np.sort(np.maximum(in_x, in_y))[k - 1]
        terms.append(digamma(np.sum(in_x < radius) + 1) + digamma(np.sum(in_y < radius) + 1))
    return float(digamma(k) + digamma(n) - np.mean(terms))


def draw(kind: str, n: int, dim_x: int, dim_y: int, rng: np.random.Generator) -> tuple[Array, Array]:
    x, y = rng.standard_normal((n, dim_x)), rng.standard_normal((n, dim_y))
    y[:, 0] += x[:, 0]
    if kind == "integers":  # almost every neighbour lies exactly on somebody's border
        return np.round(2 * x), np.round(2 * y)
    if kind == "tenths":  # borders that binary fractions cannot hold: a sum and a difference round differently
        return np.round(x, 1), np.round(y, 1)
    if kind == "duplicates":
        rows = rng.integers(0, n // 4, n)
        return x[rows], y[rows]
    if kind == "offset":  # few digits are left for the differences
        return x * 1e-5 + 1e8, y * 1e-7 - 1e6
    return x, y


@pytest.mark.parametrize("kind", ["normal", "integers", "tenths", "duplicates", "offset"])
@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (1, 2), (3, 1), (2, 4), (5, 5), (12, 12), (30, 7)])
def test_estimate_is_the_definition(kind: str, dim_x: int, dim_y: int) -> None:
    rng = np.random.default_rng([dim_x, dim_y, len(kind)])
    for n, k in ((2, 1), (40, 1), (150, 3), (97, 10), (30, 29)):
        x, y = draw(kind, n, dim_x, dim_y, rng) if n > 4 else draw("normal", n, dim_x, dim_y, rng)
        expected = ksg_by_definition(x, y, k)
        found = make_estimator("ksg[ties=keep]", k=k).estimate(x, y, Context()).value
        assert found == pytest.approx(expected, abs=1e-10)


# Where rounding decides no tie: sums of squares of tenths depend on the order of the columns.
@pytest.mark.parametrize("kind", ["normal", "integers", "duplicates"])
@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (1, 2), (2, 4), (12, 12)])
def test_euclidean_norm_within_each_block(kind: str, dim_x: int, dim_y: int) -> None:
    x, y = draw(kind, 120, dim_x, dim_y, np.random.default_rng([dim_x, dim_y]))
    for k in (1, 4):
        found = make_estimator("ksg[norm=euclidean,ties=keep]", k=k).estimate(x, y, Context(threads=2)).value
        assert found == pytest.approx(ksg_by_definition(x, y, k, "euclidean"), abs=1e-10)


@pytest.mark.parametrize("name", ["ksg", "ksg-2", "kl", "mixed-ksg"])
@pytest.mark.parametrize("kind", ["normal", "tenths"])
def test_several_k_are_each_of_them_and_their_mean(name: str, kind: str) -> None:
    x, y = draw(kind, 200, 2, 1, np.random.default_rng(4))
    ks = (7, 2, 11)  # in any order
    found = make_estimator(f"{name}[k=(7,2,11)]").estimate(x, y, Context())
    alone = [make_estimator(name, k=k).estimate(x, y, Context()).value for k in ks]
    assert found.diagnostics["by_k"] == pytest.approx(alone, abs=1e-12)
    assert found.value == pytest.approx(np.mean(alone), abs=1e-12)
    reason = make_estimator(name, k=ks).unsupported(Shape.continuous(11, 2, 1))
    assert reason == "needs more than k = 11 points, got 11"


def test_several_k_as_text() -> None:
    for text, k in {"ksg[k=(3,5)]": (3, 5), "ksg[k=(3)]": (3,), "ksg[k=3]": 3}.items():
        estimator = make_estimator(text)
        assert estimator == make_estimator("ksg", k=k)
        assert make_estimator(full_spec(estimator)) == estimator
    assert (
        make_estimator("ksg", k=[3, 5]) == make_estimator("ksg", k=np.array([3, 5])) == make_estimator("ksg[k=(3,5)]")
    )
    with pytest.raises(InputError, match=r"ksg: parameter k = \(\) is empty; give a whole number >= 1, or several"):
        make_estimator("ksg[k=()]")
    with pytest.raises(InputError, match=r"k = \(3, 0\) is out of range"):
        make_estimator("ksg[k=(3,0)]")


@pytest.mark.parametrize("name", ["ksg", "ksg-2", "kl", "lnc"])
def test_jitter_is_the_seeds_and_breaks_ties_that_are_kept(name: str) -> None:
    x, y = draw("integers", 300, 1, 1, np.random.default_rng(2))
    jittered = make_estimator(name, jitter=1e-10, ties="keep")
    assert make_estimator(name).deterministic
    assert not jittered.deterministic
    one, again, two = (jittered.estimate(x, y, Context(np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert one == again
    assert one.value != two.value
    kept = make_estimator(name, ties="keep").estimate(x, y, Context())
    assert any("coincide" in text for text in kept.warnings)
    assert not any("coincide" in text for text in one.warnings)


def test_jitter_has_the_size_asked_for_in_every_column() -> None:
    """Normals with correlation 0.8 and noise of half their deviation: correlation 0.8 / 1.25, whatever their units."""
    rng, values = np.random.default_rng(7), []
    for _ in range(10):
        x, noise = rng.standard_normal((2, 1000, 1))
        blocks = 1e3 * x + 1e5, 1e-3 * (0.8 * x + 0.6 * noise)
        values.append(make_estimator("ksg[jitter=0.5,margins=standard]").estimate(*blocks, Context(rng)).value)
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) + 0.5 * np.log1p(-(0.64**2))) < 4 * error + 0.01


def test_coinciding_points_count_nobody() -> None:
    x, y = np.repeat([[0.0], [1.0]], 6, axis=0), np.repeat([[0.0], [5.0]], 6, axis=0)
    radii, counts_x, counts_y = strict_neighbors(x, y, [3])
    assert not radii.any()
    assert not counts_x.any()
    assert not counts_y.any()
    estimate = make_estimator("ksg[ties=keep]").estimate(x, y, Context())
    assert estimate.value == pytest.approx(digamma(3) + digamma(12) - 2 * digamma(1), abs=1e-12)
    assert "12 of 12 points coincide" in estimate.warnings[0]


def test_radii_and_counts_by_hand() -> None:
    x, y = np.array([[0.0], [1.0], [3.0], [7.0]]), np.array([[0.0], [2.0], [2.0], [2.0]])
    radii, counts_x, counts_y = strict_neighbors(x, y, [1, 3])
    assert radii.tolist() == [[2, 7], [2, 6], [2, 4], [4, 7]]
    assert counts_x[:, 0].tolist() == [1, 1, 0, 0]  # 3 is not closer to 1 than the radius 2, nor 3 to 7 than 4
    assert counts_y[:, 0].tolist() == [0, 2, 2, 3]
    assert counts_x[:, 1].tolist() == [2, 2, 2, 2]
    assert counts_y[:, 1].tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_mean_over_seeds_is_the_closed_form(rho: float) -> None:
    """KSG-1 at n = 1000 is biased by less than 0.01 for bivariate normals; 40 seeds leave a standard error of 0.005."""
    values = []
    for seed in range(40):
        x, noise = np.random.default_rng([seed, 11]).standard_normal((2, 1000, 1))
        y = rho * x + np.sqrt(1 - rho**2) * noise
        values.append(make_estimator("ksg").estimate(x, y, Context()).value)
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) + 0.5 * np.log1p(-(rho**2))) < 4 * error + 0.01
    if rho == 0:
        assert min(values) < 0  # never clipped


def test_agrees_with_scikit_learn() -> None:
    """For one column each, scikit-learn's estimator is the same up to its noise of 1e-10 and its scaling to sd 1."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((800, 1))
    y = x**2 + 0.5 * rng.standard_normal((800, 1))
    peer = mutual_info_regression(x, y[:, 0], n_neighbors=4, random_state=0)[0]
    ours = make_estimator("ksg", k=4, margins="standard").estimate(x, y, Context()).value
    assert ours == pytest.approx(peer, abs=2e-3)


def test_margins() -> None:
    x, y = draw("normal", 500, 2, 1, np.random.default_rng(5))

    def estimate(margins: str, x: Array, y: Array) -> float:
        return make_estimator("ksg", margins=margins).estimate(x, y, Context()).value

    assert estimate("normal", x**3, np.exp(y)) == estimate("normal", x, y)
    assert estimate("standard", x * [3.0, 0.02], y * 100 + 7) == pytest.approx(estimate("standard", x, y), abs=1e-12)
    # The units of one block are part of the data as given.
    assert abs(estimate("raw", 10 * x, y) - estimate("raw", x, y)) > 0.01
    assert estimate("raw", 8 * x, 8 * y) == estimate("raw", x, y)


def test_symmetric_and_blind_to_the_order_of_rows() -> None:
    rng = np.random.default_rng(6)
    x, y = draw("tenths", 300, 2, 3, rng)
    order, ksg = rng.permutation(300), make_estimator("ksg")
    value = ksg.estimate(x, y, Context()).value
    assert ksg.estimate(y, x, Context()).value == value
    shuffled = ksg.estimate(np.ascontiguousarray(x[order]), np.ascontiguousarray(y[order]), Context())
    assert shuffled.value == pytest.approx(value, abs=1e-12)


def test_limits() -> None:
    ksg = make_estimator("ksg", k=5)
    assert "more than k = 5 points, got 5" in str(ksg.unsupported(Shape.continuous(5, 1, 1)))
    assert ksg.unsupported(Shape.continuous(6, 1, 1)) is None
    assert "discrete" in str(ksg.unsupported(Shape(50, ("discrete",), ("discrete",))))
    assert "mixed" in str(ksg.unsupported(Shape(50, ("continuous",), ("discrete",))))
    with pytest.raises(InputError, match="k = 0 is out of range"):
        make_estimator("ksg", k=0)


def test_warns_of_many_dimensions() -> None:
    for dim_y, warned in ((5, False), (6, True)):
        x, y = draw("normal", 50, 5, dim_y, np.random.default_rng(2))
        warnings = make_estimator("ksg").estimate(x, y, Context()).warnings
        assert any("dimensions" in text for text in warnings) == warned


@pytest.mark.parametrize("wide", ["x", "y"])
def test_unequal_scales_are_warned_of_where_they_harm(wide: str) -> None:
    """A column 100 times as wide costs half of the MI, with a warning; 5 times does little; margins cure."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((442, 2))
    y = x.sum(axis=1, keepdims=True) / 2 + rng.standard_normal((442, 1)) / np.sqrt(2)
    truth = np.log(2) / 2

    def run(factor: float, margins: str) -> tuple[float, list[str]]:
        scaled = (x * [1, factor], y) if wide == "x" else (x, y * factor)
        found = make_estimator("ksg", margins=margins).estimate(*scaled, Context())
        return found.value, [text for text in found.warnings if "standard deviations" in text]

    assert run(1, "raw")[1] == run(5, "raw")[1] == []
    assert abs(run(5, "raw")[0] - truth) < 0.1
    value, warnings = run(100, "raw")
    assert value < 0.6 * truth
    assert len(warnings) == 1
    assert "margins=standard" in warnings[0]
    for margins in ("standard", "normal"):
        value, warnings = run(100, margins)
        assert abs(value - truth) < 0.1
        assert warnings == []
