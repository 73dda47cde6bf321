"""The relatives of KSG against their definitions written as loops over all pairs, and against known truths."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif
from test_ksg import draw, length

from mibench.estimators.neighbors.boxes import chance_share
from mibench.estimators.neighbors.entropy import debiasing_weights
from mibench.estimators.neighbors.search import Indices, count_within, neighbor_radii, reduce_neighborhoods
from mibench.interface import Array, Context, Estimate, InputError, Shape, kinds_of
from mibench.registry import make_distribution, make_estimator

KINDS = ["normal", "integers", "tenths", "duplicates", "offset"]
SIZES = ((2, 1), (40, 1), (120, 3), (67, 10), (30, 29))


def distances(x: Array, y: Array, i: int, norm: str = "maximum") -> tuple[Array, Array, Array]:
    """Distances from point i to all others in X, in Y and jointly: the larger of both."""
    others = np.arange(len(x)) != i
    in_x, in_y = length(x[others] - x[i], norm), length(y[others] - y[i], norm)
    return in_x, in_y, np.maximum(in_x, in_y)


def ksg2_by_definition(x: Array, y: Array, k: int) -> float:
    """Kraskov et al. (2004), eq. 9; neighbours tied at the k-th distance all belong to the rectangle."""
    terms = []
    for i in range(len(x)):
        in_x, in_y, joint = distances(x, y, i)
        near = joint <= np.sort(joint)[k - 1]
        count_x, count_y = (in_x <= in_x[near].max()).sum(), (in_y <= in_y[near].max()).sum()
        terms.append(digamma(near.sum()) - 1 / near.sum() - digamma(count_x) - digamma(count_y))
    return float(digamma(len(x)) + np.mean(terms))


def mixed_by_definition(x: Array, y: Array, k: int, norm: str = "maximum") -> float:
    """Gao et al. (2017), the authors' program: strict counts, or those of equal points, the point itself included."""
    terms = []
    for i in range(len(x)):
        in_x, in_y, joint = distances(x, y, i, norm)
        radius = np.sort(joint)[k - 1]
        if radius > 0:
            counts = k, 1 + (in_x < radius).sum(), 1 + (in_y < radius).sum()
        else:
            counts = 1 + (joint == 0).sum(), 1 + (in_x == 0).sum(), 1 + (in_y == 0).sum()
        terms.append(digamma(counts[0]) - digamma(counts[1]) - digamma(counts[2]))
    return float(np.log(len(x)) + np.mean(terms))


def mixed_by_article(x: Array, y: Array, k: int, norm: str = "maximum") -> float:
    """Gao et al. (2017), algorithm 1."""
    terms = []
    for i in range(len(x)):
        in_x, in_y, joint = distances(x, y, i, norm)
        radius = np.sort(joint)[k - 1]
        neighbors = k if radius > 0 else 1 + (joint == 0).sum()
        terms.append(digamma(neighbors) - np.log(1 + (in_x <= radius).sum()) - np.log(1 + (in_y <= radius).sum()))
    return float(np.log(len(x)) + np.mean(terms))


def kl_by_definition(x: Array, y: Array, k: int, norm: str = "maximum", *, truncated: bool = False) -> float:
    """Three entropies of Kozachenko and Leonenko; the volume of the unit ball by its recursion over dimensions."""

    def entropy(block: Array) -> float:
        n, dim = block.shape
        unit = [1.0, 2.0]
        for d in range(2, dim + 1):
            unit.append(2 * unit[d - 1] if norm == "maximum" else 2 * np.pi / d * unit[d - 2])
        radii = np.array([np.sort(distances(block, block, i, norm)[2])[k - 1] for i in range(n)])
        log_volumes = np.log(unit[dim]) + dim * np.log(radii)
        if truncated:
            ends = [np.clip(block + sign * radii[:, None], block.min(axis=0), block.max(axis=0)) for sign in (-1, 1)]
            log_volumes = np.log(ends[1] - ends[0]).sum(axis=1)
        return float(digamma(n) - digamma(k) + np.mean(log_volumes))

    return entropy(x) + entropy(y) - entropy(np.hstack([x, y]))


def lnc_by_definition(x: Array, y: Array, k: int, alpha: float) -> float:
    """Gao et al. (2015): the axes are those of the neighbours' second moments about the point, by a closed form."""
    correction = 0.0
    for i in range(len(x)):
        *_, joint = distances(x, y, i)
        others = np.arange(len(x)) != i
        near = joint <= np.sort(joint)[k - 1]
        offset_x, offset_y = (x[others] - x[i])[near, 0], (y[others] - y[i])[near, 0]
        area = 4 * np.abs(offset_x).max() * np.abs(offset_y).max()
        angle = 0.5 * np.arctan2(2 * (offset_x * offset_y).sum(), (offset_x**2 - offset_y**2).sum())
        along = np.abs(np.cos(angle) * offset_x + np.sin(angle) * offset_y).max()
        across = np.abs(-np.sin(angle) * offset_x + np.cos(angle) * offset_y).max()
        if 4 * along * across < alpha * area:
            correction += np.log(area / (4 * along * across)) / len(x)
    return ksg2_by_definition(x, y, k) + correction


def lnc_of_blocks(x: Array, y: Array, k: int, alpha: float) -> float:
    """LNC in any dimensions, continuous data: axes by singular values, and each block corrected by its own box."""

    def log_share(offsets: Array, log_volume: float) -> float:
        extents = np.abs(offsets @ np.linalg.svd(offsets).Vh.T).max(axis=0)
        return float(np.log(extents).sum() - log_volume)

    correction = 0.0
    for i in range(len(x)):
        in_x, in_y, joint = distances(x, y, i)
        others = np.arange(len(x)) != i
        near = joint <= np.sort(joint)[k - 1]
        reach_x, reach_y = in_x[near].max(), in_y[near].max()
        logs = x.shape[1] * np.log(reach_x), y.shape[1] * np.log(reach_y)
        share = log_share(np.hstack([x, y])[others][near] - np.hstack([x[i], y[i]]), sum(logs))
        if share < np.log(alpha):
            correction -= share
            for block, inside, log_volume in ((x, in_x <= reach_x, logs[0]), (y, in_y <= reach_y, logs[1])):
                share = log_share(block[others][inside] - block[i], log_volume)
                correction += share if share < np.log(alpha) else 0
    return ksg2_by_definition(x, y, k) + correction / len(x)


def ross_by_definition(block: Array, label: Array, k: int, norm: str = "maximum") -> float:
    """Ross (2014): points alone in their class are left out; ties within the radius are counted on both sides."""
    kept = [i for i in range(len(label)) if (label == label[i]).all(axis=1).sum() > 1]
    block, label = block[kept], label[kept]
    terms = []
    for i in range(len(block)):
        *_, away = distances(block, block, i, norm)
        same = np.delete((label == label[i]).all(axis=1), i)
        radius = np.sort(away[same])[min(k, same.sum()) - 1]
        counts = (away[same] <= radius).sum(), (away <= radius).sum()
        terms.append(digamma(counts[0]) - digamma(same.sum() + 1) - digamma(counts[1]))
    return float(digamma(len(block)) + np.mean(terms))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (1, 2), (3, 1), (5, 5), (12, 12), (30, 7)])
@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("ksg-2", ksg2_by_definition),
        ("mixed-ksg", mixed_by_definition),
        ("mixed-ksg[counts=article]", mixed_by_article),
    ],
)
def test_estimate_is_the_definition(
    name: str, definition: Callable[[Array, Array, int], float], kind: str, dim_x: int, dim_y: int
) -> None:
    rng = np.random.default_rng([dim_x, dim_y, len(kind)])
    for n, k in SIZES:
        x, y = draw(kind if n > 4 else "normal", n, dim_x, dim_y, rng)
        for context in (Context(), Context(threads=2)):
            found = make_estimator(name, k=k, ties="keep").estimate(x, y, context).value
            assert found == pytest.approx(definition(x, y, k), abs=1e-10)


@pytest.mark.parametrize("kind", ["normal", "integers", "duplicates"])
@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 2), (5, 5), (12, 12)])
def test_euclidean_norm(kind: str, dim_x: int, dim_y: int) -> None:
    x, y = draw(kind, 120, dim_x, dim_y, np.random.default_rng([dim_x, dim_y]))
    definitions: dict[str, Callable[[Array, Array, int, str], float]] = {
        "mixed-ksg": mixed_by_definition,
        "mixed-ksg[counts=article]": mixed_by_article,
        "kl": kl_by_definition,
    }
    for name, definition in definitions.items():
        if name != "kl" or kind == "normal":
            found = make_estimator(name, k=3, norm="euclidean", ties="keep").estimate(x, y, Context()).value
            assert found == pytest.approx(definition(x, y, 3, "euclidean"), abs=1e-10)
    label = np.random.default_rng(1).integers(0, 5, (120, 1)).astype(float)
    context = Context(shape=Shape(len(x), kinds_of(dim_x), ("discrete",)))
    found = make_estimator("ross[norm=euclidean,ties=keep]", k=3).estimate(x, label, context).value
    assert found == pytest.approx(ross_by_definition(x, label, 3, "euclidean"), abs=1e-10)


@pytest.mark.parametrize("kind", ["normal", "offset"])
@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (1, 2), (5, 5), (30, 7)])
def test_kl_is_the_definition(kind: str, dim_x: int, dim_y: int) -> None:
    rng = np.random.default_rng([dim_x, dim_y])
    for n, k in SIZES:
        x, y = draw(kind, n, dim_x, dim_y, rng)
        expected = kl_by_definition(x, y, k)
        found = make_estimator("kl[ties=keep]", k=k).estimate(x, y, Context()).value
        assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("dim_x", "dim_y"), [(1, 1), (2, 1), (4, 5)])
def test_truncated_kl_is_the_definition(dim_x: int, dim_y: int) -> None:
    x, y = draw("normal", 150, dim_x, dim_y, np.random.default_rng(3))
    found = make_estimator("kl[k=(3,20),truncated=true]").estimate(x, y, Context())
    expected = [kl_by_definition(x, y, k, truncated=True) for k in (3, 20)]
    assert found.diagnostics["by_k"] == pytest.approx(expected, abs=1e-10)
    with pytest.raises(InputError, match="truncated=true needs norm=maximum"):
        make_estimator("kl[norm=euclidean,truncated=true]")


def test_truncation_takes_the_borders_bias_away() -> None:
    """Independent uniforms in 3 + 3 dimensions: the joint balls reach far beyond the cube that holds all points."""
    values = []
    for seed in range(10):
        x, y = np.random.default_rng([seed, 9]).uniform(size=(2, 600, 3))
        values.append([make_estimator(name).estimate(x, y, Context()).value for name in ("kl", "kl[truncated=true]")])
    (plain, cut), errors = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / np.sqrt(10)
    assert plain < -0.4
    assert abs(cut) < 4 * errors[1] + 0.02


@pytest.mark.parametrize(("k", "dim"), [(1, 3), (7, 3), (2, 4), (9, 5), (12, 8), (25, 13)])
def test_debiasing_weights_cancel_moments_of_beta_variables(k: int, dim: int) -> None:
    """The mass within the j-th neighbour's ball of n others is Beta(j, n + 1 - j); its moments by quadrature."""
    n, weights = 60, debiasing_weights(k, dim)
    powers = 2 * np.arange(dim // 4 + 1) / dim
    logs = np.linspace(-60, 0, 20_001)  # over log p the integrand is smooth and vanishes at both ends
    densities = np.array([stats.beta(j, n + 1 - j).pdf(np.exp(logs)) for j in range(1, k + 1)])
    moments = np.array([np.trapezoid(densities * np.exp((1 + power) * logs), logs, axis=1) for power in powers])
    assert weights.sum() == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(moments[1:] @ weights / np.abs(moments[1:] * weights).max(initial=1e-9), 0, atol=1e-6)
    # Of smallest norm: no part of the weights lies in the null space of the constraints.
    residual = weights - moments.T @ np.linalg.lstsq(moments.T, weights)[0]
    np.testing.assert_allclose(residual / np.linalg.norm(weights), 0, atol=1e-6)


def test_debiased_kl_weighs_the_entropies_of_every_neighbor() -> None:
    x, y = draw("normal", 200, 3, 2, np.random.default_rng(3))
    found = make_estimator("kl[k=10,weights=debiased]").estimate(x, y, Context())
    each = [make_estimator("kl", k=k).estimate(x, y, Context()).diagnostics for k in range(1, 11)]
    for name, dim in (("entropy_x", 3), ("entropy_y", 2), ("entropy_xy", 5)):
        expected = debiasing_weights(10, dim) @ [entropies[name] for entropies in each]
        assert found.diagnostics[name] == pytest.approx(expected, abs=1e-9)
    with pytest.raises(InputError, match="weights=debiased uses all neighbours up to one k; give one whole number"):
        make_estimator("kl[k=(3,5),weights=debiased]")
    few = make_estimator("kl[k=3,weights=debiased]")
    assert few.unsupported(Shape.continuous(50, 5, 6)) is None
    assert few.unsupported(Shape.continuous(50, 6, 6)) == ("weights=debiased needs k >= 4 in 6 + 6 dimensions, got 3")


def test_debiasing_takes_the_bias_away_in_many_dimensions() -> None:
    """Normals in 4 + 4 dimensions, n = 1000, I = 0.89: k = 20 alone loses 0.6, its standard deviation is 0.03."""
    errors: dict[str, list[float]] = {"kl[k=20]": [], "kl[k=20,weights=debiased]": []}
    for seed in range(8):
        x, noise = np.random.default_rng([seed, 4]).standard_normal((2, 1000, 4))
        for spec, values in errors.items():
            value = make_estimator(spec).estimate(x, 0.6 * x + 0.8 * noise, Context()).value
            values.append(value + 2 * np.log1p(-(0.6**2)))
    plain, debiased = (np.array(values) for values in errors.values())
    assert plain.mean() < -0.5
    assert abs(debiased.mean()) < 0.1 + 4 * debiased.std(ddof=1) / np.sqrt(8)
    assert np.mean(debiased**2) < np.mean(plain**2) / 4


@pytest.mark.parametrize("kind", ["normal", "hundredths", "duplicates"])
def test_lnc_is_the_definition(kind: str) -> None:
    rng = np.random.default_rng(len(kind))
    for n, neighbors, alpha in ((40, 3, 0.3), (150, 5, 0.25), (97, 10, 0.6), (30, 29, 0.0)):
        x, y = draw("normal", n, 1, 1, rng)
        y, k = x + 0.1 * y, neighbors
        if kind == "hundredths":
            x, y = np.round(x, 2), np.round(y, 2)
        if kind == "duplicates":
            x, y, k = (
                np.repeat(x, 2, axis=0),
                np.repeat(y, 2, axis=0),
                2 * neighbors,
            )  # two equal neighbours lie on a line
        expected = lnc_by_definition(x, y, k, alpha)
        found = make_estimator("lnc", k=k, alpha=alpha, ties="keep").estimate(x, y, Context())
        assert found.value == pytest.approx(expected, abs=1e-10)
        assert (found.diagnostics["corrected_share"] > 0) == (alpha > 0)


def estimate_label(block: Array, label: Array, k: int) -> Estimate:
    context = Context(shape=Shape(len(block), kinds_of(block.shape[1]), kinds_of(label.shape[1], discrete=True)))
    return make_estimator("ross", k=k, ties="keep").estimate(block, label, context)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dim", "labels"), [(1, 1), (3, 1), (2, 2), (20, 1)])
def test_ross_is_the_definition(kind: str, dim: int, labels: int) -> None:
    rng = np.random.default_rng([dim, labels])
    for n, k in ((40, 1), (150, 3), (97, 10)):
        block, other = draw(kind, n, dim, labels, rng)
        label = np.round(other * (1e7 if kind == "offset" else 1))
        found = estimate_label(block, label, k)
        assert found.value == pytest.approx(ross_by_definition(block, label, k), abs=1e-10)
        swapped = Context(shape=Shape(n, kinds_of(labels, discrete=True), kinds_of(dim)))
        assert make_estimator("ross", k=k, ties="keep").estimate(label, block, swapped).value == found.value


@pytest.mark.parametrize(("dim_x", "dim_y", "k"), [(2, 1, 5), (1, 2, 8), (2, 2, 9), (3, 2, 12)])
def test_lnc_of_blocks_is_the_definition(dim_x: int, dim_y: int, k: int) -> None:
    rng = np.random.default_rng([dim_x, dim_y])
    x = rng.standard_normal((120, dim_x))
    x[:, 0] = 0.05 * x[:, 0] + x[:, -1]
    y = 0.3 * rng.standard_normal((120, dim_y)) + x[:, -1:]
    for alpha in (0.05, 0.5):
        found = make_estimator("lnc", k=k, alpha=alpha, ties="keep").estimate(x, y, Context())
        assert found.value == pytest.approx(lnc_of_blocks(x, y, k, alpha), abs=1e-10)
    assert found.diagnostics["corrected_share"] > 0.2


def test_one_set_of_uniform_points_in_200_is_taken_for_a_line() -> None:
    """In two dimensions the axes have a closed form; the share is 0.005, from other points."""
    points = np.random.default_rng(1).uniform(-1, 1, (40_000, 5, 2))
    a, b = points[..., 0], points[..., 1]
    angle = 0.5 * np.arctan2(2 * (a * b).sum(axis=1), (a**2 - b**2).sum(axis=1))[:, None]
    along = np.abs(np.cos(angle) * a + np.sin(angle) * b).max(axis=1)
    across = np.abs(-np.sin(angle) * a + np.cos(angle) * b).max(axis=1)
    shares = along * across / (np.abs(a).max(axis=1) * np.abs(b).max(axis=1))
    # Both shares are simulated: 20,000 sets there, 40,000 here.
    error = np.sqrt(0.005 * 0.995 * (1 / 20_000 + 1 / 40_000))
    assert abs(np.mean(shares < chance_share(5, 1, 1)) - 0.005) < 4 * error
    assert chance_share(5, 1, 1) == chance_share.__wrapped__(5, 1, 1)


@pytest.mark.parametrize(("case", "k"), [("sum", 10), ("pairs", 12), ("triples", 15)])
def test_lnc_sees_surfaces(case: str, k: int) -> None:
    """Noise of a hundredth: KSG-2 finds half of the MI or less, LNC misses at most 5%."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1000, 3 if case == "triples" else 2))
    clean = x.sum(axis=1, keepdims=True) if case == "sum" else x
    y = clean + 0.01 * rng.standard_normal(clean.shape)
    truth = 0.5 * np.log1p(2e4) if case == "sum" else x.shape[1] * 0.5 * np.log1p(1e4)
    plain, corrected = (make_estimator(name, k=k).estimate(x, y, Context()).value for name in ("ksg-2", "lnc"))
    assert plain < 0.55 * truth
    assert abs(corrected - truth) < 0.05 * truth


def test_lnc_takes_dependence_within_a_block_for_none_between() -> None:
    """The box in (X, Y) is narrow as X is: 3.2 nats if that counted. The rest is chance, as 10 points span few axes."""
    rng = np.random.default_rng(1)
    first, y = rng.standard_normal((2, 1000, 1))
    x = np.hstack([first, first + 0.01 * rng.standard_normal((1000, 1))])
    found = make_estimator("lnc[k=10]").estimate(x, y, Context())
    assert found.diagnostics["corrected_share"] > 0.9
    assert abs(found.value) < 0.6


def test_ross_agrees_with_scikit_learn() -> None:
    """Up to its noise of 1e-10 and its scaling to sd 1, which does nothing to one column."""
    rng = np.random.default_rng(8)
    label = rng.integers(0, 5, (700, 1)).astype(float)
    block = label**2 / 4 + rng.standard_normal((700, 1))
    peer = mutual_info_classif(block, label[:, 0], n_neighbors=4, random_state=0)[0]
    assert estimate_label(block, label, 4).value == pytest.approx(peer, abs=1e-9)


def test_ross_leaves_lone_labels_out_and_says_so() -> None:
    rng = np.random.default_rng(2)
    block, label = rng.standard_normal((60, 2)), np.repeat([0.0, 1.0, 2.0], 20)[:, None]
    label[0], label[1:3] = 7, 8
    found = estimate_label(block, label, 3)
    assert found.value == estimate_label(block[1:], label[1:], 3).value
    assert found.diagnostics["points_left_out"] == 1
    assert "1 of 60 points have a label that no other point has" in found.warnings[0]
    assert "1 label has 3 or fewer points" in found.warnings[1]
    none = estimate_label(block, np.arange(60.0)[:, None], 3)
    assert np.isnan(none.value)
    assert none.warnings == ("no two points share a label",)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [1, 3, 16, 17])
def test_search_of_one_block(kind: str, dim: int) -> None:
    block, _ = draw(kind, 700, dim, 1, np.random.default_rng(dim))
    away = np.array([np.abs(block - row).max(axis=1) for row in block])
    radii = neighbor_radii(block, [4, 1], threads=2)
    np.testing.assert_array_equal(radii, np.sort(away, axis=1)[:, [4, 1]])
    one = np.ascontiguousarray(radii[:, 0])
    np.testing.assert_array_equal(count_within(block, one, threads=2), (away <= one[:, None]).sum(axis=1) - 1)

    def sum_of_members(centers: Indices, members: Indices, starts: Indices) -> Array:
        return np.add.reduceat(members + 1000.0 * centers, starts)

    expected = ((away <= one[:, None]) * (np.arange(700) + 1000 * np.arange(700)[:, None])).sum(axis=1)
    np.testing.assert_array_equal(reduce_neighborhoods(block, one, sum_of_members, threads=2), expected)


def normal_pairs(name: str, rho: float, seeds: int, n: int = 1000) -> Array:
    values = []
    for seed in range(seeds):
        x, noise = np.random.default_rng([seed, 11]).standard_normal((2, n, 1))
        values.append(make_estimator(name).estimate(x, rho * x + np.sqrt(1 - rho**2) * noise, Context()).value)
    return np.array(values)


@pytest.mark.parametrize(("name", "bias"), [("ksg-2", 0.01), ("kl", 0.03), ("mixed-ksg", 0.01), ("lnc", 0.02)])
@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_mean_over_seeds_is_the_closed_form(name: str, bias: float, rho: float) -> None:
    values = normal_pairs(name, rho, 20)
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() + 0.5 * np.log1p(-(rho**2))) < 4 * error + bias
    if rho == 0:
        assert values.min() < 0  # never clipped


def test_lnc_sees_dependence_where_ksg_saturates() -> None:
    """I = 6.2 nats; from 500 points KSG-2 cannot give more than psi(n) - psi(k) - 1/k = 4.5, by n_x, n_y >= k."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((500, 1))
    y = x + 0.002 * rng.standard_normal((500, 1))
    truth = 0.5 * np.log1p(1 / 0.002**2)
    assert truth > digamma(500) - digamma(5) - 1 / 5
    plain, corrected = (make_estimator(name, k=5).estimate(x, y, Context()).value for name in ("ksg-2", "lnc"))
    assert plain < digamma(500) - digamma(5) - 1 / 5
    assert abs(corrected - truth) < 0.5
    assert make_estimator("lnc[alpha=0]").estimate(x, y, Context()).value == plain
    line = make_estimator("lnc").estimate(x, 2 * x, Context())
    assert any("lie on a line" in text for text in line.warnings)


TASKS = [
    "discrete-uniform-noise",
    "zero-inflated-poisson",
    "label-gaussian[classes=3,dim=2]",
    "label-gaussian[arrangement=line,classes=2,dim=1]",
]


def mean_error(spec: str, task: str) -> tuple[float, float]:
    """Mean error over 20 samples of n = 2000, and its standard error."""
    distribution, estimator, values = make_distribution(task), make_estimator(spec), []
    for seed in range(20):
        sample = distribution.sample(2000, np.random.default_rng([seed, 5]))
        context = Context(shape=sample.shape)
        values.append(estimator.estimate(sample.x, sample.y, context).value)
    truth = distribution.ground_truth()
    assert truth is not None
    return float(np.mean(values) - truth.value), float(np.std(values, ddof=1) / np.sqrt(20))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", ["mixed-ksg", "ross"])
def test_mixed_truths(name: str, task: str) -> None:
    """Bias at n = 2000 is below 0.01, as for KSG."""
    error, standard_error = mean_error(name, task)
    assert abs(error) < 4 * standard_error + 0.01


def test_the_articles_logarithms_need_many_neighbors() -> None:
    """Where a label meets a continuous variable, the bias is that of log(m + 1) for psi(m): of order 1/k."""
    few, many = (mean_error(f"mixed-ksg[counts=article,k={k}]", TASKS[0])[0] for k in (5, 40))
    assert few < -0.1
    assert few / 3 < many < 0


def test_the_bias_of_the_articles_logarithms_is_that_of_a_waiting_time() -> None:
    """Four equal labels without any bearing on Y: m points hold k of one label, m - k negative binomial.

    E[psi(k) - psi(m)] = log(1/4), which the count of the label makes up for; E[psi(k) - log(m + 1)] is lower.
    """
    k, values = 5, []
    for seed in range(20):
        rng = np.random.default_rng([seed, 3])
        label, y = rng.integers(0, 4, (1000, 1)).astype(float), 1e-3 * rng.standard_normal((1000, 1))
        names = ("mixed-ksg", "mixed-ksg[counts=article]")
        values.append([make_estimator(name, k=k, ties="keep").estimate(label, y, Context()).value for name in names])
    waiting = k + np.arange(2000)
    article = float(digamma(k) - stats.nbinom(k, 0.25).pmf(waiting - k) @ np.log(waiting + 1) + np.log(4))
    assert -3 * 0.25 / (2 * k) == pytest.approx(article, rel=0.2)
    errors = np.std(values, axis=0, ddof=1) / np.sqrt(20)
    assert (np.abs(np.mean(values, axis=0) - [0, article]) < 4 * errors + 0.005).all()


def test_mixed_ksg_counts_where_everything_is_discrete() -> None:
    """Every cell holds more than k points: the plug-in value, with digamma for the logarithm of the cells."""
    x, y = np.random.default_rng(1).integers(0, 3, (2, 600, 1)).astype(float)
    table = np.array([[((x == i) & (y == j)).sum() for j in range(3)] for i in range(3)])
    in_x, in_y = table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
    for name, outer in (("article", np.log(in_x) + np.log(in_y)), ("program", digamma(in_x) + digamma(in_y))):
        expected = (table * (digamma(table) + np.log(600) - outer)).sum() / 600
        found = make_estimator("mixed-ksg", counts=name).estimate(x, y, Context()).value
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["ksg-2", "kl", "mixed-ksg", "lnc"])
def test_margins(name: str) -> None:
    x, y = draw("normal", 400, 1, 1, np.random.default_rng(5))

    def estimate(margins: str, x: Array, y: Array) -> Estimate:
        return make_estimator(name, margins=margins).estimate(x, y, Context())

    assert estimate("normal", x**3, np.exp(y)).value == estimate("normal", x, y).value
    standard = estimate("standard", x, y).value
    assert estimate("standard", 300 * x, y + 7).value == pytest.approx(standard, abs=1e-9)
    assert abs(estimate("raw", 100 * x, y).value - estimate("raw", x, y).value) > 0.01  # no claim of scale invariance
    assert any("standard deviations" in text for text in estimate("raw", 100 * x, y).warnings)
    assert estimate("standard", 100 * x, y).warnings == ()


def test_ties_are_warned_of_where_they_harm() -> None:
    x, y = (np.repeat(block, 5, axis=0) for block in draw("normal", 40, 1, 1, np.random.default_rng(5)))
    assert "200 of 200 points coincide" in make_estimator("ksg-2[ties=keep]").estimate(x, y, Context()).warnings[0]
    found = make_estimator("kl[ties=keep]").estimate(x, y, Context())
    assert np.isnan(found.value)
    assert ["in x" in text or "in y" in text or "in (x, y)" in text for text in found.warnings] == [True] * 3
    assert make_estimator("mixed-ksg[ties=keep]").estimate(x, y, Context()).warnings == ()


def test_mixed_ksg_warns_of_labels_that_count_as_numbers_and_not_of_their_scale() -> None:
    """Numbers 20 times as wide as the codes of labels do no harm, 300 times as wide take all; margins and ross cure."""
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, (1000, 1)).astype(float)
    number = np.array([1.0, 0.0, 2.0])[label[:, 0].astype(int)][:, None] + rng.normal(size=(1000, 1))

    def run(spec: str, factor: float) -> Estimate:
        context = Context(shape=Shape(1000, ("continuous",), ("discrete",)))
        return make_estimator(spec).estimate(factor * number, label, context)

    expected = run("ross", 1).value
    assert run("mixed-ksg", 20).warnings == ()
    assert run("mixed-ksg", 20).value == pytest.approx(expected, abs=0.05)
    found = run("mixed-ksg", 300)
    assert found.value < 0.2 * expected
    (warning,) = found.warnings
    assert re.match(r"at \d+ of 1000 points the neighbours are as far as the next label", warning)
    assert "margins=normal" in warning
    assert "`ross`" in warning
    cured = run("mixed-ksg[margins=normal]", 300)
    assert cured.value == pytest.approx(expected, abs=0.05)
    assert cured.warnings == ()
    # Numbers of unequal scale are still warned of, labels alone have none.
    x = np.hstack([number, 100 * number[::-1]])
    context = Context(shape=Shape(1000, ("continuous", "continuous"), ("discrete",)))
    assert "standard deviations" in make_estimator("mixed-ksg").estimate(x, label, context).warnings[0]
    context = Context(shape=Shape(1000, ("discrete",), ("discrete",)))
    assert make_estimator("mixed-ksg").estimate(50 * label, label, context).warnings == ()


def test_limits() -> None:
    for name in ("ksg-2", "kl", "mixed-ksg", "lnc"):
        estimator = make_estimator(name, k=5)
        assert "more than k = 5 points, got 5" in str(estimator.unsupported(Shape.continuous(5, 1, 1)))
        assert estimator.unsupported(Shape.continuous(6, 1, 1)) is None
    assert make_estimator("lnc[k=5]").unsupported(Shape.continuous(50, 2, 2)) is None
    reason = make_estimator("lnc[k=5]").unsupported(Shape.continuous(50, 3, 2))
    assert reason == "needs k > 3 + 2 dimensions, got k = 5"
    ross = make_estimator("ross")
    assert ross.unsupported(Shape(50, ("continuous", "continuous"), ("discrete",))) is None
    assert ross.unsupported(Shape(50, ("discrete",), ("continuous", "continuous"))) is None
    assert "all columns of x discrete" in str(ross.unsupported(Shape(50, ("continuous", "discrete"), ("discrete",))))
    assert "continuous columns are not supported" in str(ross.unsupported(Shape.continuous(50, 1, 1)))
