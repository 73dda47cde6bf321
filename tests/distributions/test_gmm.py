"""Normal mixtures: truths by reduction and quadrature against other formulas, densities against scipy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special, stats

from mibench.distributions import mixture_law
from mibench.distributions.gmm import mixture
from mibench.distributions.mixture_law import NormalComponents
from mibench.distributions.transforms import increasing_root
from mibench.interface import Array, GroundTruth, InputError
from mibench.registry import full_spec, make_distribution


def information(means: object, covariances: object, dim_x: int, weights: object = None) -> GroundTruth:
    """Truth of a mixture."""
    truth = make_distribution("gmm", means=means, covariances=covariances, dim_x=dim_x, weights=weights).ground_truth()
    assert truth is not None
    return truth


def value(means: object, covariances: object, dim_x: int, weights: object = None) -> float:
    """Truth of a mixture, known without Monte Carlo."""
    truth = information(means, covariances, dim_x, weights)
    assert truth.method != "monte carlo"
    return truth.value


def random_law(seed: int, dim: int, count: int = 3) -> tuple[Array, Array, Array]:
    """Means, covariances and weights without any structure."""
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((count, dim, dim))
    covariances = roots @ roots.transpose(0, 2, 1) + 0.2 * np.eye(dim)
    return 2 * rng.standard_normal((count, dim)), covariances, rng.uniform(0.5, 2, count)


def by_cells(means: Array, covariances: Array, weights: Array, x: Array, y: Array) -> float:
    """1 x 1: relative entropy of the grid's cells to the product of its own margins, no margin in closed form."""
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    laws = [stats.multivariate_normal(mean, cov) for mean, cov in zip(means, covariances, strict=True)]
    joint = np.tensordot(weights / weights.sum(), [law.pdf(grid) for law in laws], axes=1)
    joint *= (x[1] - x[0]) * (y[1] - y[0])
    assert joint.sum() == pytest.approx(1, abs=1e-9)
    return float(special.rel_entr(joint, np.outer(joint.sum(axis=1), joint.sum(axis=0))).sum())


# ---------------------------------------------------------------------------------------------------------------------
# Truths


@pytest.mark.parametrize("seed", range(4))
def test_in_the_plane_the_truth_is_that_of_fine_cells(seed: int) -> None:
    """Random means, covariances and weights."""
    means, covariances, weights = random_law(seed, 2)
    axis = np.linspace(-30, 30, 1201)
    expected = by_cells(means, covariances, weights, axis, axis)
    assert value(means, covariances, 1, weights) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("fraction", [0.05, 0.5])
@pytest.mark.parametrize("rho", [0.3, -0.95])
def test_contamination_is_a_mixture(rho: float, fraction: float) -> None:
    """A correlated and an independent normal law: `contaminated` finds the same by a Mellin-Barnes integral.

    The pair hides in 3 x 2 columns that are mixed linearly; the reduction has to find it.
    """
    base = make_distribution("gaussian-sparse", dim_x=3, dim_y=2, pairs=1, rho=rho)
    expected = make_distribution("contaminated", base=base, fraction=fraction).ground_truth()
    assert expected is not None
    correlated = np.eye(5)
    correlated[0, 3] = correlated[3, 0] = rho
    mix = np.zeros((5, 5))
    mix[:3, :3], mix[3:, 3:] = np.random.default_rng(0).standard_normal((3, 3)), [[1, 2], [0, -3]]
    covariances = mix @ np.array([correlated, np.eye(5)]) @ mix.T
    covariances = (covariances + covariances.transpose(0, 2, 1)) / 2
    found = value([[4, 0, -1, 2, 7]] * 2, covariances, 3, [1 - fraction, fraction])
    assert found == pytest.approx(expected.value, abs=1e-9)


def test_where_no_reduction_exists_monte_carlo_says_its_error() -> None:
    """Two contaminated pairs, 2 x 2: `contaminated` knows the truth. Asked twice it is the same."""
    base = make_distribution("gaussian-sparse", dim_x=2, dim_y=2, rho=0.8)
    expected = make_distribution("contaminated", base=base, fraction=0.3).ground_truth()
    assert expected is not None
    correlated = np.eye(4)
    for i in range(2):
        correlated[i, 2 + i] = correlated[2 + i, i] = 0.8
    found, again = (information([[0] * 4] * 2, [correlated, np.eye(4)], 2, [0.7, 0.3]) for _ in range(2))
    assert found == again
    assert found.method == "monte carlo"
    assert 0 < found.standard_error < 1e-3
    assert abs(found.value - expected.value) < 4 * found.standard_error


@pytest.mark.parametrize("dim_x", [1, 2])
def test_two_columns_on_one_side(dim_x: int) -> None:
    """Three-dimensional quadrature against the mean PMI of a million points and against swapped sides."""
    means, covariances, weights = random_law(5, 3)
    covariances = np.eye(3) + 0.2 * covariances  # of few nodes
    law = make_distribution("gmm", means=means, covariances=covariances, dim_x=dim_x, weights=weights)
    pmi = law.sample(1_000_000, np.random.default_rng(1)).pmi
    assert pmi is not None
    found = value(means, covariances, dim_x, weights)
    assert abs(pmi.mean() - found) < 4 * pmi.std() / 1000
    order = [*range(dim_x, 3), *range(dim_x)]
    assert value(means[:, order], covariances[:, order][:, :, order], 3 - dim_x, weights) == pytest.approx(
        found, abs=1e-9
    )


def test_linear_maps_and_columns_without_information_change_nothing() -> None:
    """Maps A x + a and B y + b; two more columns of X that depend on X alone, in the same way in each component."""
    means, covariances, weights = random_law(6, 2)
    plain = value(means, covariances, 1, weights)
    rng = np.random.default_rng(7)
    embed = np.zeros((4, 2))
    embed[0, 0], embed[3, 1] = 1, 1
    wide = embed @ covariances @ embed.T
    wide[:, 1, 1], wide[:, 2, 2] = 0.7, 1.3
    follow = np.eye(4)
    follow[1, 0], follow[2, 0] = 0.8, -2  # noisy copies of the informative column
    mix = np.zeros((4, 4))
    mix[:3, :3], mix[3, 3] = rng.standard_normal((3, 3)), -2.5
    matrix = mix @ follow
    moved = matrix @ wide @ matrix.T
    assert value(means @ embed.T @ matrix.T + 3, (moved + moved.transpose(0, 2, 1)) / 2, 3, weights) == pytest.approx(
        plain, abs=1e-9
    )


def test_shells_on_both_sides() -> None:
    """X ~ N(a, k^2 A) in 3 columns, Y ~ N(b, k^2 B) in 2: the radii are chi variables of scale k."""
    scales, weights = np.array([1.0, 2.0, 5.0]), np.array([0.2, 0.5, 0.3])
    shape = np.zeros((5, 5))
    shape[:3, :3], shape[3:, 3:] = [[2, 0.5, 0], [0.5, 1, 0.3], [0, 0.3, 4]], [[1, -0.6], [-0.6, 0.5]]
    found = value([[1, -2, 0, 5, 1]] * 3, [k * k * shape for k in scales], 3, weights)
    r = np.linspace(0, 60, 3001)
    x, y = (stats.chi(dim, scale=scales[:, None]).pdf(r) * r[1] for dim in (3, 2))
    joint = (x.T * weights) @ y
    expected = special.rel_entr(joint, np.outer(weights @ x, weights @ y)).sum()
    assert found == pytest.approx(expected, abs=1e-4)  # the cells' own error: the chi density of 2 has a kink at 0
    assert information([[1, -2, 0, 5, 1]] * 3, [k * k * shape for k in scales], 3, weights).method == "quadrature"


def test_limits() -> None:
    """Far clusters tell the label; one component is Gaussian; equal conditional laws are independent."""
    weights = np.array([0.5, 0.3, 0.2])
    far = value([[0, 0], [100, 50], [-80, 200]], [np.eye(2)], 1, weights)
    assert far == pytest.approx(-(weights * np.log(weights)).sum(), abs=1e-9)
    covariance = random_law(8, 5)[1][0]
    one = make_distribution("gaussian", covariance=covariance, dim_x=3).ground_truth()
    assert one is not None
    assert value([[1, 2, 3, 4, 5]], [covariance], 3) == pytest.approx(one.value, rel=1e-12)
    assert value([[1, 2, 3, 4, 5]] * 2, [covariance] * 2, 3) == pytest.approx(one.value, rel=1e-9)
    assert value([[0, 1, 0], [9, 9, 0]], [np.diag([1, 2, 3]), np.diag([5, 1, 3])], 2) == 0


@pytest.mark.parametrize(
    "spec", ["cross[rho=0.99]", "letters-ai", "sawtooth", "twin-clusters", "concentric[clouds=10]"]
)
def test_twice_as_many_nodes_give_the_same(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the stated 1e-9, also with a longer reach."""
    first = make_distribution(spec).ground_truth()
    monkeypatch.setattr(mixture_law, "NODES", 40)
    monkeypatch.setattr(mixture_law, "REACH", 9.0)
    second = make_distribution(spec).ground_truth()
    assert first is not None
    assert second is not None
    assert first.value == pytest.approx(second.value, abs=1e-9)


@pytest.mark.parametrize("distance", range(1, 16, 2))
def test_boundaries_between_clusters_are_resolved(distance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logarithm of a density is hardest where two components of equal size meet far out."""
    law = mixture([[0, 0], [distance, distance]], [np.eye(2), [[0.5, 0.2], [0.2, 0.1]]], 1)
    first = law.mutual_information().value
    monkeypatch.setattr(mixture_law, "NODES", 64)
    assert first == pytest.approx(law.mutual_information().value, abs=1e-9)


def test_very_different_scales() -> None:
    """Components of widths 1 and 1e-4 (cells of equal width in asinh), and 100 well-kept clusters of Y."""
    found = value([[0, 0], [0, 0]], [np.eye(2), 1e-8 * np.eye(2)], 1)
    s = np.linspace(-13, 13, 2001)
    t = 1e-4 * np.sinh(s)
    step = 1e-4 * np.cosh(s) * (s[1] - s[0])
    wide, fine = stats.norm.pdf(t) * step, stats.norm.pdf(t, scale=1e-4) * step
    joint = (np.outer(wide, wide) + np.outer(fine, fine)) / 2
    margin = (wide + fine) / 2
    assert found == pytest.approx(special.rel_entr(joint, np.outer(margin, margin)).sum(), abs=1e-9)
    assert make_distribution("concentric[clouds=100,noise=0.0001]").ground_truth() is not None


# ---------------------------------------------------------------------------------------------------------------------
# Densities, samples, specification


@pytest.mark.parametrize("dim_x", [1, 2, 4])
def test_pmi_from_scipys_densities(dim_x: int) -> None:
    """Of any pairs, drawn from the mixture or not."""
    means, covariances, weights = random_law(9, 5)
    law = make_distribution("gmm", means=means, covariances=covariances, dim_x=dim_x, weights=weights)
    points = 4 * np.random.default_rng(2).standard_normal((200, 5))

    def log_density(columns: slice) -> Array:
        parts = zip(means[:, columns], covariances[:, columns, columns], strict=True)
        logs = [stats.multivariate_normal(mean, cov).logpdf(points[:, columns]) for mean, cov in parts]
        return np.asarray(special.logsumexp(logs, axis=0, b=(weights / weights.sum())[:, None]))

    expected = log_density(slice(None)) - log_density(slice(dim_x)) - log_density(slice(dim_x, None))
    found = law.pmi(points[:, :dim_x], points[:, dim_x:])
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_sample_has_the_moments_of_the_mixture() -> None:
    """Mean and covariance (within plus between components), each within 5 standard errors."""
    means, covariances, weights = random_law(10, 3)
    weights = weights / weights.sum()
    sample = make_distribution("gmm", means=means, covariances=covariances, dim_x=2, weights=weights).sample(
        100_000, np.random.default_rng(3)
    )
    points = np.hstack([sample.x, sample.y])
    mean = weights @ means
    products = (points - mean)[:, :, None] * (points - mean)[:, None]
    expected = np.tensordot(weights, covariances + (means - mean)[:, :, None] * (means - mean)[:, None], axes=1)
    for found, target in ((points, mean), (products, expected)):
        assert (np.abs(found.mean(axis=0) - target) < 5 * found.std(axis=0) / math.sqrt(100_000)).all()


def test_high_dimension_stays_finite() -> None:
    """60 x 60, three components that differ in one direction of each side: a quadrature in the plane."""
    means = np.zeros((3, 120))
    means[1, :60], means[1, 60:], means[2, :60] = 0.3, 0.4, -0.3
    means[2, 60:] = -0.4
    law = make_distribution("gmm", means=means, covariances=[np.eye(120)], dim_x=60)
    pmi, truth = law.sample(20_000, np.random.default_rng(4)).pmi, law.ground_truth()
    assert pmi is not None
    assert truth is not None
    assert truth.method == "quadrature"
    assert abs(pmi.mean() - truth.value) < 4 * pmi.std() / math.sqrt(20_000)


def test_specification(tmp_path: Path) -> None:
    """One covariance serves all, weights may have any sum, matrices come from files; written out and read again."""
    text = "gmm[means=((0,0),(1,2)),covariances=(((1,0),(0,2))),weights=(1,3)]"
    law = make_distribution(text)
    assert make_distribution(full_spec(law)) == law
    assert (law.dim_x, law.dim_y) == (1, 1)
    assert (
        law.ground_truth()
        == make_distribution(
            "gmm[means=((0,0),(1,2)),covariances=(((1,0),(0,2)),((1,0),(0,2))),weights=(0.25,0.75)]"
        ).ground_truth()
    )
    np.save(tmp_path / "c.npy", [[[1, 0], [0, 2]]])
    from_file = text.replace("(((1,0),(0,2)))", str(tmp_path / "c.npy"))
    assert make_distribution(from_file) == law


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"means": [[0, 0], [1]]}, "means are not of one length"),
        ({"means": []}, "means are not of one length"),
        ({"means": [[0], [1]]}, "means are not of one length"),
        ({"means": [[0, math.inf]]}, "means are not of one length"),
        ({"covariances": [np.eye(2)] * 3}, "3 covariances for 2 means"),
        ({"covariances": []}, "0 covariances for 2 means"),
        ({"covariances": [np.eye(3)]}, "a covariance of 3 rows for means of 2"),
        ({"covariances": [[[1, 0.5], [0.4, 1]]]}, "not symmetric"),
        ({"covariances": [[[1, 2], [2, 1]]]}, "not positive definite"),
        ({"weights": [1]}, "2 components; give a positive number for each"),
        ({"weights": [1, 0]}, "give a positive number for each"),
        ({"weights": [1, math.inf]}, "give a positive number for each"),
        ({"dim_x": 2}, "dim_x = 2 leaves no Y"),
    ],
)
def test_wrong_parameters_are_one_clear_line(parameters: dict[str, object], message: str) -> None:
    """What was wrong and what is accepted."""
    good: dict[str, object] = {"means": [[0, 0], [1, 1]], "covariances": [np.eye(2)]}
    with pytest.raises(InputError, match=message) as caught:
        make_distribution("gmm", **(good | parameters))
    assert "\n" not in str(caught.value)


def test_reduction_has_as_few_columns_as_the_differences_between_components() -> None:
    """Means in one direction, precisions in another: two columns of X, one of Y."""
    covariances = np.array([np.eye(6)] * 3)
    covariances[1, 2, 2] = 3
    means = np.zeros((3, 6))
    means[1:, 0], means[1:, 4] = [1, 2], [1, -1]
    law = NormalComponents(np.ones(3) / 3, means, covariances, 4).reduced()
    assert (law.dim_x, law.means.shape[1]) == (2, 3)


def test_small_differences_between_components_are_kept() -> None:
    """A shift of 1e-4 is a direction of its own, and a centre that is off makes the radius insufficient."""
    means = np.zeros((3, 3))
    means[1], means[2] = [5, 0, 5], [5, 1e-4, -5]
    assert NormalComponents(np.ones(3) / 3, means, np.array([np.eye(3)] * 3), 2).reduced().dim_x == 2
    axis = np.linspace(-9, 9, 601)
    close = np.array([[-0.05, -0.05], [0.05, 0.05]])
    expected = by_cells(close, np.array([np.eye(2)] * 2), np.ones(2), axis, axis)
    assert value(close, [np.eye(2)], 1) == pytest.approx(expected, rel=1e-6)
    shells = [np.diag([k, k, k, k, 0.1]) for k in (1.0, 4.0)]
    assert information([[0, 0, 0, 0, 0], [0, 0, 0, 0, 1]], shells, 4).method == "quadrature"
    assert information([[0, 0, 0, 0, 0], [1e-4, 0, 0, 0, 1]], shells, 4).method == "monte carlo"


# ---------------------------------------------------------------------------------------------------------------------
# Maps of single coordinates


def test_bimodal_far_out_and_between_the_modes() -> None:
    """Against a root found by bisection of log-probabilities; forward and back at 30 standard deviations."""
    bimodal = make_distribution("bimodal[base=gaussian-sparse]")
    forward, inverse = (getattr(bimodal, name) for name in ("forward", "inverse"))
    t = np.linspace(-30, 30, 241)[:, None]
    for side in ("x", "y"):
        np.testing.assert_allclose(inverse(forward(t, side), side), t, atol=1e-11)
        assert (np.diff(forward(t, side)[:, 0]) > 0).all()

    def excess(s: float, probability: float) -> float:
        return float(special.logsumexp([special.log_ndtr(s), special.log_ndtr(s - 5)], b=[0.3, 0.7])) - probability

    for start in (-20.0, -1.0, -0.5, 0.0, 2.0):
        expected = optimize.brentq(excess, start - 1, start + 6, args=(float(special.log_ndtr(start)),), xtol=1e-13)
        assert forward(np.array([[start]]), "x")[0, 0] == pytest.approx(expected, abs=1e-10)


def test_increasing_root_where_newtons_method_alone_would_leave() -> None:
    """Arctan from far out."""
    t = np.array([-300.0, -2.0, 0.0, 5.0, 1e4])
    low, high = np.full(5, -2e4), np.full(5, 3e4)
    found = increasing_root(np.arctan, lambda s: np.asarray(1 / (1 + s**2)), np.arctan(t), low, high)
    np.testing.assert_allclose(np.tan(np.arctan(found)), t, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("swiss-roll[base=gaussian-sparse]", "5 columns in X; give one with 1"),
        ("spiral[base=gaussian-sparse[dim_x=1,dim_y=2]]", "2 or more columns in X or 3 or more in Y"),
        ("ripple[base=gaussian-sparse[dim_x=1]]", "2 or more columns in X"),
        ("ripple[base=gaussian-sparse,amplitude=inf]", "finite"),
        ("rescale[base=gaussian-sparse,scale=(1,2)]", "give 5 finite numbers"),
        ("rescale[base=gaussian-sparse[dim_x=2],scale=(1,0)]", "not injective"),
    ],
)
def test_maps_that_do_not_fit_say_so(spec: str, message: str) -> None:
    """One line: what is wrong and what to give."""
    with pytest.raises(InputError, match=message):
        make_distribution(spec)


def test_what_cannot_be_rolled_up_is_refused() -> None:
    """A normal X reaches below -1/2, where the roll would meet itself."""
    law = make_distribution("swiss-roll[base=gaussian-sparse[dim_x=1,dim_y=1]]")
    with pytest.raises(InputError, match="cannot be rolled up"):
        law.sample(1000, np.random.default_rng(0))


@pytest.mark.parametrize(
    "spec",
    [
        "spiral[base=gaussian-sparse[dim_x=4,dim_y=3],speed=-7]",
        "spiral[base=gaussian-sparse[dim_x=1,dim_y=3]]",
        "swiss-roll[base=additive-uniform]",
        "ripple[base=gaussian-sparse[dim_x=3]]",
        "rescale[base=gaussian-sparse[dim_x=2],scale=(3,-0.1),shift=(0,100)]",
        "rescale[base=gaussian-sparse]",
        "bimodal[base=gaussian-sparse]",
    ],
)
def test_inverse_returns_the_input(spec: str) -> None:
    """And the map changes X or Y of the base, unless it is the identity."""
    law = make_distribution(spec)
    base = law.base.sample(500, np.random.default_rng(5))  # type: ignore[attr-defined]
    for block, side in ((base.x, "x"), (base.y, "y")):
        before = block.copy()
        mapped = law.forward(block, side)  # type: ignore[attr-defined]
        np.testing.assert_allclose(law.inverse(mapped, side), before, atol=1e-10)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(block, before)


def test_cs_qmi_of_a_mixture_is_that_of_its_components_law() -> None:
    matrix = ((1.0, 0.6), (0.6, 1.0))
    normal = make_distribution("gaussian", covariance=matrix).ground_truth("cs-qmi")
    single = make_distribution("gmm", means=((1.0, -2.0),), covariances=(matrix,)).ground_truth("cs-qmi")
    twice = make_distribution("gmm", means=((0.0, 0.0),) * 2, covariances=(matrix,) * 2).ground_truth("cs-qmi")
    assert normal is not None
    assert single is not None
    assert twice is not None
    assert single.value == pytest.approx(normal.value, abs=1e-12)
    assert twice.value == pytest.approx(normal.value, abs=1e-12)
    apart = make_distribution("cross[rho=0.9]").ground_truth("cs-qmi")
    assert apart is not None
    assert apart.quantity == "cs-qmi"
    assert apart.value > 0
