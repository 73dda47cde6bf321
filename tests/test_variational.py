"""The variational estimators: what each trains, the protocol against leaks, the estimates."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from mibench.estimators.variational import trained
from mibench.estimators.variational.bounds import donsker_varadhan
from mibench.estimators.variational.critics import Critic, Kind
from mibench.estimators.variational.encoding import encode
from mibench.estimators.variational.flo import FLO
from mibench.estimators.variational.infonce import InfoNCE
from mibench.estimators.variational.interpolated import Interpolated
from mibench.estimators.variational.mine import MINE
from mibench.estimators.variational.trained import Trained
from mibench.estimators.variational.trained_critic import TrainedCritic
from mibench.interface import Array, Context, Estimate, InputError, Shape, kinds_of
from mibench.registry import make_estimator
from mibench.training.loop import Schedule, train

RHO = 0.8
TRUTH = -0.5 * math.log(1 - RHO**2)
SMALL: dict[str, Any] = {"hidden": 8, "embedding": 4, "max_steps": 60, "validate_every": 20}


def correlated(n: int, rho: float, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n, 1))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


# ---------------------------------------------------------------------------------------------------------------------
# What MINE climbs


class Product(Critic):
    """f(x, y) = a x y, for two replicas, with MINE's moving average beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor([[0.3], [-0.1]], dtype=torch.float64))
        self.register_buffer("log_average", torch.full((2,), math.nan, dtype=torch.float64))

    def all_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        return self.a[..., None] * x @ y.mT

    def shifted(self, x: Tensor, y: Tensor, shifts: Any) -> Tensor:
        return torch.stack([self.a * (x * y.roll(-shift, 1)).sum(-1) for shift in shifts], 1)


@pytest.mark.parametrize("kind", ["ridge", "concatenated"])
def test_mine_gradient_divides_by_the_moving_average(kind: Kind) -> None:
    """For f = a x y by hand: d/da = mean_joint xy - mean_product xy exp(a xy) / mu."""
    critic, rate, average = Product(), 0.25, np.full(2, np.nan)
    mine = MINE(rate=rate, critic=kind)
    for seed in range(3):
        x, y = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, 2, 4, 1)))
        gain, value = mine.objective(critic, x, y)
        (gradient,) = torch.autograd.grad(gain.sum(), critic.a)
        for replica, a in enumerate((0.3, -0.1)):
            joint = (x * y)[replica, :, 0].numpy()
            product = np.outer(x[replica].numpy(), y[replica].numpy())[~np.eye(4, dtype=bool)]
            if kind == "concatenated":  # one product pair a point
                product = x[replica, :, 0].numpy() * np.roll(y[replica, :, 0].numpy(), -1)
            weights = np.exp(a * product)
            before = average[replica]
            average[replica] = weights.mean() if seed == 0 else (1 - rate) * before + rate * weights.mean()
            expected = joint.mean() - (product * weights).mean() / average[replica]
            assert float(gradient[replica]) == pytest.approx(expected, abs=1e-12)
            assert float(value[replica].detach()) == pytest.approx(
                a * joint.mean() - math.log(weights.mean()), abs=1e-12
            )


def test_without_moving_average_mine_follows_the_plain_gradient() -> None:
    critic, mine = Product(), MINE(rate=1.0, critic="concatenated")
    x, y = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 2, 9, 1)))
    mine.objective(critic, y, x.roll(2, 1))  # leaves no trace
    (corrected,) = torch.autograd.grad(mine.objective(critic, x, y)[0].sum(), critic.a)
    joint, product = critic.shifted(x, y, (0, 1)).unbind(1)
    (plain,) = torch.autograd.grad(donsker_varadhan(joint, product).sum(), critic.a)
    assert torch.allclose(corrected, plain, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# The protocol


class Recorder(InfoNCE):
    """InfoNCE that keeps the points each stage was given."""

    seen: dict[str, list[Tensor]] = {"validate": [], "evaluate": []}  # noqa: RUF012

    def validate(self, network: Critic, x: Tensor, y: Tensor) -> Tensor:
        self.seen["validate"].append(x)
        return super().validate(network, x, y)

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        self.seen["evaluate"].append(x)
        return super().evaluate(network, x, y)


@pytest.mark.parametrize(("folds", "sizes"), [(1, (180, 60, 60)), (3, (140, 60, 100))])
def test_the_reported_points_are_neither_trained_nor_selected_on(folds: int, sizes: tuple[int, ...]) -> None:
    x, y = correlated(300, RHO, 0)
    for points in Recorder.seen.values():
        points.clear()
    Recorder(**SMALL, folds=folds, margins="standard").estimate(x, y, Context(rng=np.random.default_rng(0)))
    held_out, trained = Recorder.seen["validate"][:-folds], Recorder.seen["validate"][-folds:]
    assert all(torch.equal(points, held_out[0]) for points in held_out)
    for fold in range(folds):
        parts = [set(codes[..., 0].flatten().tolist()) for codes in (trained[fold], Recorder.seen["evaluate"][fold])]
        validated = set(held_out[0][fold, :, 0].tolist())
        assert (len(parts[0]), len(validated), len(parts[1])) == sizes
        assert not parts[1] & parts[0]
        assert not parts[1] & validated


@pytest.mark.parametrize("margins", ["standard", "normal"])
def test_held_out_rows_do_not_shape_the_encoding(margins: Literal["standard", "normal"]) -> None:
    rng = np.random.default_rng(0)
    block, changed = rng.standard_normal((2, 100, 2))
    training = np.arange(60)
    changed[:60] = block[:60]
    first, second = (encode(b, kinds_of(b.shape[1]), training, margins) for b in (block, changed))
    assert np.array_equal(first[:60], second[:60])
    assert not np.array_equal(first[60:], second[60:])
    assert np.abs(first[:60].mean(axis=0)).max() < 1e-6
    if margins == "standard":
        assert first[:60].std(axis=0) == pytest.approx(1, abs=1e-5)
    else:
        assert np.array_equal(first, encode(np.exp(block), kinds_of(block.shape[1]), training, "normal"))


def test_a_column_that_is_constant_in_the_training_part_keeps_its_scale() -> None:
    """By rounding, 190 times 0.1 has a mean that is not 0.1, and a standard deviation of 1e-17."""
    values = np.full((200, 1), 0.1)
    values[3] = 0.5
    assert values[10:].std() > 0
    codes = encode(values, kinds_of(values.shape[1]), np.arange(10, 200), "standard")
    assert codes[3, 0] == pytest.approx(0.4)
    assert np.abs(codes[10:]).max() < 1e-15


def test_labels_become_one_indicator_per_level() -> None:
    labels = np.array([2.0, 7.0, 2.0, 5.0, 7.0, 2.0, 9.0])[:, None]
    codes = encode(labels, ("discrete",), np.arange(6), "standard")
    assert codes.tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]
    many = np.arange(200.0)[:, None]
    assert encode(many, ("discrete",), np.arange(200), "standard").shape == (200, 65)
    assert np.array_equal(encode(many[:64], ("discrete",), np.arange(64), "standard"), np.eye(64))


def test_a_column_that_repeats_its_smallest_value_is_standardised() -> None:
    codes = encode(np.array([0.0, 0.0, 0.0, 8.0])[:, None], ("continuous",), np.arange(4), "standard")
    assert codes[:, 0] == pytest.approx(np.array([-1.0, -1.0, -1.0, 3.0]) / math.sqrt(3))


@pytest.mark.parametrize(
    "estimator", [InfoNCE(**SMALL), InfoNCE(**SMALL, critic="concatenated"), MINE(**SMALL)], ids=str
)
def test_the_seed_decides_and_nothing_global_changes(estimator: TrainedCritic) -> None:
    x, y = correlated(300, RHO, 0)
    copies, numpy_state, torch_state = (x.copy(), y.copy()), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)  # other than it uses
    try:
        values = [
            estimator.estimate(x, y, Context(rng=np.random.default_rng(seed), threads=threads)).value
            for seed, threads in ((1, 1), (1, 1), (2, 2))
        ]
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert values[0] == values[1] != values[2]
    np.testing.assert_equal(np.random.get_state(), numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)
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


def test_what_cannot_be_split_or_trained_is_refused() -> None:
    assert "at least 50 points" in str(InfoNCE().unsupported(Shape.continuous(49, 1, 1)))
    assert InfoNCE().unsupported(Shape(50, ("continuous",), ("discrete",))) is None
    with pytest.raises(InputError, match=r"at most 0\.9"):
        MINE(validation=0.5, evaluation=0.5)
    with pytest.raises(InputError, match=r"at most 0\.9"):
        MINE(validation=0.5, folds=2)
    assert "2 points to evaluate in each of 30 folds" in str(MINE(folds=30).unsupported(Shape.continuous(59, 1, 1)))
    assert MINE(folds=30).unsupported(Shape.continuous(60, 1, 1)) is None
    MINE(validation=0.5, evaluation=0.5, folds=4)
    MINE(validation=0.4, evaluation=0.5)
    with pytest.raises(InputError, match=r"give layers >= 1"):
        MINE(critic="concatenated", layers=0)


@pytest.mark.parametrize("estimator", [InfoNCE(), InfoNCE(critic="lipschitz", activation="maxmin")], ids=str)
def test_divergence_is_reported_and_the_last_good_weights_kept(estimator: TrainedCritic) -> None:
    x, y = correlated(200, RHO, 0)
    fast = estimator.with_parameters(**SMALL, learning_rate=1e30)
    estimate = fast.estimate(x, y, Context(rng=np.random.default_rng(0)))
    assert estimate.diagnostics["ended"] == "diverged"
    assert math.isfinite(estimate.value)
    assert any("diverged" in warning for warning in estimate.warnings)


@pytest.mark.parametrize("estimator", [InfoNCE(), MINE()], ids=str)
def test_curves_are_short_and_the_smallest_sample_works(estimator: TrainedCritic) -> None:
    x, y = correlated(50, RHO, 0)
    tiny = estimator.with_parameters(validate_every=1, patience=1000, max_steps=450, hidden=4)
    estimate = tiny.estimate(x, y, Context(rng=np.random.default_rng(0)))
    assert math.isfinite(estimate.value)
    assert estimate.bound == "lower"
    # Every third of 450 steps, the validation before training apart.
    for name, first in (("training_curve", 1), ("validation_curve", 0)):
        steps, values = zip(*estimate.diagnostics[name], strict=True)
        assert list(steps) == list(range(first, 451, 3))
        assert np.isfinite(values).all()
    assert estimate.diagnostics["validation_curve"][0] == [0, 0.0]
    assert estimate.diagnostics["validation_value"] >= max(
        value for _, value in estimate.diagnostics["validation_curve"]
    )


@pytest.mark.parametrize(
    "estimator",
    [InfoNCE(), Interpolated(), FLO(), InfoNCE(folds=30), MINE(folds=30), make_estimator("l1out[folds=30]")],
)
def test_groups_of_two_leave_no_point_alone(estimator: Trained[Any]) -> None:
    """61 points: 13 held out once, or 2 and 3 in folds."""
    x, y = correlated(61, RHO, 0)
    pairs = {} if estimator.folds > 1 else {"negatives": 2, "batch_size": 2}
    estimate = estimator.with_parameters(**pairs, hidden=8, max_steps=2, validate_every=2).estimate(
        x, y, Context(rng=np.random.default_rng(0))
    )
    assert math.isfinite(estimate.value)


def test_parameters_reach_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "learning_rate": 0.03,
        "decay": "cosine",
        "weight_decay": 0.04,
        "average": 0.5,
        "max_steps": 6,
        "validate_every": 2,
        "patience": 3,
        "precision": "bfloat16",
    }
    schedules = []

    def noted(*arguments: Any, schedule: Schedule, **others: Any) -> Any:
        schedules.append(schedule)
        return train(*arguments, schedule=schedule, **others)

    monkeypatch.setattr(trained, "train", noted)
    x, y = correlated(100, RHO, 0)
    for batch_size in (20, 80):
        InfoNCE(batch_size=batch_size, hidden=4, **given).estimate(x, y, Context(rng=np.random.default_rng(0)))
    assert schedules == [Schedule(batch_size=20, **given), Schedule(batch_size=60, **given)]


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
    context = Context(rng=rng, shape=Shape(n, ("discrete",), ("discrete",)))
    value = estimator.estimate(names[x][:, None], names[y[:, None]], context).value
    se = math.sqrt(keep * (1 - keep)) * math.log(keep * 3 / (1 - keep)) / math.sqrt(0.2 * n)
    assert value == pytest.approx(truth, abs=4 * se + 0.02)


def test_heavy_tails_are_pointed_out_unless_the_margins_are_normal() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_cauchy((500, 1))
    y = x + rng.standard_normal((500, 1))
    warned = InfoNCE(margins="standard", **SMALL).estimate(x, y, Context(np.random.default_rng(1))).warnings
    assert any("standard deviations from its column's mean" in text for text in warned)
    silent = InfoNCE(**SMALL).estimate(x, y, Context(np.random.default_rng(1))).warnings
    assert not any("standard deviations" in text for text in silent)
