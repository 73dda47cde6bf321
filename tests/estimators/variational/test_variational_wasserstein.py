"""The Wasserstein dependency measure: slopes of its critics, and distances known by transport on few points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance_nd
from torch import Tensor, nn

from mibench.estimators.variational.critics import LipschitzCritic
from mibench.estimators.variational.wasserstein import Wasserstein, slopes
from mibench.interface import Array, Context, Estimate, InputError
from mibench.training.networks import Activation, MaxMin, StackedLinear

SMALL: dict[str, Any] = {"hidden": 8, "max_steps": 60, "validate_every": 20}


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# ---------------------------------------------------------------------------------------------------------------------
# Slopes


def test_maxmin_sorts_pairs_and_keeps_the_length_of_gradients() -> None:
    values = normal(2, 3, 7).requires_grad_()
    made = MaxMin()(values)
    pairs = values.detach().numpy()[..., :6].reshape(2, 3, 2, 3)
    assert np.array_equal(made.detach()[..., :3], pairs.max(-2))
    assert np.array_equal(made.detach()[..., 3:6], pairs.min(-2))
    assert torch.equal(made[..., 6], values[..., 6])
    upstream = normal(2, 3, 7, seed=1)
    (gradient,) = torch.autograd.grad(made, values, upstream)
    assert torch.allclose(gradient.norm(dim=-1), upstream.norm(dim=-1))


@pytest.mark.parametrize("activation", ["maxmin", "softplus", "relu", "tanh"])
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_no_slope_exceeds_one_in_the_joint_distance(activation: Activation, layers: int) -> None:
    """Also where x and y enter the first layer in the same direction: normalised apart, they would give sqrt(2)."""
    critic = LipschitzCritic(2, 2, generators(2), hidden=6, layers=layers, activation=activation).double().eval()
    with torch.no_grad():
        for weights in critic.parameters():
            weights.copy_(10 * normal(*weights.shape, seed=weights.shape[1]))
        first = next(module for module in critic.modules() if isinstance(module, StackedLinear))
        first.weight[:, 2:] = first.weight[:, :2]
    x, y = (3 * normal(2, 2000, 2, seed=seed) for seed in (1, 2))
    found = slopes(critic, x, y, 1).detach()
    assert found.max() <= 1 + 1e-9
    assert layers > 0 or torch.allclose(found, torch.ones_like(found))
    with torch.no_grad():
        distance = ((x - x.roll(1, 1)).square().sum(-1) + (y - y.roll(1, 1)).square().sum(-1)).sqrt()
        change = (critic.pairs(x, y) - critic.pairs(x.roll(1, 1), y.roll(1, 1))).abs()
        assert (change <= distance + 1e-9).all()


def test_scores_of_all_and_of_shifted_pairs_agree() -> None:
    critic = LipschitzCritic(3, 2, generators(2), hidden=6, layers=2, activation="maxmin").double().eval()
    with torch.no_grad():
        for weights in critic.parameters():
            weights.copy_(normal(*weights.shape))
        x, y = normal(2, 5, 3), normal(2, 5, 2, seed=1)
        every, shifted = critic.all_pairs(x, y), critic.shifted(x, y, (0, 2))
        expected = torch.stack([torch.stack([every[:, i, (i + s) % 5] for i in range(5)], 1) for s in (0, 2)], 1)
        assert torch.allclose(shifted, expected, atol=1e-12)
        assert every.std() > 0.01


def test_power_iteration_follows_a_layer_that_starts_at_zero() -> None:
    layer = StackedLinear(6, 4, generators(3), zero=True, spectral=True).double()
    x = normal(3, 5, 6)
    layer(x)
    with torch.no_grad():
        layer.weight.copy_(5 * normal(3, 6, 4))
        for _ in range(200):
            followed = layer(x)
        assert torch.allclose(followed, layer.eval()(x), rtol=1e-6)


def test_slopes_are_gradients_on_lines_between_joint_and_product_pairs() -> None:
    class Quadratic(LipschitzCritic):
        def __init__(self) -> None:
            nn.Module.__init__(self)

        def _scores(self, x: Tensor, y: Tensor) -> Tensor:
            return 0.5 * x.square().sum(-1) + 2 * y.square().sum(-1)

    x, y = normal(2, 9, 2), normal(2, 9, 3, seed=1)
    places = np.linspace(0, 1, 9)[:, None]
    between = (1 - places) * y.numpy() + places * np.roll(y.numpy(), -4, axis=1)
    expected = np.sqrt((x.numpy() ** 2).sum(-1) + (16 * between**2).sum(-1))
    assert slopes(Quadratic(), x, y, 4).detach().numpy() == pytest.approx(expected, abs=1e-9)


class Line(LipschitzCritic):
    """f(x, y) = slope (x + y) / sqrt(2) plus a quarter of (x - y)^2, or without."""

    def __init__(self, slope: float, bend: float = 0.0) -> None:
        nn.Module.__init__(self)
        self.slope, self.bend, self.numbers_per_pair = slope, bend, 1

    def _scores(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.slope * (x + y) / math.sqrt(2) + self.bend * (x - y).square() / 4).sum(-1)


@pytest.mark.parametrize("slope", [0.5, 2.0])
def test_what_exceeds_slope_one_is_penalised_and_what_stays_below_is_not_raised(slope: float) -> None:
    x = normal(1, 40, 1)
    y = x + 0.3 * normal(1, 40, 1, seed=1)
    penalised, spectral = Wasserstein(lipschitz="penalty", penalty=7.0), Wasserstein()
    gain, value = penalised.objective(Line(slope), x, y)
    assert torch.equal(value, spectral.objective(Line(slope), x, y)[0])
    assert float((gain - value).detach()) == pytest.approx(-7 * max(slope - 1, 0) ** 2, abs=1e-9)
    bent = [one.evaluate(Line(slope, bend=-0.01), x, y) for one in (spectral, penalised)]
    assert bent[0].value > 0
    steepest = bent[1].diagnostics["largest_slope"]
    assert slope < steepest < slope + 0.01
    assert bent[1].value == pytest.approx(bent[0].value / max(steepest, 1))


# ---------------------------------------------------------------------------------------------------------------------
# Distances


def estimates(estimator: Wasserstein, data: list[tuple[Array, Array]]) -> list[Estimate]:
    contexts = [Context(rng=np.random.default_rng(seed)) for seed in range(len(data))]
    found = dict(estimator.estimate_batch([x for x, _ in data], [y for _, y in data], contexts))
    return [found[index] for index in range(len(data))]


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [Wasserstein(), Wasserstein(lipschitz="penalty")], ids=str)
@pytest.mark.parametrize(
    ("support", "table"),
    [
        ([-3.0, 3.0], [[0.5, 0.0], [0.0, 0.5]]),  # by hand: a quarter of the mass moves by 6 at either end, W_1 = 3
        ([0.0, 1.0, 2.5], [[0.3, 0.05, 0.0], [0.05, 0.1, 0.1], [0.0, 0.1, 0.3]]),
    ],
)
def test_distances_known_by_transport(estimator: Wasserstein, support: list[float], table: list[list[float]]) -> None:
    """Below W_1 by linear programming beyond statistics, and less than 8% short of it."""
    probability, values = np.array(table), np.array(support)
    grid = np.array([(a, b) for a in values for b in values])
    product = np.outer(probability.sum(1), probability.sum(0))
    truth = wasserstein_distance_nd(grid, grid, probability.ravel(), product.ravel())
    if len(support) == 2:
        assert truth == pytest.approx(3)
    n, seeds, rng = 5000, 3, np.random.default_rng(100)
    data = [np.hsplit(grid[rng.choice(len(grid), n, p=probability.ravel())], 2) for _ in range(seeds)]
    found = [one.value for one in estimates(estimator, [(x, y) for x, y in data])]
    # f varies by at most the length of the diagonal, its standard deviation by half of that.
    se = math.sqrt(2) * np.ptp(values) / 2 * math.sqrt(2 / (0.2 * n * seeds))
    assert 0.92 * truth - 4 * se < np.mean(found) < truth + 4 * se


@pytest.mark.slow
def test_normal_variables_are_below_the_distance_of_second_order_and_independent_ones_at_zero() -> None:
    """W_1 <= W_2, for a pair of normal variables W_2^2 = 4 - 2 (sqrt(1 + r) + sqrt(1 - r)); W_1 >= E|u| - E|u'|."""
    rng, r = np.random.default_rng(100), 0.9
    x, noise = rng.standard_normal((2, 3, 5000, 1))
    y = r * x + math.sqrt(1 - r**2) * noise
    found = [one.value for one in estimates(Wasserstein(), list(zip(x, y, strict=True)))]
    upper = math.sqrt(4 - 2 * (math.sqrt(1 + r) + math.sqrt(1 - r)))
    shrinking = (1 - math.sqrt(1 - r)) * math.sqrt(2 / math.pi)  # f = -|x - y| / sqrt(2)
    assert shrinking < np.mean(found) < upper
    independent = [one.value for one in estimates(Wasserstein(), list(zip(x, noise, strict=True)))]
    assert np.mean(independent) <= 3 * np.std(independent, ddof=1) / math.sqrt(3) + 1e-9


def test_the_distance_is_in_the_units_of_the_data() -> None:
    x = np.random.default_rng(0).standard_normal((200, 2))
    y = x[:, :1] + 0.1 * np.random.default_rng(1).standard_normal((200, 1))
    (plain,) = estimates(Wasserstein(**SMALL), [(x, y)])
    (large,) = estimates(Wasserstein(**SMALL), [(1024 * x, 1024 * y)])
    assert plain.value > 0
    assert large.value == 1024 * plain.value
    for name in ("validation_value", "training_value"):
        assert large.diagnostics[name] == 1024 * plain.diagnostics[name]
    for name in ("training_curve", "validation_curve"):
        expected = [[step, 1024 * value] for step, value in plain.diagnostics[name]]
        assert large.diagnostics[name] == expected
    (folds,) = estimates(Wasserstein(**SMALL, folds=2), [(1024 * x, 1024 * y)])
    assert np.mean(folds.diagnostics["fold_values"]) == pytest.approx(folds.value)
    (standard,) = estimates(Wasserstein(**SMALL, margins="standard"), [(1024 * x, 1024 * y)])
    assert standard.diagnostics["scale"] == 1
    assert standard.value < 10


def test_only_a_bounded_slope_makes_a_bound() -> None:
    assert Wasserstein().bound == "lower"
    assert Wasserstein(lipschitz="penalty").bound == "none"
    with pytest.raises(InputError, match="silu has slopes above 1"):
        Wasserstein(activation="silu")
    x = np.random.default_rng(0).standard_normal((400, 1))
    (loose,) = estimates(Wasserstein(lipschitz="penalty", penalty=0.0, hidden=16, max_steps=200), [(x, x)])
    assert loose.diagnostics["largest_slope"] > 2
    assert loose.value < math.sqrt(4 - 2 * math.sqrt(2))  # W_2 of a pair with correlation 1
