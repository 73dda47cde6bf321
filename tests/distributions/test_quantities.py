"""Truths of CS-QMI, sliced MI and the 2-Wasserstein distance against other formulas, grids and random directions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import special
from scipy.linalg import sqrtm

from mibench.distributions import quantities
from mibench.interface import Array
from mibench.registry import make_distribution

# 2 + 3 dimensions, nothing standardised
ROOT = np.random.default_rng(1).standard_normal((5, 6))
COVARIANCE = ROOT @ ROOT.T + 0.2 * np.eye(5)
ANY = "gaussian[dim_x=2,covariance=(" + ",".join(f"({','.join(map(repr, row))})" for row in COVARIANCE.tolist()) + ")]"
NORMALS = [
    "gaussian-sparse[rho=-0.6]",
    "gaussian-sparse[dim_x=3,dim_y=2,pairs=1,mi=2]",
    "gaussian-dense",
    "gaussian-dense[dim_x=2,dim_y=3,rho=-0.2]",
    "gaussian-dense[dim_x=1,dim_y=4,mi=2]",
    ANY,
]


def value(spec: str, quantity: str) -> float:
    """The truth of a quantity, and that it says which."""
    truth = make_distribution(spec).ground_truth(quantity)
    assert truth is not None
    assert truth.quantity == quantity
    return truth.value


def covariances(spec: str) -> tuple[Array, Array, int]:
    """Covariance of (X, Y), the same with X and Y independent, and dim_x; written down from the definitions."""
    law = make_distribution(spec)
    m, n = law.dim_x, law.dim_y
    if spec == ANY:
        joint = COVARIANCE
    elif "dense" in spec:
        rho = getattr(law, "rho", None) or (0.5 if "mi" not in spec else rho_of_dense(m, n, value(spec, "mi")))
        joint = (1 - rho) * np.eye(m + n) + rho
    else:
        pairs = getattr(law, "pairs", None) or 2
        rho = getattr(law, "rho", None) or math.sqrt(1 - math.exp(-2 * value(spec, "mi") / pairs))
        joint = np.eye(m + n)
        for i in range(pairs):
            joint[i, m + i] = joint[m + i, i] = rho
    apart = joint.copy()
    apart[:m, m:] = apart[m:, :m] = 0
    return joint, apart, m


def rho_of_dense(m: int, n: int, mi: float) -> float:
    """Solve for the common correlation by bisection over the determinants."""
    low, high = 0.0, 1.0
    for _ in range(60):
        rho = (low + high) / 2
        x, y, xy = (math.log1p((d - 1) * rho) + (d - 1) * math.log1p(-rho) for d in (m, n, m + n))
        low, high = (rho, high) if (x + y - xy) / 2 < mi else (low, rho)
    return low


# ---------------------------------------------------------------------------------------------------------------------
# Cauchy-Schwarz quadratic mutual information


@pytest.mark.parametrize("spec", NORMALS)
def test_cs_qmi_of_a_normal_is_a_difference_of_determinants(spec: str) -> None:
    joint, apart, _ = covariances(spec)
    both, of_joint, of_apart = (np.linalg.slogdet(matrix)[1] for matrix in (joint + apart, joint, apart))
    expected = both - len(joint) * math.log(2) - of_joint / 2 - of_apart / 2
    assert value(spec, "cs-qmi") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("rho", "reach"), [(0.3, 9.0), (-0.8, 9.0), (0.95, 9.0)])
def test_cs_qmi_of_a_normal_pair_by_quadrature(rho: float, reach: float) -> None:
    grid = np.linspace(-reach, reach, 1201)
    x, y = grid[:, None], grid
    p = np.exp(-(x**2 - 2 * rho * x * y + y**2) / (2 * (1 - rho**2))) / math.sqrt(1 - rho**2)
    q = np.exp(-(x**2 + y**2) / 2)
    expected = -math.log((p * q).sum() ** 2 / ((p**2).sum() * (q**2).sum()))
    assert value(f"gaussian-sparse[dim_x=1,dim_y=1,rho={rho}]", "cs-qmi") == pytest.approx(expected, abs=1e-10)


def test_cs_qmi_of_a_normal_pair_lies_between_half_the_mi_and_the_mi() -> None:
    """Equal to half of it for weak dependence, log(4/3) below it for strong dependence, increasing."""
    mi = np.geomspace(1e-6, 28, 50)
    found = np.array([quantities.normal_cs_qmi(np.array([one])) for one in mi])
    assert (np.diff(found) > 0).all()
    assert (found <= mi).all()
    assert (found >= mi / 2).all()
    assert found[0] / mi[0] == pytest.approx(0.5, abs=1e-5)
    assert mi[-1] - found[-1] == pytest.approx(math.log(4 / 3), abs=1e-12)


def mixture(components: int, dim: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """Weights, means and covariances of some Gaussian mixture."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(components, 5.0))
    roots = rng.standard_normal((components, dim, dim))
    return weights, 1.5 * rng.standard_normal((components, dim)), roots @ roots.mT + 0.3 * np.eye(dim)


def test_cs_qmi_of_a_mixture_by_quadrature() -> None:
    weights, means, covariance = mixture(3, 2)
    step = 0.03
    grid = np.arange(-24, 24, step)
    points = np.stack(np.broadcast_arrays(grid[:, None], grid), axis=-1)
    p = np.zeros(points.shape[:2])
    for w, mean, s in zip(weights, means, covariance, strict=True):
        shift = points - mean
        square = np.einsum("...i,ij,...j", shift, np.linalg.inv(s), shift)
        p += w * np.exp(-square / 2) / (2 * math.pi * math.sqrt(np.linalg.det(s)))
    q = (p.sum(axis=1) * step)[:, None] * (p.sum(axis=0) * step)
    expected = -math.log((p * q).sum() ** 2 / ((p**2).sum() * (q**2).sum()))
    assert quantities.mixture_cs_qmi(weights, means, covariance, 1) == pytest.approx(expected, abs=1e-9)


def test_cs_qmi_of_a_mixture_by_sampling() -> None:
    """In 2 + 1 dimensions, with the three integrals as means of densities: E_p p, E_q q and E_p q."""
    weights, means, covariance = mixture(4, 3, seed=2)
    rng, n = np.random.default_rng(0), 400_000
    label = rng.choice(4, n, p=weights)
    roots = np.linalg.cholesky(covariance)
    points = means[label] + (roots[label] @ rng.standard_normal((n, 3, 1)))[..., 0]
    shuffled = np.hstack([points[:, :2], np.roll(points[:, 2:], 1, axis=0)])

    def density(at: Array, part: slice) -> Array:
        total = np.zeros(len(at))
        for w, mean, s in zip(weights, means[:, part], covariance[:, part, part], strict=True):
            shift = at[:, part] - mean
            square = np.einsum("ni,ij,nj->n", shift, np.linalg.inv(s), shift)
            total += w * np.exp(-square / 2) / math.sqrt(np.linalg.det(2 * math.pi * s))
        return total

    whole, of_x, of_y = slice(0, 3), slice(0, 2), slice(2, 3)
    integrals = [
        density(points, whole),
        density(shuffled, of_x) * density(shuffled, of_y),
        density(points, of_x) * density(points, of_y),
    ]
    logs = [math.log(one.mean()) for one in integrals]
    errors = [one.std() / one.mean() / math.sqrt(n) for one in integrals]
    error = math.sqrt(errors[0] ** 2 + 2 * errors[1] ** 2 + 4 * errors[2] ** 2)  # shuffled rows: pairs are dependent
    found = quantities.mixture_cs_qmi(weights, means, covariance, 2)
    assert error < 0.01 < found
    assert found == pytest.approx(logs[0] + logs[1] - 2 * logs[2], abs=4 * error)


def test_cs_qmi_of_a_mixture_knows_the_single_normal_and_split_components() -> None:
    alone = quantities.mixture_cs_qmi([1.0], np.ones((1, 5)), COVARIANCE[None], 2)
    assert alone == pytest.approx(value(ANY, "cs-qmi"), abs=1e-12)
    weights, means, covariance = mixture(3, 4)
    whole = quantities.mixture_cs_qmi(weights, means, covariance, 2)
    rows = [0, 1, 1, 2]
    split = quantities.mixture_cs_qmi(
        weights[rows] * np.array([1, 0.3, 0.7, 1]), means[rows], covariance[rows], dim_x=2
    )
    assert split == pytest.approx(whole, abs=1e-12)
    without = quantities.mixture_cs_qmi([*weights, 0.0], means[[0, 1, 2, 0]], covariance[[0, 1, 2, 0]], 2)
    assert without == pytest.approx(whole, abs=1e-12)


def test_cs_qmi_of_a_mixture_is_unchanged_by_linear_maps_of_x_and_of_y_only() -> None:
    weights, means, covariance = mixture(3, 4)
    before = quantities.mixture_cs_qmi(weights, means, covariance, 2)
    rng = np.random.default_rng(3)
    blocks = np.zeros((4, 4))
    blocks[:2, :2], blocks[2:, 2:] = rng.standard_normal((2, 2, 2))
    mixed = rng.standard_normal((4, 4))
    after = [quantities.mixture_cs_qmi(weights, means @ m.T + 7, m @ covariance @ m.T, 2) for m in (blocks, mixed)]
    assert after[0] == pytest.approx(before, abs=1e-10)
    assert abs(after[1] - before) > 0.01


def test_cs_qmi_of_a_mixture_without_dependence_is_zero() -> None:
    """Components on a grid, with product weights, and of one block diagonal covariance: X and Y independent."""
    means = np.array(list(itertools.product([-1.0, 2.0], [0.0, 1.0, 5.0])))
    weights = np.multiply.outer([0.3, 0.7], [0.2, 0.5, 0.3]).ravel()
    found = quantities.mixture_cs_qmi(weights, means, np.tile(np.diag([0.5, 2.0]), (6, 1, 1)), 1)
    assert found == pytest.approx(0, abs=1e-13)


# ---------------------------------------------------------------------------------------------------------------------
# 2-Wasserstein distance


@pytest.mark.parametrize("spec", NORMALS)
def test_wasserstein_distance_is_bures_formula(spec: str) -> None:
    joint, apart, _ = covariances(spec)
    root = sqrtm(joint).real
    square = np.trace(joint) + np.trace(apart) - 2 * np.trace(sqrtm(root @ apart @ root).real)
    assert value(spec, "wasserstein-2") == pytest.approx(math.sqrt(square), abs=1e-7)


def test_wasserstein_distance_of_a_pair_in_closed_form() -> None:
    """4 - 2 (sqrt(1+r) + sqrt(1-r)), squared; r / sqrt 2 to first order, which that difference cannot resolve."""
    for r in (0.1, 0.5, 0.99):
        expected = math.sqrt(4 - 2 * (math.sqrt(1 + r) + math.sqrt(1 - r)))
        found = value(f"gaussian-sparse[dim_x=1,dim_y=1,rho={r}]", "wasserstein-2")
        assert found == pytest.approx(expected, rel=1e-12)
    assert value("gaussian-sparse[dim_x=1,dim_y=1,rho=1e-9]", "wasserstein-2") == pytest.approx(1e-9 / math.sqrt(2))


def test_wasserstein_distance_has_the_units_of_the_data() -> None:
    of_two = value("gaussian[covariance=((4,1),(1,4))]", "wasserstein-2")
    assert of_two == pytest.approx(2 * value("gaussian[covariance=((1,0.25),(0.25,1))]", "wasserstein-2"))


# ---------------------------------------------------------------------------------------------------------------------
# Sliced mutual information


def sliced_by_directions(joint: Array, dim_x: int, n: int = 200_000) -> tuple[float, float]:
    """Mean information of the projections on random directions, with its standard error."""
    rng = np.random.default_rng(0)
    s, t = rng.standard_normal((n, dim_x)), rng.standard_normal((n, len(joint) - dim_x))
    of_x, of_y = (
        np.einsum("ni,ij,nj->n", a, block, a) for a, block in ((s, joint[:dim_x, :dim_x]), (t, joint[dim_x:, dim_x:]))
    )
    both = np.einsum("ni,ij,nj->n", s, joint[:dim_x, dim_x:], t)
    information = -0.5 * np.log1p(-(both**2) / (of_x * of_y))
    return float(information.mean()), float(information.std() / math.sqrt(n))


@pytest.mark.parametrize("spec", [spec for spec in NORMALS if spec != ANY])
def test_sliced_mi_is_the_mean_over_random_directions(spec: str) -> None:
    joint, _, dim_x = covariances(spec)
    mean, error = sliced_by_directions(joint, dim_x)
    assert error < 0.05 * mean
    assert value(spec, "sliced-mi") == pytest.approx(mean, abs=4 * error)


@pytest.mark.parametrize(
    ("m", "n", "pairs", "rho"),
    [(1, 1, 1, 0.9), (1, 6, 1, 0.95), (5, 5, 2, 0.8), (3, 3, 3, -0.99), (64, 64, 10, 0.9), (1024, 256, 256, 0.5)],
)
def test_sliced_mi_of_pairs_by_its_series(m: int, n: int, pairs: int, rho: float) -> None:
    k = np.arange(1.0, 20_000)

    def log_rising(a: float) -> Array:
        return np.asarray(special.gammaln(a + k) - special.gammaln(a))

    terms = 2 * k * math.log(abs(rho)) - np.log(k)
    terms += log_rising(0.5) + log_rising(pairs / 2) - log_rising(m / 2) - log_rising(n / 2)
    found = value(f"gaussian-sparse[dim_x={m},dim_y={n},pairs={pairs},rho={rho}]", "sliced-mi")
    assert found == pytest.approx(0.5 * np.exp(terms).sum(), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("scalar", ["x", "y"])
def test_sliced_mi_of_a_scalar_and_a_vector_is_the_mean_over_random_directions(scalar: str) -> None:
    matrix = COVARIANCE if scalar == "x" else COVARIANCE[::-1, ::-1]
    dim_x = 1 if scalar == "x" else 4
    law = make_distribution("gaussian", covariance=matrix, dim_x=dim_x)
    truth = law.ground_truth("sliced-mi")
    assert truth is not None
    mean, error = sliced_by_directions(matrix, dim_x)
    assert truth.value == pytest.approx(mean, abs=4 * error)


@pytest.mark.parametrize("rho", [-0.2, 0.3, 0.9, 0.999])
def test_sliced_mi_formulas_agree_where_they_overlap(rho: float) -> None:
    """Frullani's integral against the mean over Beta variables: two quadratures that share no step."""
    dense = (1 - rho) * np.eye(5) + rho
    assert quantities.scalar_sliced_mi(dense) == pytest.approx(
        quantities.dense_sliced_mi(1, 4, rho, 1 - rho), abs=1e-12
    )
    sparse = np.eye(5)
    sparse[0, 1] = sparse[1, 0] = rho
    assert quantities.scalar_sliced_mi(sparse) == pytest.approx(
        quantities.sparse_sliced_mi(1, 4, 1, rho, 1 - rho**2), abs=1e-12
    )


def test_sliced_mi_at_its_limits() -> None:
    for mi in (1e-6, 0.5, 29.0):  # a scalar has only one direction
        for name in ("gaussian-sparse", "gaussian-dense"):
            spec = f"{name}[dim_x=1,dim_y=1,mi={mi}]"
            assert value(spec, "sliced-mi") == pytest.approx(mi, rel=1e-9, abs=1e-14)
    assert value("gaussian-sparse[mi=0]", "sliced-mi") == pytest.approx(0, abs=1e-14)
    for spec in ("gaussian-sparse[mi=60]", "gaussian-dense[mi=30]", "gaussian-dense[dim_x=1024,dim_y=1000,mi=30]"):
        assert 0 < value(spec, "sliced-mi") < value(spec, "mi")  # a projection cannot tell more


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (0.5, 500), (300, 200), (1, 2), (32, 0.5), (512, 512), (0.5, 0)])
def test_means_over_a_beta_variable(a: float, b: float) -> None:
    """Total weight, mean, and mean logarithm."""
    share, weights = quantities.Beta(a, b).nodes()
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert weights @ share.value == pytest.approx(a / (a + b), rel=1e-11)
    assert weights @ np.log(share.value) == pytest.approx(special.digamma(a) - special.digamma(a + b), rel=1e-9)
    assert share.value + share.rest == pytest.approx(1, abs=1e-15)


# ---------------------------------------------------------------------------------------------------------------------
# What is not known


def test_unknown_truths_are_none() -> None:
    assert make_distribution(ANY).ground_truth("sliced-mi") is None
    assert make_distribution(ANY).ground_truth("dsmi") is None
    for quantity in ("cs-qmi", "sliced-mi", "wasserstein-2"):  # nonlinear maps change them all
        assert make_distribution("half-cube[base=gaussian-sparse]").ground_truth(quantity) is None


@pytest.mark.parametrize("quantity", ["mi", "cs-qmi", "sliced-mi", "wasserstein-2"])
def test_independence_has_none_of_any_quantity(quantity: str) -> None:
    assert value("independent", quantity) == 0
    for spec in ("gaussian-sparse[rho=0]", "gaussian-dense[rho=0]", "gaussian[covariance=((2,0),(0,1))]"):
        assert value(spec, quantity) == pytest.approx(0, abs=1e-12)


def test_truths_of_other_quantities_do_not_depend_on_which_variable_is_x() -> None:
    for quantity in ("cs-qmi", "sliced-mi", "wasserstein-2"):
        for name in ("gaussian-sparse", "gaussian-dense"):
            one, other = (value(f"{name}[{dims}]", quantity) for dims in ("dim_x=2,dim_y=7", "dim_x=7,dim_y=2"))
            assert one == pytest.approx(other, abs=1e-13)
