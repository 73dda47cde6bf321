"""FLO and the classifier's density ratio: analytic values, identities with other bounds, estimates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from mibench.estimators.variational import bounds
from mibench.estimators.variational.critics import Critic
from mibench.estimators.variational.density_ratio import DensityRatio
from mibench.estimators.variational.flo import FLO
from mibench.estimators.variational.trained_critic import TrainedCritic
from mibench.interface import Array, Context

RHO = 0.8
TRUTH = -0.5 * math.log(1 - RHO**2)


def points(n: int, replicas: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    x, noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, replicas, n, 1)))
    return x, RHO * x + math.sqrt(1 - RHO**2) * noise


def correlated(n: int, rho: float, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n, 2))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


class ScaledPMI(Critic):
    """Slope times the pointwise MI of the bivariate normal, plus a constant."""

    def __init__(self, slope: float = 1.0, constant: float = 0.0) -> None:
        super().__init__()
        self.slope, self.constant = slope, constant

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        return self._pmi(x, y.mT)

    def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
        return torch.stack([self._pmi(x, y.roll(-shift, 1))[..., 0] for shift in shifts], 1)

    def _pmi(self, x: Tensor, y: Tensor) -> Tensor:
        quadratic = (RHO * x * y - 0.5 * RHO**2 * (x**2 + y**2)) / (1 - RHO**2)
        return self.constant + self.slope * (TRUTH + quadratic)


def average(values: Tensor) -> tuple[float, float]:
    return float(values.mean()), float(values.std() / math.sqrt(len(values)))


# ---------------------------------------------------------------------------------------------------------------------
# FLO


def test_contrast_equals_a_double_loop() -> None:
    scores = normal(2, 3, 5)
    for replica, matrix in enumerate(scores.numpy()):
        for i, row in enumerate(matrix):
            loop = math.log(sum(math.exp(row[j] - row[i]) for j in range(5) if j != i) / 4)
            assert float(bounds.log_contrast(scores)[replica, i]) == pytest.approx(loop, abs=1e-12)


def test_flo_is_mi_at_the_true_pmi_and_its_dual_whatever_is_added_of_x() -> None:
    """Log E exp(f(x, y') - f(x, y)) = -PMI(x, y), as E exp PMI(x, y') = 1 for every x."""
    K = 16
    x, y = points(K, replicas=4000)
    pmi = ScaledPMI()
    value, se = average(bounds.flo(pmi.all_pairs(x, y), -pmi.pairs(x, y)))
    assert se < 0.02
    assert abs(value - TRUTH) < 4 * se
    shifted = average(bounds.flo(pmi.all_pairs(x, y) + x.sin() - 3, -pmi.pairs(x, y)))
    assert shifted == pytest.approx((value, se), abs=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.5, 0.9])
def test_flo_is_below_mi_for_any_critic_and_dual_with_few_negatives(slope: float) -> None:
    x, y = points(2, replicas=40_000, seed=1)
    critic = ScaledPMI(slope)
    for dual in (-critic.pairs(x, y), torch.zeros_like(x[..., 0]), 0.3 * (x - y).sin()[..., 0]):
        value, se = average(bounds.flo(critic.all_pairs(x, y), dual))
        assert value < TRUTH + 4 * se
    # The exact value for f = 0: 1 - E[u + exp(-u)].
    dual = 0.3 * (x - y).sin()[..., 0]
    assert torch.allclose(bounds.flo(torch.zeros(40_000, 2, 2), dual), 1 - (dual + (-dual).exp()).mean(-1))


def test_the_best_dual_gives_minus_the_log_contrast_and_none_is_better() -> None:
    scores = normal(3, 6, 6)
    best = bounds.log_contrast(scores)
    assert torch.allclose(bounds.flo(scores, best), -best.mean(-1), atol=1e-12)
    assert (bounds.flo(scores, best + 0.1 * normal(3, 6, seed=1)) < -best.mean(-1)).all()


def test_flo_with_a_baseline_as_dual_is_tuba() -> None:
    scores, log_baseline = normal(3, 6, 6), normal(3, 6, seed=1)
    dual = log_baseline - scores.diagonal(dim1=-2, dim2=-1)
    assert torch.allclose(bounds.flo(scores, dual), bounds.tuba(scores, log_baseline), atol=1e-12)


def test_gradient_of_flo() -> None:
    arguments = normal(2, 4, 4).requires_grad_(), normal(2, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(bounds.flo, arguments)


def test_untrained_flo_is_exactly_zero_and_both_networks_learn() -> None:
    """The dual is best at 0 while the critic is constant, and learns as soon as it is not."""
    flo, generators = FLO(hidden=8, embedding=4), [torch.Generator().manual_seed(seed) for seed in range(2)]
    network = flo.network(1, 1, generators).double()
    x, y = points(20, replicas=2)
    gain, value = flo.objective(network, x, y)
    assert torch.equal(value, torch.zeros(2).double())
    torch.autograd.backward(gain.sum())
    with torch.no_grad():
        for weights in network.parameters():
            if weights.grad is not None:
                weights.add_(0.1 * weights.grad)
    torch.autograd.backward(flo.objective(network, x, y)[0].sum())
    learning = {
        name.partition(".")[0]
        for name, weights in network.named_parameters()
        if weights.grad is not None and weights.grad.any()
    }
    assert "dual" in learning
    assert len(learning) > 1


def test_flo_held_out_in_groups_is_mi_with_terms_that_are_all_one() -> None:
    class Minus(ScaledPMI):
        def shifted(self, x: Tensor, y: Tensor, shifts: Sequence[int]) -> Tensor:
            return -super().shifted(x, y, shifts)

    critic = ScaledPMI()
    critic.add_module("dual", Minus())
    x, y = points(6000, seed=3)
    for negatives, used in ((10_000, 5999), (500, 499)):
        estimate = FLO(negatives=negatives).evaluate(critic, x, y)
        # Var PMI = rho^2 of the joint part; the terms have mean 1 over y for every x and vary little.
        assert estimate.value == pytest.approx(TRUTH, abs=4 * RHO / math.sqrt(6000) + 0.01)
        assert estimate.diagnostics["negatives"] == used
        assert estimate.diagnostics["effective_points"] > 5500
        assert estimate.warnings == ()
    critic.add_module("dual", ScaledPMI(slope=-4.0))
    assert "points carry the mean" in FLO().evaluate(critic, x, y).warnings[0]


# ---------------------------------------------------------------------------------------------------------------------
# Density ratio


def test_density_ratio_is_mi_at_the_true_pmi_and_no_bound_beside_it() -> None:
    x, y = points(20_000, seed=4)
    exact, raised = (DensityRatio().evaluate(ScaledPMI(constant=constant), x, y) for constant in (0.0, 0.5))
    assert exact.value == pytest.approx(TRUTH, abs=4 * RHO / math.sqrt(20_000))  # Var PMI = rho^2
    assert exact.diagnostics["log_mean_ratio"] == pytest.approx(0, abs=0.05)
    assert exact.bound == "none"
    assert exact.warnings == ()
    assert raised.value == pytest.approx(exact.value + 0.5)
    assert raised.diagnostics["log_mean_ratio"] == pytest.approx(exact.diagnostics["log_mean_ratio"] + 0.5)
    assert raised.diagnostics["donsker_varadhan"] == pytest.approx(exact.diagnostics["donsker_varadhan"])
    assert raised.diagnostics["nwj"] < exact.diagnostics["nwj"]
    for found in (exact, raised):  # 1 + E f - E exp f, of the mean ratio E exp f
        mean_ratio = math.exp(found.diagnostics["log_mean_ratio"])
        assert found.diagnostics["nwj"] == pytest.approx(1 + found.value - mean_ratio)
    assert "mean over product pairs is 1.6, of a calibrated classifier it is 1" in raised.warnings[0]
    (lowered,) = DensityRatio().evaluate(ScaledPMI(constant=-0.5), x, y).warnings
    assert "mean over product pairs is 0.6" in lowered


def test_density_ratio_climbs_to_calibrated_log_odds() -> None:
    """Logistic regression on f = a PMI + b, with many points: a = 1 and b = 0."""
    x, y = points(100_000, seed=5)
    joint, product = ScaledPMI().shifted(x, y, (0, 1)).unbind(1)

    def loss(line: Array) -> tuple[float, Array]:
        slope, offset = weights = torch.tensor(line, requires_grad=True)
        cost = -DensityRatio().gain(slope * joint + offset, slope * product + offset).sum()
        (gradient,) = torch.autograd.grad(cost, weights)
        return float(cost.detach()), gradient.numpy()

    slope, offset = minimize(loss, [0.2, 0.5], jac=True).x
    assert slope == pytest.approx(1, abs=0.05)
    assert offset == pytest.approx(0, abs=0.03)


# ---------------------------------------------------------------------------------------------------------------------
# Estimates


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [FLO(), FLO(critic="concatenated", hidden=32, batch_size=64), DensityRatio()])
def test_two_pairs_of_normal_variables(estimator: TrainedCritic) -> None:
    n, seeds = 5000, 4
    data = [correlated(n, RHO, 100 + seed) for seed in range(seeds)]
    contexts = [Context(rng=np.random.default_rng(seed)) for seed in range(seeds)]
    found = estimator.estimate_batch([x for x, _ in data], [y for _, y in data], contexts)
    se = RHO * math.sqrt(2 / (0.2 * n * seeds))
    assert 2 * TRUTH - 0.06 - 4 * se < np.mean([estimate.value for _, estimate in found]) < 2 * TRUTH + 4 * se


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [FLO(), DensityRatio()], ids=str)
def test_independence_is_not_above_zero(estimator: TrainedCritic) -> None:
    data = [correlated(1000, 0.0, seed) for seed in range(8)]
    contexts = [Context(rng=np.random.default_rng(seed)) for seed in range(8)]
    found = estimator.estimate_batch([x for x, _ in data], [y for _, y in data], contexts)
    values = [estimate.value for _, estimate in found]
    assert np.mean(values) <= 3 * np.std(values, ddof=1) / math.sqrt(len(values)) + 1e-9
