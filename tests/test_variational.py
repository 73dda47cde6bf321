"""The variational estimators: bounds against analytic values, critics against loops, the protocol against leaks."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from mibench.estimators.variational.critics import ConcatenatedCritic, Critic, SeparableCritic
from mibench.estimators.variational.infonce import InfoNCE, held_out_infonce, infonce_bound
from mibench.estimators.variational.mine import MINE, CorrectedGradient, donsker_varadhan, product_scores
from mibench.estimators.variational.trained import TrainedCritic, encode, split
from mibench.estimators.variational.training import Schedule, shuffled_batches, train
from mibench.interface import Array, Context, Estimate, InputError

RHO = 0.8
TRUTH = -0.5 * math.log(1 - RHO**2)
SMALL: dict[str, Any] = {"hidden": 8, "embedding": 4, "max_steps": 60, "validate_every": 20}


def correlated(n: int, rho: float, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n, 1))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def tensors(n: int, rho: float, seed: int) -> tuple[Tensor, Tensor]:
    x, y = correlated(n, rho, seed)
    return torch.from_numpy(x), torch.from_numpy(y)


class TruePMI(Critic):
    """The pointwise MI of the bivariate normal, plus a constant."""

    def __init__(self, constant: float = 0.0) -> None:
        super().__init__()
        self.constant, self.numbers_per_pair = constant, 1

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        return self._pmi(x, y.T)

    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        return self._pmi(x, y)[:, 0]

    def _pmi(self, x: Tensor, y: Tensor) -> Tensor:
        quadratic = (RHO * x * y - 0.5 * RHO**2 * (x**2 + y**2)) / (1 - RHO**2)
        return self.constant + TRUTH + quadratic


def random_critic(kind: str, layers: int = 2) -> SeparableCritic | ConcatenatedCritic:
    """A critic in float64 whose last layer is not zero."""
    generator = torch.Generator().manual_seed(3)
    critic = (
        SeparableCritic(3, 2, 7, layers, 5, generator=generator)
        if kind == "separable"
        else ConcatenatedCritic(3, 2, 7, layers, generator=generator)
    ).double()
    with torch.no_grad():
        for values in critic.parameters():
            values.uniform_(-1, 1, generator=generator)
    return critic


# ---------------------------------------------------------------------------------------------------------------------
# Bounds


def test_infonce_with_the_true_critic_has_its_theoretical_expectation() -> None:
    """E = MI - E log(mean over K), by an independent plain Monte Carlo in numpy; below log K and below MI."""
    K, repeats = 8, 20_000
    rng = np.random.default_rng(0)
    x = rng.standard_normal(repeats)
    y = rng.standard_normal((repeats, K))
    y[:, 0] = RHO * x + math.sqrt(1 - RHO**2) * y[:, 0]
    log_ratio = -0.5 * (y - RHO * x[:, None]) ** 2 / (1 - RHO**2) - 0.5 * math.log(1 - RHO**2) + 0.5 * y**2
    expected = log_ratio[:, 0] - np.log(np.exp(log_ratio).mean(axis=1))

    points = tensors(K * repeats, RHO, seed=1)
    scores = torch.stack(
        [TruePMI().all_pairs(a, b) for a, b in zip(*(p.reshape(repeats, K, 1) for p in points), strict=True)]
    )
    values = infonce_bound(scores).numpy()
    difference_se = math.hypot(values.std() / math.sqrt(repeats), expected.std() / math.sqrt(repeats))
    assert abs(values.mean() - expected.mean()) < 4 * difference_se
    assert values.max() <= math.log(K)
    assert values.mean() < TRUTH - 4 * difference_se


def test_infonce_tends_to_mi_with_many_negatives_and_to_log_k_with_few() -> None:
    x, y = tensors(4000, RHO, seed=2)
    pmi_se = RHO / math.sqrt(len(x))  # Var PMI = rho^2
    value, negatives = held_out_infonce(TruePMI(), x, y, negatives=4000)
    assert negatives == 4000
    assert abs(value - TRUTH) < 4 * pmi_se
    points = torch.arange(6.0)[:, None]
    sharp = -1e3 * (points - points.T).square()
    assert float(infonce_bound(sharp)) == pytest.approx(math.log(6))


def test_donsker_varadhan_with_the_true_critic_is_mi_whatever_its_constant() -> None:
    x, y = tensors(20_000, RHO, seed=3)
    values = [
        float(donsker_varadhan(critic.pairs(x, y), product_scores(critic, x, y, shuffles=20)))
        for critic in (TruePMI(), TruePMI(constant=700.0))  # exp(700) is the edge of float64
    ]
    # Joint part: variance rho^2; product part: Var exp(pmi) = 1 / (1 - rho^2) - 1 per point at most.
    se = math.sqrt((RHO**2 + 1 / (1 - RHO**2) - 1) / len(x))
    assert values[0] == pytest.approx(TRUTH, abs=4 * se)
    assert values[1] == pytest.approx(values[0], abs=1e-9)


@pytest.mark.parametrize("kind", ["separable", "concatenated"])
def test_an_untrained_critic_is_constant_and_gives_exactly_zero(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    critic: Critic = (
        SeparableCritic(1, 1, 8, 2, 4, generator=generator)
        if kind == "separable"
        else ConcatenatedCritic(1, 1, 8, 2, generator=generator)
    ).double()
    x, y = tensors(64, RHO, seed=4)
    with torch.no_grad():
        assert float(infonce_bound(critic.all_pairs(x, y))) == pytest.approx(0.0, abs=1e-14)
        assert float(donsker_varadhan(critic.pairs(x, y), product_scores(critic, x, y, 3))) == pytest.approx(
            0, abs=1e-14
        )


@pytest.mark.parametrize("n", [60, 61])
def test_evaluation_in_blocks_and_groups_equals_plain_sums(n: int) -> None:
    x, y = tensors(n, RHO, seed=5)
    scores = TruePMI().all_pairs(x, y).numpy()
    whole = np.mean([scores[i, i] - np.log(np.mean(np.exp(scores[i]))) for i in range(n)])
    for at_once in (1, 7 * n, 10**6):
        value, negatives = held_out_infonce(TruePMI(), x, y, negatives=n, at_once=at_once)
        assert negatives == n
        assert value == pytest.approx(whole, abs=1e-12)
    value, negatives = held_out_infonce(TruePMI(), x, y, negatives=25)
    groups = np.array_split(np.arange(n), 3)
    by_group = [scores[i, i] - np.log(np.mean(np.exp(scores[i, group]))) for group in groups for i in group]
    assert negatives == 20
    assert value == pytest.approx(np.mean(by_group), abs=1e-12)


def test_product_pairs_never_join_a_point_with_its_own_partner() -> None:
    class Difference(TruePMI):
        def pairs(self, x: Tensor, y: Tensor) -> Tensor:
            return (x - y)[:, 0]

    rows = torch.arange(7.0)[:, None]
    differences = product_scores(Difference(), rows, rows, shuffles=100)
    assert sorted(differences.tolist()) == sorted(float(i - j) for i in range(7) for j in range(7) if i != j)


# ---------------------------------------------------------------------------------------------------------------------
# Critics


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_separable_scores_equal_a_double_loop(layers: int) -> None:
    critic = random_critic("separable", layers)
    assert isinstance(critic, SeparableCritic)
    x, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).double(), torch.eye(5, 2).double()
    with torch.no_grad():
        loop = [[float(torch.dot(critic.embed_x(a), critic.embed_y(b))) for b in y] for a in x]
        assert torch.allclose(critic.all_pairs(x, y), torch.tensor(loop, dtype=torch.float64), atol=1e-12)
        assert torch.allclose(critic.pairs(x, y[:4]), torch.tensor(loop, dtype=torch.float64).diagonal(), atol=1e-12)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_concatenated_scores_equal_plain_concatenation(layers: int) -> None:
    critic = random_critic("concatenated", layers)
    assert isinstance(critic, ConcatenatedCritic)
    x, y = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).double(), torch.eye(5, 2).double()
    linear = [layer for layer in critic.modules() if isinstance(layer, torch.nn.Linear)]
    assert len(linear) == layers + 1

    def plain(a: Tensor, b: Tensor) -> float:
        value = torch.cat([a, b])
        for layer in linear[:-1]:
            value = torch.log1p(torch.exp(2 * (layer.weight @ value + layer.bias))) / 2
        return float((linear[-1].weight @ value + linear[-1].bias)[0])

    with torch.no_grad():
        loop = torch.tensor([[plain(a, b) for b in y] for a in x], dtype=torch.float64)
        assert torch.allclose(critic.all_pairs(x, y), loop, atol=1e-12)
        assert torch.allclose(critic.pairs(x, y[:4]), loop.diagonal(), atol=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# Training


def test_mine_gradient_divides_by_the_moving_average() -> None:
    """For f = a x y by hand: d/da = mean_joint xy - mean_product xy exp(a xy) / mu."""

    class Product(TruePMI):
        def __init__(self) -> None:
            super().__init__()
            self.a = torch.nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

        def pairs(self, x: Tensor, y: Tensor) -> Tensor:
            return self.a * (x * y)[:, 0]

    critic, objective, rate, average = Product(), CorrectedGradient(0.25), 0.25, None
    for seed in range(3):
        x, y = tensors(4, RHO, seed)
        joint = (x * y)[:, 0].numpy()
        product = x[:, 0].numpy() * np.roll(y[:, 0].numpy(), 1)
        weights = np.exp(0.3 * product)
        average = weights.mean() if average is None else (1 - rate) * average + rate * weights.mean()
        gain, value = objective(critic, x, y)
        (gradient,) = torch.autograd.grad(gain, critic.a)
        assert float(gradient) == pytest.approx(joint.mean() - (product * weights).mean() / average, abs=1e-12)
        assert float(value) == pytest.approx(0.3 * joint.mean() - math.log(weights.mean()), abs=1e-12)


def test_without_moving_average_mine_follows_the_plain_gradient() -> None:
    critic = random_critic("concatenated")
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(9, 3, generator=generator).double(), torch.randn(9, 2, generator=generator).double()
    objective = CorrectedGradient(rate=1.0)
    objective(critic, y.roll(1, 0)[:, [0, 0, 1]], y)  # leaves no trace
    corrected = torch.autograd.grad(objective(critic, x, y)[0], list(critic.parameters()))
    plain = donsker_varadhan(critic.pairs(x, y), product_scores(critic, x, y, shuffles=1))
    for a, b in zip(corrected, torch.autograd.grad(plain, list(critic.parameters())), strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def fit_small(max_steps: int = 200, patience: int = 100, learning_rate: float = 0.05) -> tuple[Critic, list[float]]:
    """Train on few points so that validation turns; return the critic and every validation value."""
    generator = torch.Generator().manual_seed(0)
    critic = SeparableCritic(1, 1, 16, 2, 4, generator=generator).double()
    values: list[float] = []

    def bound(critic: Critic, x: Tensor, y: Tensor) -> float:
        with torch.no_grad():
            values.append(float(infonce_bound(critic.all_pairs(x, y))))
        return values[-1]

    fit = train(
        critic,
        InfoNCE().objective(),
        bound,
        tensors(32, RHO, 0),
        tensors(64, RHO, 1),
        schedule=Schedule(16, learning_rate, 0.0, 0.5, max_steps, 5, patience),
        generator=generator,
    )
    assert [value for _, value in fit.validation] == values
    assert [step for step, _ in fit.validation] == [0] + [step for step, _ in fit.training]
    assert dict(fit.validation)[fit.best_step] == max(values)
    return fit.critic, values


def test_the_weights_that_were_best_on_validation_are_restored() -> None:
    critic, values = fit_small()
    assert 0 < np.argmax(values) < len(values) - 1, "the case must overfit to mean anything"
    with torch.no_grad():
        assert float(infonce_bound(critic.all_pairs(*tensors(64, RHO, 1)))) == max(values)


def test_patience_ends_the_training() -> None:
    _, values = fit_small(max_steps=10_000, patience=4)
    assert len(values) == int(np.argmax(values)) + 1 + 4


def test_divergence_is_reported_and_the_last_good_weights_kept() -> None:
    x, y = correlated(200, RHO, 0)
    estimate = InfoNCE(**SMALL, learning_rate=1e30).estimate(x, y, Context(rng=np.random.default_rng(0)))
    assert estimate.diagnostics["ended"] == "diverged"
    assert math.isfinite(estimate.value)
    assert any("diverged" in warning for warning in estimate.warnings)


def test_batches_pass_over_all_rows_before_any_comes_again() -> None:
    batches = shuffled_batches(12, 5, torch.Generator().manual_seed(0), torch.device("cpu"))
    passes = [torch.cat([next(batches), next(batches)]).tolist() for _ in range(3)]
    assert all(len(set(rows)) == 10 and set(rows) <= set(range(12)) for rows in passes)
    assert passes[0] != passes[1]


# ---------------------------------------------------------------------------------------------------------------------
# The protocol


def test_parts_are_disjoint_and_cover_all_rows() -> None:
    for n in (50, 101, 10_000):
        training, validation, evaluation = split(n, 0.2, 0.3, np.random.default_rng(n))
        assert sorted([*training, *validation, *evaluation]) == list(range(n))
        assert (len(validation), len(evaluation)) == (round(0.2 * n), round(0.3 * n))


class Recorder(InfoNCE):
    """InfoNCE that keeps the points each stage was given."""

    seen: dict[str, list[Tensor]] = {"validate": [], "evaluate": []}  # noqa: RUF012

    def validate(self, critic: Critic, x: Tensor, y: Tensor) -> float:
        self.seen["validate"].append(x)
        return super().validate(critic, x, y)

    def evaluate(self, critic: Critic, x: Tensor, y: Tensor) -> Estimate:
        self.seen["evaluate"].append(x)
        return super().evaluate(critic, x, y)


def test_the_reported_points_are_neither_trained_nor_selected_on() -> None:
    x, y = correlated(300, RHO, 0)
    Recorder(**SMALL).estimate(x, y, Context(rng=np.random.default_rng(0)))
    *during, training = (set(points[:, 0].tolist()) for points in Recorder.seen["validate"])
    (evaluation,) = (set(points[:, 0].tolist()) for points in Recorder.seen["evaluate"])
    assert all(points == during[0] for points in during)
    assert [len(training), len(during[0]), len(evaluation)] == [180, 60, 60]
    assert not evaluation & training
    assert not evaluation & during[0]


@pytest.mark.parametrize("margins", ["standard", "normal"])
def test_held_out_rows_do_not_shape_the_encoding(margins: Literal["standard", "normal"]) -> None:
    rng = np.random.default_rng(0)
    block, changed = rng.standard_normal((2, 100, 2))
    training = np.arange(60)
    changed[:60] = block[:60]
    first, second = (encode(b, None, training, margins) for b in (block, changed))
    assert np.array_equal(first[:60], second[:60])
    assert not np.array_equal(first[60:], second[60:])
    assert np.abs(first[:60].mean(axis=0)).max() < 1e-6
    if margins == "standard":
        assert first[:60].std(axis=0) == pytest.approx(1, abs=1e-5)
    else:
        assert np.array_equal(first, encode(np.exp(block), None, training, "normal"))


def test_labels_become_one_indicator_per_level() -> None:
    labels = np.array([2.0, 7.0, 2.0, 5.0, 7.0, 2.0, 9.0])[:, None]
    codes = encode(labels, (True,), np.arange(6), "standard")
    assert codes.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]
    many = np.arange(200.0)[:, None]
    assert encode(many, (True,), np.arange(200), "standard").shape == (200, 65)


@pytest.mark.parametrize(
    "estimator", [InfoNCE(**SMALL), InfoNCE(**SMALL, critic="concatenated"), MINE(**SMALL)], ids=str
)
def test_the_seed_decides_and_nothing_global_changes(estimator: TrainedCritic) -> None:
    x, y = correlated(300, RHO, 0)
    copies, numpy_state, torch_state = (x.copy(), y.copy()), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    torch_threads = torch.get_num_threads()
    values = [
        estimator.estimate(x, y, Context(rng=np.random.default_rng(seed), threads=threads)).value
        for seed, threads in ((1, 1), (1, 1), (2, 2))
    ]
    assert values[0] == values[1] != values[2]
    np.testing.assert_equal(np.random.get_state(), numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert torch.get_num_threads() == torch_threads
    assert np.array_equal(x, copies[0])
    assert np.array_equal(y, copies[1])


def test_global_torch_seed_does_not_matter() -> None:
    x, y = correlated(300, RHO, 0)
    values = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            values.append(InfoNCE(**SMALL).estimate(x, y, Context(rng=np.random.default_rng(0))).value)
    assert values[0] == values[1]


def test_warnings_name_saturation_domination_and_a_budget_too_small() -> None:
    x = np.random.default_rng(0).standard_normal((400, 1))
    context = Context(rng=np.random.default_rng(0))
    (warning,) = InfoNCE(negatives=2).estimate(x, x.copy(), context).warnings[:1]
    assert "ceiling log 2 = 0.69" in warning
    (warning,) = InfoNCE(**SMALL).estimate(x, x.copy(), context).warnings
    assert "not converged after max_steps = 60" in warning
    x, y = torch.zeros(2, 50, 1, dtype=torch.float64)
    x[0] = y[1] = 30.0  # one product pair outweighs all others
    assert any("about 1 of 2450 product pairs carry" in w for w in MINE().evaluate(TruePMI(), x, y).warnings)


def test_what_cannot_be_split_or_trained_is_refused() -> None:
    assert "at least 50 points" in str(InfoNCE().unsupported(49, 1, 1, (False,), (False,)))
    assert InfoNCE().unsupported(50, 1, 1, (False,), (True,)) is None
    with pytest.raises(InputError, match=r"at most 0\.9"):
        MINE(validation=0.5, evaluation=0.5)


@pytest.mark.parametrize("estimator", [InfoNCE(), MINE()], ids=str)
def test_curves_are_short_and_the_smallest_sample_works(estimator: TrainedCritic) -> None:
    x, y = correlated(50, RHO, 0)
    tiny = estimator.with_parameters(validate_every=1, patience=1000, max_steps=450, hidden=4)
    estimate = tiny.estimate(x, y, Context(rng=np.random.default_rng(0)))
    assert math.isfinite(estimate.value)
    assert estimate.bound == "lower"
    assert len(estimate.diagnostics["training_curve"]) <= 200
    assert len(estimate.diagnostics["validation_curve"]) <= 200


# ---------------------------------------------------------------------------------------------------------------------
# Estimates


ESTIMATORS = [InfoNCE(), InfoNCE(critic="concatenated", hidden=32, batch_size=64), MINE(), MINE(critic="separable")]


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_bivariate_normal(estimator: TrainedCritic) -> None:
    """Within statistics of the mean PMI of 20% of the points, and at most .03 nats short of it."""
    n, seeds = 5000, 4
    data = [correlated(n, RHO, 100 + seed) for seed in range(seeds)]
    values = [estimator.estimate(x, y, Context(rng=np.random.default_rng(s))).value for s, (x, y) in enumerate(data)]
    se = RHO / math.sqrt(0.2 * n * seeds)
    assert TRUTH - 0.03 - 4 * se < np.mean(values) < TRUTH + 4 * se


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_independence_is_not_above_zero(estimator: TrainedCritic) -> None:
    rng = np.random.default_rng(0)
    values = [
        estimator.estimate(x, y, Context(rng=np.random.default_rng(seed))).value
        for seed, (x, y) in enumerate(rng.standard_normal((8, 2, 1000, 2)))
    ]
    assert np.mean(values) <= 3 * np.std(values, ddof=1) / math.sqrt(len(values)) + 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [InfoNCE(), MINE()], ids=str)
def test_labels_of_a_noisy_channel(estimator: TrainedCritic) -> None:
    """X uniform on 4 labels with scrambled codes, Y = X with probability 0.9: I = H(Y) - H(Y | X), exactly."""
    rng = np.random.default_rng(0)
    n, keep = 4000, 0.9
    truth = math.log(4) + keep * math.log(keep) + (1 - keep) * math.log((1 - keep) / 3)
    names = np.array([3.0, 11.0, -5.0, 0.5])
    x = rng.integers(0, 4, n)
    y = np.where(rng.random(n) < keep, x, (x + rng.integers(1, 4, n)) % 4)
    context = Context(rng=rng, x_discrete=(True,), y_discrete=(True,))
    value = estimator.estimate(names[x][:, None], names[y[:, None]], context).value
    se = math.sqrt(keep * (1 - keep)) * math.log(keep * 3 / (1 - keep)) / math.sqrt(0.2 * n)
    assert value == pytest.approx(truth, abs=4 * se + 0.02)


def test_heavy_tails_are_pointed_out_unless_the_margins_are_normal() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_cauchy((500, 1))
    y = x + rng.standard_normal((500, 1))
    warned = InfoNCE(**SMALL).estimate(x, y, Context(np.random.default_rng(1))).warnings
    assert any("standard deviations from its column's mean" in text for text in warned)
    silent = InfoNCE(margins="normal", **SMALL).estimate(x, y, Context(np.random.default_rng(1))).warnings
    assert not any("standard deviations" in text for text in silent)
