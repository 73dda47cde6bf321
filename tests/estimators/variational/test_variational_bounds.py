"""DV, NWJ, TUBA, I_alpha, JSD and SMILE: exact and analytic values of the bounds, and the estimators on them."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from mibench.estimators.variational import bounds
from mibench.estimators.variational.critics import Critic, Kind, OfX
from mibench.estimators.variational.dv import DonskerVaradhan
from mibench.estimators.variational.evaluation import scored_rows
from mibench.estimators.variational.infonce import InfoNCE
from mibench.estimators.variational.interpolated import Interpolated
from mibench.estimators.variational.jsd import JSD
from mibench.estimators.variational.mine import MINE
from mibench.estimators.variational.nwj import NWJ
from mibench.estimators.variational.smile import SMILE
from mibench.estimators.variational.trained_critic import TrainedCritic, TrainedOnPairs
from mibench.estimators.variational.tuba import TUBA
from mibench.interface import Array, Context, InputError
from mibench.training.networks import perceptron

RHO = 0.8
TRUTH = -0.5 * math.log(1 - RHO**2)
PairBound = Callable[[Tensor, Tensor], Tensor]

# A joint distribution of two bits in tenths, and the product of its margins in hundredths: with each cell's score
# repeated as often, means are exact expectations.
JOINT = np.array([[3, 1], [1, 5]])
PRODUCT = np.outer(JOINT.sum(axis=1), JOINT.sum(axis=0))
PMI = np.log(10 * JOINT / PRODUCT)
BITS_MI = float((JOINT / 10 * PMI).sum())
CELLS = list(itertools.product(range(2), range(2)))


def repeated(table: Array) -> tuple[Tensor, Tensor]:
    """Scores whose means over joint and over product pairs are expectations."""
    joint, product = (np.repeat(table.ravel(), counts.ravel()) for counts in (JOINT, PRODUCT))
    return torch.from_numpy(joint), torch.from_numpy(product)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def pairs(n: int, seed: int, replicas: int = 1, rho: float = RHO, dim: int = 1) -> tuple[Tensor, Tensor]:
    x, noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, replicas, n, dim)))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def log_ratio(x: Tensor, y: Tensor, rho: float = RHO) -> Tensor:
    """Pointwise MI of pairs of unit normals with correlation rho, summed over the last dimension."""
    quadratic = (rho * x * y - 0.5 * rho**2 * (x**2 + y**2)) / (1 - rho**2)
    return (quadratic - 0.5 * math.log(1 - rho**2)).sum(-1)


class TruePMI(Critic):
    """The pointwise MI of the bivariate normal."""

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        return log_ratio(x[:, :, None], y[:, None])

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        return torch.stack([log_ratio(x, y.roll(-shift, 1)) for shift in shifts], 1)


def mean_and_se(values: Tensor) -> tuple[float, float]:
    return float(values.mean()), float(values.std()) / math.sqrt(len(values))


# ---------------------------------------------------------------------------------------------------------------------
# Exactly, by enumeration


@pytest.mark.parametrize("bound", [bounds.donsker_varadhan, bounds.nwj])
def test_no_critic_passes_mi_and_the_pointwise_mi_reaches_it(bound: PairBound) -> None:
    assert float(bound(*repeated(PMI))) == pytest.approx(BITS_MI, abs=1e-12)
    values = [float(bound(*repeated(table))) for table in np.random.default_rng(0).normal(PMI, 0.5, (500, 2, 2))]
    assert max(values) <= BITS_MI + 1e-12
    assert max(values) > BITS_MI - 0.05


def test_no_critic_passes_the_jensen_shannon_divergence() -> None:
    p, q = JOINT / 10, PRODUCT / 100
    divergence = 0.5 * (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))).sum()
    assert float(bounds.jensen_shannon(*repeated(PMI))) == pytest.approx(divergence, abs=1e-12)
    critics = np.random.default_rng(0).normal(PMI, 0.5, (500, 2, 2))
    assert max(float(bounds.jensen_shannon(*repeated(table))) for table in critics) <= divergence + 1e-12
    assert float(bounds.jensen_shannon(torch.full((3,), 900.0), torch.full((3,), -900.0))) == pytest.approx(math.log(2))


@pytest.mark.parametrize("tau", [0.0, 0.3, 0.5, 5.0])
def test_smile_is_mi_less_the_logarithm_of_what_clipping_leaves(tau: float) -> None:
    left = (PRODUCT / 100 * np.clip(np.exp(PMI), math.exp(-tau), math.exp(tau))).sum()
    assert float(bounds.smile(*repeated(PMI), tau)) == pytest.approx(BITS_MI - math.log(left), abs=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.7, 1.0])
def test_interpolated_and_tuba_are_lower_bounds_in_expectation(alpha: float) -> None:
    """The mean over all samples of three pairs, each with its probability, for critics and baselines at random."""
    rng = np.random.default_rng(0)
    samples = list(itertools.product(CELLS, repeat=3))
    probability = np.array([np.prod([JOINT[cell] / 10 for cell in sample]) for sample in samples])
    x, y = np.array(samples).transpose(2, 0, 1)
    assert probability.sum() == pytest.approx(1)

    def expected(table: Array, log_baseline: Array) -> float:
        scores = torch.from_numpy(table[x[:, :, None], y[:, None, :]])
        values = bounds.interpolated(scores, torch.from_numpy(log_baseline[x]), alpha)
        return float(values.numpy() @ probability)

    values = [expected(rng.normal(PMI, 1), rng.normal(0, 1, 2)) for _ in range(200)]
    assert max(values) <= BITS_MI + 1e-12
    if alpha == 0:  # tight at pmi + log a, whatever a
        c = rng.normal(0, 1, 2)
        assert expected(PMI + c[:, None], c) == pytest.approx(BITS_MI, abs=1e-12)
    else:
        assert 0 < expected(PMI, np.zeros(2)) < BITS_MI


# ---------------------------------------------------------------------------------------------------------------------
# Formulas


def test_all_pairs_are_the_diagonal_and_the_rest_by_rows() -> None:
    scores = normal(2, 3, 4, 4)
    joint, product = bounds.pairs_of(scores)
    assert (joint.shape, product.shape) == ((2, 3, 4), (2, 3, 12))
    assert joint[1, 2].tolist() == [float(scores[1, 2, i, i]) for i in range(4)]
    assert product[1, 2].tolist() == [float(scores[1, 2, i, j]) for i in range(4) for j in range(4) if i != j]


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("K", [2, 5])
def test_interpolated_equals_its_definition_in_loops(alpha: float, K: int) -> None:
    f, log_a = normal(K, K).numpy(), normal(K, seed=1).numpy()
    joint, product = [], []
    for i in range(K):
        others = [j for j in range(K) if j != i]

        def ratio(first: int, rest: list[int], i: int = i) -> float:
            m = np.mean([math.exp(f[i, j]) for j in [first, *rest]])
            return float(math.exp(f[i, first]) / (alpha * m + (1 - alpha) * math.exp(log_a[i])))

        joint.append(math.log(ratio(i, [j for j in others if j != (i + 1) % K])))
        product += [ratio(j, [k for k in others if k != j]) for j in others]
    value = bounds.interpolated(torch.from_numpy(f), torch.from_numpy(log_a), alpha)
    assert float(value) == pytest.approx(1 + np.mean(joint) - np.mean(product), abs=1e-12)


def test_ends_of_interpolated_are_tuba_and_infonce() -> None:
    scores, log_a = normal(3, 6, 6), normal(3, 6, seed=1)
    assert torch.allclose(bounds.interpolated(scores, log_a, 0.0), bounds.tuba(scores, log_a), atol=1e-12)
    # Row i without the column after its partner's: InfoNCE of five pairs, one point at a time.
    rows = [[[i] + [j for j in range(6) if j not in (i, (i + 1) % 6)] for i in range(6)]]
    kept = scores.gather(2, torch.tensor(rows).expand(3, -1, -1))
    expected = (kept[..., 0] - kept.logsumexp(-1) + math.log(5)).mean(-1)
    assert torch.allclose(bounds.interpolated(scores, log_a, 1.0), expected, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_interpolated_has_its_ceiling(alpha: float) -> None:
    sharp = 1e3 * torch.eye(6, dtype=torch.float64)
    log_a = torch.full((6,), 500.0, dtype=torch.float64)
    assert float(bounds.interpolated(sharp, log_a, alpha)) == pytest.approx(1 + math.log(5 / alpha))
    assert float(bounds.interpolated(sharp, log_a, 1.0)) == pytest.approx(math.log(5))


def test_the_best_baseline_is_the_mean_over_y() -> None:
    scores = normal(6, 6)
    others = scores.masked_fill(torch.eye(6, dtype=torch.bool), -math.inf)
    best = (others.logsumexp(-1) - math.log(5)).requires_grad_()
    (gradient,) = torch.autograd.grad(bounds.tuba(scores, best), best)
    assert gradient.abs().max() < 1e-12
    value = bounds.tuba(scores, best.detach())
    assert torch.allclose(value, (scores.diagonal() - best.detach()).mean(), atol=1e-12)
    assert all(bounds.tuba(scores, best.detach() + normal(6, seed=seed)) < value for seed in range(20))


def test_a_constant_critic_gives_exactly_zero() -> None:
    for constant in (0.0, 1.5):
        joint, product = torch.full((2, 5), constant).double(), torch.full((2, 7), constant).double()
        scores, log_a = torch.full((2, 5, 5), constant).double(), torch.full((2, 5), constant).double()
        values = [
            bounds.donsker_varadhan(joint, product),
            bounds.smile(joint, product, 5.0),
            bounds.tuba(scores, log_a),
        ]
        values += [bounds.interpolated(scores, log_a, alpha) for alpha in (0.0, 0.4, 1.0)]
        values += [bounds.nwj(joint, product), bounds.jensen_shannon(joint, product)] if constant == 0 else []
        assert torch.stack(values).abs().max() < 1e-14


PAIR_BOUNDS: list[PairBound] = [
    bounds.donsker_varadhan,
    bounds.nwj,
    bounds.jensen_shannon,
    lambda joint, product: bounds.smile(joint, product, 0.7),
    lambda joint, product: bounds.smile(joint, product, math.inf),
]


@pytest.mark.parametrize("bound", PAIR_BOUNDS)
def test_gradients_and_leading_dimensions_of_pair_bounds(bound: PairBound) -> None:
    joint, product = normal(2, 3, 5).requires_grad_(), normal(2, 3, 6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(bound, (joint, product))
    assert torch.allclose(bound(joint, product)[1, 2], bound(joint[1, 2], product[1, 2]))


@pytest.mark.parametrize("alpha", [None, 0.0, 0.3, 1.0])
def test_gradients_and_leading_dimensions_of_bounds_on_all_pairs(alpha: float | None) -> None:
    def bound(scores: Tensor, log_baseline: Tensor) -> Tensor:
        if alpha is None:
            return bounds.tuba(scores, log_baseline)
        return bounds.interpolated(scores, log_baseline, alpha)

    scores, log_a = normal(2, 3, 4, 4).requires_grad_(), normal(2, 3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(bound, (scores, log_a))
    assert torch.allclose(bound(scores, log_a)[1, 2], bound(scores[1, 2], log_a[1, 2]))


# ---------------------------------------------------------------------------------------------------------------------
# With the pointwise MI of normal variables as critic


def test_tuba_with_the_true_critic_is_mi_for_any_baseline_in_it() -> None:
    """E = MI; with a baseline exp(delta) too large, 1 + MI - delta - exp(-delta)."""
    x, y = pairs(20, seed=0, replicas=4000)
    log_a = torch.sin(3 * x[..., 0])
    scores = TruePMI().all_pairs(x, y) + log_a[..., None]
    for delta in (0.0, 0.7):
        mean, se = mean_and_se(bounds.tuba(scores, log_a + delta))
        assert abs(mean - (1 + TRUTH - delta - math.exp(-delta))) < 4 * se < 0.05


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0])
def test_interpolated_with_the_true_critic_has_its_theoretical_expectation(alpha: float) -> None:
    """1 + E log(w_1 / b) - E w_1 / b of independent draws in numpy, where w = exp(pmi) and b = alpha m + 1 - alpha."""
    K, repeats = 8, 20_000
    rng = np.random.default_rng(0)
    x, x_apart = rng.standard_normal((2, repeats))
    y, y_apart = rng.standard_normal((2, repeats, K - 1))
    y[:, 0] = RHO * x + math.sqrt(1 - RHO**2) * y[:, 0]

    def ratio(x: Array, y: Array) -> Array:
        w = np.exp(-0.5 * (y - RHO * x[:, None]) ** 2 / (1 - RHO**2) + 0.5 * y**2) / math.sqrt(1 - RHO**2)
        result: Array = w[:, 0] / (alpha * w.mean(axis=1) + 1 - alpha)
        return result

    expected = 1 + np.log(ratio(x, y)) - ratio(x_apart, y_apart)
    scores = TruePMI().all_pairs(*pairs(K, seed=1, replicas=repeats))
    mean, se = mean_and_se(bounds.interpolated(scores, torch.zeros(repeats, K), alpha))
    assert abs(mean - expected.mean()) < 4 * math.hypot(se, expected.std() / math.sqrt(repeats)) < 0.1
    assert mean < TRUTH + 4 * se


def test_smile_tends_to_mi_less_log_of_the_clipped_mean() -> None:
    """Ten pairs, MI 5, tau 5; the mean of min(w, exp(tau)) is also that of min(1, exp(tau) / w) under the joint."""
    rho, tau, n = math.sqrt(1 - math.exp(-1)), 5.0, 200_000
    x, y = pairs(n, seed=0, rho=rho, dim=10)
    joint, *shuffled = (log_ratio(x, y.roll(shift, 1), rho)[0] for shift in range(6))
    product = torch.cat(shuffled)

    above = log_ratio(*pairs(n, seed=1, rho=rho, dim=10), rho)[0]
    apart = log_ratio(pairs(n, seed=2, dim=10)[0], pairs(n, seed=3, dim=10)[0], rho)[0]
    clipped = (tau - above).clamp(max=0).exp()
    added = (math.exp(-tau) - apart.exp()).clamp(min=0)
    expected = 5 - math.log(float(clipped.mean() + added.mean()))
    assert expected == pytest.approx(5.426, abs=0.005)

    weights = product.clamp(-tau, tau).exp()
    se = math.sqrt(float(joint.var()) / n + float(weights.var()) / float(weights.mean()) ** 2 / len(weights))
    assert abs(float(bounds.smile(joint, product, tau)) - expected) < 4 * se < 0.06
    assert torch.equal(bounds.smile(joint, product, math.inf), bounds.donsker_varadhan(joint, product))


@pytest.mark.parametrize(
    ("estimator", "tolerance"),
    [
        *((estimator, 0) for estimator in (DonskerVaradhan(), MINE(), NWJ(), TUBA(), JSD(), SMILE())),
        *((estimator, 1e-3) for estimator in (InfoNCE(), Interpolated())),
    ],
    ids=lambda value: value.label() if isinstance(value, TrainedCritic) else "",
)
def test_held_out_value_of_the_true_critic_is_mi(estimator: TrainedCritic, tolerance: float) -> None:
    n = 4000
    estimate = estimator.evaluate(TruePMI(), *pairs(n, seed=3))
    se = math.sqrt((RHO**2 + 1 / (1 - RHO**2) - 1) / n)
    assert estimate.value == pytest.approx(TRUTH, abs=4 * se + tolerance)
    assert estimate.warnings == ()


@pytest.mark.parametrize("estimator", [DonskerVaradhan(), MINE(), NWJ(), TUBA(), JSD(), InfoNCE()], ids=str)
def test_which_bound_is_reported_shows_where_the_critic_is_too_large(estimator: TrainedCritic) -> None:
    """NWJ loses exp(c) - 1 - c by a constant c, up to what the mean of exp f misses; the others lose nothing."""

    class Raised(TruePMI):
        def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
            return super().all_pairs(x, y) + 1

        def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
            return super().shifted(x, y, shifts) + 1

    x, y = pairs(4000, seed=3)
    loss = estimator.evaluate(TruePMI(), x, y).value - estimator.evaluate(Raised(), x, y).value
    if isinstance(estimator, NWJ | TUBA | JSD):
        # (e - 1) mean exp f - 1, and Var exp(pmi) = 1 / (1 - rho^2) - 1.
        se = (math.e - 1) * math.sqrt((1 / (1 - RHO**2) - 1) / 4000)
        assert loss == pytest.approx(math.e - 2, abs=4 * se)
    else:
        assert loss == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_held_out_interpolation_in_blocks_is_the_bound_of_each_group(alpha: float) -> None:
    x, y = pairs(61, seed=4, replicas=2)
    scores = TruePMI().all_pairs(x, y)
    groups = torch.arange(61).tensor_split(3)
    by_group = torch.stack([bounds.interpolated(scores[:, g][..., g], torch.zeros(2, len(g)), alpha) for g in groups])
    expected = (by_group * torch.tensor([len(g) for g in groups])[:, None]).sum(0) / 61
    for at_once in (1, 150, 10**6):
        blocks = scored_rows(TruePMI(), x, y, 25, at_once)
        parts = [bounds.interpolated_scores(rows, alpha) for rows in blocks]
        joint, product = (torch.cat(part, 1) for part in zip(*parts, strict=True))
        assert torch.allclose(bounds.nwj(joint, product), expected, atol=1e-12)
    estimate = Interpolated(alpha=alpha, negatives=25).evaluate(TruePMI(), x[:1], y[:1])
    assert estimate.value == pytest.approx(float(expected[0]), abs=1e-12)
    assert estimate.diagnostics["negatives"] == 19


# ---------------------------------------------------------------------------------------------------------------------
# The estimators


class Product(Critic):
    """f(x, y) = a x y, for two replicas."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor([[0.3], [-0.1]], dtype=torch.float64))

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        return self.a[..., None] * x @ y.mT

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        return torch.stack([self.a * (x * y.roll(-shift, 1)).sum(-1) for shift in shifts], 1)


def sigmoid(t: Array) -> Array:
    return 1 / (1 + np.exp(-t))


@pytest.mark.parametrize("kind", ["ridge", "concatenated"])
@pytest.mark.parametrize(
    ("estimator", "slope"),
    [
        # d/da by hand, of joint products u = x y and shuffled ones v: what each training climbs.
        (DonskerVaradhan(), lambda a, u, v: u.mean() - (v * np.exp(a * v)).mean() / np.exp(a * v).mean()),
        (NWJ(), lambda a, u, v: u.mean() - (v * np.exp(a * v)).mean()),
        (TUBA(), lambda a, u, v: u.mean() - (v * np.exp(a * v)).mean()),
        (JSD(), lambda a, u, v: 0.5 * (u * sigmoid(-a * u)).mean() - 0.5 * (v * sigmoid(a * v)).mean()),
        (SMILE(), lambda a, u, v: 0.5 * (u * sigmoid(-a * u)).mean() - 0.5 * (v * sigmoid(a * v)).mean()),
    ],
    ids=lambda value: value.label() if isinstance(value, TrainedCritic) else "",
)
def test_what_training_climbs(
    estimator: TrainedOnPairs, slope: Callable[[float, Array, Array], float], kind: Kind
) -> None:
    critic, estimator = Product(), dataclasses.replace(estimator, critic=kind)
    x, y = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 2, 9, 1)))
    gain, value = estimator.objective(critic, x, y)
    (gradient,) = torch.autograd.grad(gain.sum(), critic.a)
    for replica, a in enumerate((0.3, -0.1)):
        u = (x * y)[replica, :, 0].numpy()
        if kind == "ridge":  # each x with every y but its own
            v = np.outer(x[replica].numpy(), y[replica].numpy())[~np.eye(9, dtype=bool)]
        else:
            v = x[replica, :, 0].numpy() * np.roll(y[replica, :, 0].numpy(), -1)
        assert float(gradient[replica]) == pytest.approx(slope(a, u, v), abs=1e-12)
    assert torch.equal(gain, value)  # the curves show what is climbed


def test_a_baseline_is_a_function_of_x_alone() -> None:
    critic = OfX(perceptron([2, 5, 1], [torch.Generator().manual_seed(seed) for seed in range(3)]))
    x, y = normal(3, 6, 2).float(), normal(3, 7, 1).float()
    every, shifted = critic.all_pairs(x, y), critic.shifted(x, y[:, :6], (0, 2))
    assert (every.shape, shifted.shape) == ((3, 6, 7), (3, 2, 6))
    assert every.std(1).min() > 0.01
    assert torch.equal(every, every[:, :, :1].expand(-1, -1, 7))
    assert torch.equal(shifted, every[:, :, :2].mT)


@pytest.mark.parametrize(
    "estimator", [TUBA(hidden=4), Interpolated(hidden=4), Interpolated(hidden=4, alpha=0.0)], ids=str
)
def test_an_untrained_critic_with_its_baseline_gives_zero_and_both_learn(estimator: TrainedCritic) -> None:
    x, y = (block.float() for block in pairs(64, seed=5))
    network = estimator.network(1, 1, [torch.Generator().manual_seed(0)])
    with torch.no_grad():
        assert abs(estimator.evaluate(network, x, y).value) < 1e-12
        for values in network.parameters():
            values.add_(0.1)
    torch.autograd.backward(estimator.objective(network, x, y)[0].sum())
    assert all(values.grad is not None and values.grad.abs().max() > 0 for values in network.parameters())


def test_smile_says_what_clipping_did() -> None:
    x, y = pairs(2000, seed=6)
    plain = SMILE(tau=math.inf).evaluate(TruePMI(), x, y)
    clipped = SMILE(tau=0.5).evaluate(TruePMI(), x, y)
    assert plain.diagnostics["clipping_effect"] == 0
    assert clipped.value - plain.value == pytest.approx(clipped.diagnostics["clipping_effect"], abs=1e-12)
    assert abs(clipped.diagnostics["clipping_effect"]) > 0.01
    assert clipped.diagnostics["effective_product_pairs"] > plain.diagnostics["effective_product_pairs"]

    class Steep(TruePMI):
        """Six times the pointwise MI: few pairs carry the mean of exp f, and with clipping many."""

        def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
            return 6 * super().shifted(x, y, shifts)

    assert any("carry the mean" in warning for warning in SMILE(tau=math.inf).evaluate(Steep(), x, y).warnings)
    assert not any("carry the mean" in warning for warning in SMILE(tau=0.5).evaluate(Steep(), x, y).warnings)
    with pytest.raises(InputError, match="tau"):
        SMILE(tau=-1.0)


def test_interpolated_says_where_it_cannot_be_trusted() -> None:
    class Sharp(TruePMI):
        """Each point with its own copy."""

        def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
            return 100 - 1e9 * (x - y.mT).square()

    class Heavy(TruePMI):
        """exp(3 x): the few largest x carry its mean."""

        def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
            return (3 * x).expand(-1, -1, y.shape[1])

    x, y = pairs(300, seed=7)
    saturated, _, above = Interpolated(alpha=0.5).evaluate(Sharp(), x, x).warnings
    assert "within 1 nat of log(299 / alpha) = 6.39 nats" in saturated
    assert "above log 300 = 5.70 nats" in above
    (carried,) = Interpolated(alpha=0.0).evaluate(Heavy(), x, y).warnings
    assert "of 300 points carry the mean" in carried
    assert Interpolated(alpha=1.0).evaluate(Heavy(), x, y).warnings == ()


ESTIMATORS: list[TrainedCritic] = [
    DonskerVaradhan(),
    NWJ(),
    TUBA(),
    JSD(),
    SMILE(),
    Interpolated(),
    Interpolated(alpha=0.01),
]


def estimates(estimator: TrainedCritic, samples: list[tuple[Array, Array]]) -> Array:
    """Held-out values of independent samples, trained as one stack."""
    xs, ys = zip(*samples, strict=True)
    contexts = [Context(rng=np.random.default_rng(seed)) for seed in range(len(xs))]
    return np.array([estimate.value for _, estimate in estimator.estimate_batch(xs, ys, contexts)])


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_bivariate_normal(estimator: TrainedCritic) -> None:
    """Within statistics of the mean PMI of 20% of the points, and at most .03 nats short of it."""
    n, replicas = 5000, 4
    x, y = (block.numpy() for block in pairs(n, seed=100, replicas=replicas))
    value = estimates(estimator, list(zip(x, y, strict=True))).mean()
    se = math.sqrt((RHO**2 + 1 / (1 - RHO**2) - 1) / (0.2 * n * replicas))
    assert TRUTH - 0.03 - 4 * se < value < TRUTH + 4 * se


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_independence_is_not_above_zero(estimator: TrainedCritic) -> None:
    rng = np.random.default_rng(0)
    values = estimates(estimator, [(x, y) for x, y in rng.standard_normal((8, 2, 1000, 2))])
    assert values.mean() <= 3 * values.std(ddof=1) / math.sqrt(len(values)) + 1e-9


@pytest.mark.slow
def test_interpolated_ends_train_to_infonce_and_tuba() -> None:
    sample = [(x, y) for x, y in torch.stack(pairs(4000, seed=9, replicas=2), 1).numpy()]
    for end, same in ((Interpolated(alpha=1.0), InfoNCE()), (Interpolated(alpha=0.0), TUBA())):
        assert estimates(end, sample).mean() == pytest.approx(estimates(same, sample).mean(), abs=0.02)
