"""The training engine: a replica is the same alone, among others, and after others have left the stack."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mibench.estimators.variational.critics import Critic, Kind
from mibench.estimators.variational.doe import DifferenceOfEntropies
from mibench.estimators.variational.flo import FLO
from mibench.estimators.variational.infonce import InfoNCE
from mibench.estimators.variational.interpolated import Interpolated
from mibench.estimators.variational.mine import MINE
from mibench.estimators.variational.reporting import averaged
from mibench.estimators.variational.trained import Trained
from mibench.estimators.variational.trained_critic import TrainedCritic
from mibench.estimators.variational.wasserstein import Wasserstein
from mibench.interface import Array, Context, Estimate, Shape
from mibench.training import devices
from mibench.training.loop import Fit, Schedule, train
from mibench.training.networks import Generators, StackedLinear

RHO = 0.8
TRUTH = -0.5 * math.log(1 - RHO**2)
SCHEDULE = Schedule(
    batch_size=16,
    learning_rate=0.01,
    decay="constant",
    weight_decay=0.01,
    average=0.9,
    max_steps=100,
    validate_every=5,
    patience=4,
)
SMALL: dict[str, Any] = {"hidden": 8, "embedding": 4}


def data(replicas: int, n: int, seed: int = 0, rho: tuple[float, ...] = (RHO,)) -> tuple[Tensor, Tensor]:
    """Correlated pairs in two dimensions, each replica its own, with correlations in turn."""
    x, noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, replicas, n, 2)))
    correlation = torch.tensor([rho[replica % len(rho)] for replica in range(replicas)])[:, None, None]
    return x, correlation * x + (1 - correlation**2).sqrt() * noise


def fits_of(
    estimator: Trained[Any],
    training: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    replicas: list[int],
    schedule: Schedule = SCHEDULE,
) -> dict[int, Fit[Any]]:
    """Train some of the replicas as one stack, in float64; by replica, in the order in which they ended."""
    generators = [torch.Generator().manual_seed(replica) for replica in replicas]
    device = training[0].device
    network = estimator.network(2, 2, generators).double().to(device)
    fits = train(
        network,
        estimator.objective,
        estimator.validate,
        (training[0][replicas], training[1][replicas]),
        (validation[0][replicas], validation[1][replicas]),
        schedule=schedule,
        generators=generators,
    )
    return {replicas[place]: fit for place, fit in fits}


def assert_same(first: Fit[Any], second: Fit[Any], rtol: float = 1e-10) -> None:
    assert [step for step, _ in first.validation] == [step for step, _ in second.validation]
    assert (first.ended, first.steps, first.best_step) == (second.ended, second.steps, second.best_step)
    for mine, other in ((first.training, second.training), (first.validation, second.validation)):
        assert [v for _, v in mine] == pytest.approx([v for _, v in other], rel=rtol, abs=1e-12, nan_ok=True)
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert a.shape[0] == 1
        # A constant added to a critic has no gradient but rounding, which Adam divides by its own size.
        assert torch.allclose(a.cpu(), b.cpu(), rtol=rtol * 100, atol=1e-8)


ESTIMATORS: list[Trained[Any]] = [
    *(
        InfoNCE(critic=kind, **SMALL)
        for kind in ("separable", "bilinear", "ridge", "concatenated", "hybrid", "lipschitz")
    ),
    MINE(**SMALL),
    Interpolated(**SMALL),
    FLO(**SMALL),
    DifferenceOfEntropies(hidden=8, components=3),
    Wasserstein(hidden=8),
    Wasserstein(hidden=8, lipschitz="penalty"),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_a_replica_takes_the_same_first_ten_steps_alone_and_in_a_stack(estimator: Trained[Any]) -> None:
    training, validation = data(3, 70), data(3, 40, seed=1)  # a new pass over the data after every four steps
    schedule = dataclasses.replace(SCHEDULE, max_steps=10, validate_every=1, decay="cosine")
    together = fits_of(estimator, training, validation, [0, 1, 2], schedule)
    for replica, fit in together.items():
        assert [step for step, _ in fit.training] == list(range(1, 11))
        assert_same(fit, fits_of(estimator, training, validation, [replica], schedule)[replica])
        assert abs(fit.training[-1][1]) > 1e-4, "it must have left the start"
    assert len({fit.training[-1][1] for fit in together.values()}) == 3


@pytest.mark.cuda
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_a_replica_takes_the_same_first_ten_steps_on_cuda(estimator: Trained[Any]) -> None:
    training, validation = data(3, 70), data(3, 40, seed=1)
    schedule = dataclasses.replace(SCHEDULE, max_steps=10, validate_every=1)
    on_cpu = fits_of(estimator, training, validation, [0, 1, 2], schedule)
    training, validation = ((x.cuda(), y.cuda()) for x, y in (training, validation))
    on_cuda = fits_of(estimator, training, validation, [0, 1, 2], schedule)
    for replica, fit in on_cpu.items():
        assert_same(fit, on_cuda[replica])


@pytest.mark.parametrize("estimator", [InfoNCE(**SMALL), MINE(**SMALL)], ids=str)
def test_replicas_stop_on_their_own_and_the_others_go_on_undisturbed(estimator: TrainedCritic) -> None:
    """Every second replica has nothing to learn; what ends leaves the stack, optimiser state and all."""
    training, validation = data(6, 70, rho=(0.0, 0.95)), data(6, 60, seed=1, rho=(0.0, 0.95))
    together = fits_of(estimator, training, validation, list(range(6)))
    ends = [fit.steps for fit in together.values()]
    assert ends == sorted(ends), "yielded as they end"
    assert len(set(ends)) >= 3, "the stack must shrink more than once to mean anything"
    assert max(together[replica].steps for replica in (0, 2, 4)) < max(together[replica].steps for replica in (1, 3, 5))
    for replica, fit in together.items():
        assert_same(fit, fits_of(estimator, training, validation, [replica])[replica], rtol=1e-7)
        held_out = (validation[0][[replica]], validation[1][[replica]])
        with torch.no_grad():
            value = float(estimator.validate(fit.network, *held_out))
        assert value == pytest.approx(fit.best_value, abs=1e-12)
        assert dict(fit.validation)[fit.best_step] == fit.best_value == max(v for _, v in fit.validation)
        if fit.ended == "stopped":
            assert fit.steps == fit.best_step + SCHEDULE.patience * SCHEDULE.validate_every


@pytest.mark.parametrize("estimator", [InfoNCE(**SMALL), Wasserstein(hidden=8)], ids=str)
def test_a_replica_that_diverges_does_not_touch_the_others(estimator: Trained[Any]) -> None:
    training, validation = data(3, 70), data(3, 60, seed=1)
    training[0][1, 3] = torch.nan
    together = fits_of(estimator, training, validation, [0, 1, 2])
    assert next(iter(together)) == 1
    assert (together[1].ended, together[1].best_step) == ("diverged", 0)
    assert all(values.isfinite().all() for values in together[1].network.parameters())
    for replica in (0, 2):
        alone = fits_of(estimator, training, validation, [replica])[replica]
        assert_same(together[replica], alone, rtol=1e-7)


def test_a_budget_that_ends_inside_a_round_is_kept_to() -> None:
    schedule = dataclasses.replace(SCHEDULE, max_steps=12, patience=100)
    fit = fits_of(InfoNCE(**SMALL), data(1, 70), data(1, 60, seed=1), [0], schedule)[0]
    assert [step for step, _ in fit.validation] == [0, 5, 10, 12]
    assert (fit.ended, fit.steps) == ("budget", 12)


# ---------------------------------------------------------------------------------------------------------------------
# Stacks of samples and folds


def samples(count: int, n: int, rho: float = RHO) -> tuple[list[Array], list[Array]]:
    xs, ys = [], []
    for seed in range(count):
        x, noise = np.random.default_rng(100 + seed).standard_normal((2, n, 2))
        xs.append(x)
        ys.append(rho * x + math.sqrt(1 - rho**2) * noise)
    return xs, ys


def estimates_of(estimator: Trained[Any], count: int, n: int, device: str = "cpu") -> list[Estimate]:
    contexts = [Context(rng=np.random.default_rng(seed), device=device) for seed in range(count)]
    estimates = dict(estimator.estimate_batch(*samples(count, n), contexts))
    return [estimates[index] for index in range(count)]


QUICK = InfoNCE(hidden=16, embedding=8, max_steps=300, validate_every=20, patience=3)


@pytest.mark.parametrize("estimator", [QUICK, QUICK.with_parameters(folds=3)], ids=str)
def test_groups_that_fit_the_memory_give_what_one_stack_gives(
    estimator: InfoNCE, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = estimator.with_parameters(max_steps=20, validate_every=10)
    values = []
    for most in (100, 2, 1):
        monkeypatch.setattr(devices, "CPU_REPLICAS", most)
        values.append([estimate.value for estimate in estimates_of(short, 3, 300)])
    assert values[0] == pytest.approx(values[1], rel=1e-3)
    assert values[0] == pytest.approx(values[2], rel=1e-3)
    monkeypatch.setattr(devices, "LARGEST_STEP", short.numbers_per_step)
    monkeypatch.setattr(devices, "CPU_REPLICAS", 100)
    assert values[2] == [estimate.value for estimate in estimates_of(short, 3, 300)]


@pytest.mark.parametrize(
    "estimator",
    [
        *(InfoNCE(critic=kind) for kind in ("ridge", "concatenated", "hybrid", "lipschitz")),
        MINE(critic="concatenated"),
        FLO(),
        Wasserstein(),
    ],
    ids=str,
)
def test_numbers_per_step_are_those_of_the_largest_hidden_output(estimator: Trained[Any]) -> None:
    """By which stacks are kept small enough for the memory: the largest tensor that a step keeps for its gradient."""
    sizes = []

    def noted(kept: Tensor) -> Tensor:
        sizes.append(kept.untyped_storage().nbytes() // kept.element_size())
        return kept

    x, y = (block[:, : estimator.batch_size].float() for block in data(1, estimator.batch_size))
    network = estimator.network(2, 2, [torch.Generator().manual_seed(0)])
    with torch.autograd.graph.saved_tensors_hooks(noted, lambda kept: kept):
        estimator.objective(network, x, y)
    assert max(sizes) == estimator.numbers_per_step


def test_a_batch_ends_within_the_spread_of_seeds_of_what_each_gives_alone() -> None:
    count = 6
    together = np.array([estimate.value for estimate in estimates_of(QUICK, count, 1000)])
    contexts = [Context(rng=np.random.default_rng(seed)) for seed in range(count)]
    alone = [QUICK.estimate(x, y, c).value for x, y, c in zip(*samples(count, 1000), contexts, strict=True)]
    assert np.abs(together - alone).max() < np.std(alone, ddof=1)
    assert np.mean(together) == pytest.approx(np.mean(alone), abs=2 * float(np.std(alone, ddof=1)) / math.sqrt(count))


@pytest.mark.cuda
@pytest.mark.parametrize(
    "estimator",
    [
        QUICK,
        QUICK.with_parameters(critic="lipschitz", activation="maxmin"),
        *(
            kind(hidden=16, max_steps=300, validate_every=20, patience=3)
            for kind in (MINE, FLO, DifferenceOfEntropies, Wasserstein)
        ),
        Wasserstein(hidden=16, max_steps=300, validate_every=20, patience=3, lipschitz="penalty"),
    ],
    ids=str,
)
def test_cuda_ends_within_the_spread_of_seeds_of_the_cpu(estimator: Trained[Any]) -> None:
    cpu, cuda = (
        np.array([estimate.value for estimate in estimates_of(estimator, 6, 1000, device)])
        for device in ("cpu", "cuda")
    )
    spread = float(np.std(cpu, ddof=1))
    assert np.abs(cuda - cpu).max() < spread
    assert np.mean(cuda) == pytest.approx(np.mean(cpu), abs=2 * spread / math.sqrt(6))


def test_samples_with_other_numbers_of_levels_train_in_stacks_of_their_own() -> None:
    rng = np.random.default_rng(0)
    xs = [rng.integers(0, levels, (200, 1)).astype(float) for levels in (2, 3, 2)]
    shape = Shape(200, ("discrete",), ("discrete",))
    contexts = [Context(np.random.default_rng(s), shape=shape) for s in range(3)]
    estimates = dict(QUICK.estimate_batch(xs, [x.copy() for x in xs], contexts))
    assert sorted(estimates) == [0, 1, 2]
    assert all(estimate.value > 0.3 for estimate in estimates.values())


class Recorder(InfoNCE):
    """InfoNCE that keeps the points it was reported on."""

    seen: list[set[float]] = []  # noqa: RUF012

    def evaluate(self, network: Critic, x: Tensor, y: Tensor) -> Estimate:
        self.seen.append(set(x[0, :, 0].tolist()))
        return super().evaluate(network, x, y)


def test_folds_are_averaged_and_keep_their_own_diagnostics() -> None:
    folds = [
        Estimate(value, diagnostics={"steps": steps, "training_curve": [[steps, value]]}, warnings=warnings)
        for value, steps, warnings in ((1.0, 5, ("a",)), (2.0, 7, ("a", "b")), (6.0, 9, ()))
    ]
    found = averaged(folds)
    assert (found.value, found.warnings) == (3.0, ("a", "b"))
    curve = [[5, 1.0]]  # the first one's
    assert found.diagnostics == {"fold_values": [1.0, 2.0, 6.0], "steps": [5, 7, 9], "training_curve": curve}
    assert averaged(folds[:1]) == folds[0]


def test_folds_evaluate_every_point_once() -> None:
    xs, ys = samples(1, 200)
    Recorder.seen.clear()
    estimator = Recorder(**SMALL, folds=3, max_steps=20, margins="standard")
    estimate = estimator.estimate(xs[0], ys[0], Context(rng=np.random.default_rng(0)))
    assert sorted(map(len, Recorder.seen)) == [66, 67, 67]
    folds = estimate.diagnostics["fold_values"]
    assert len(folds) == len(estimate.diagnostics["steps"]) == 3
    assert estimate.value == pytest.approx(np.mean(folds))
    assert len(set(folds)) == 3


@dataclass(frozen=True)
class LinearRegression(Trained[StackedLinear]):
    """Barber and Agakov's bound with q(y | x) = N(Wx + b, 1) against N(0, 1): not a critic, trained all the same."""

    def network(self, dim_x: int, dim_y: int, generators: Generators) -> StackedLinear:
        return StackedLinear(dim_x, dim_y, generators)

    def objective(self, network: StackedLinear, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        bound = 0.5 * (y.square() - (y - network(x)).square()).sum(-1).mean(-1)
        return bound, bound

    def evaluate(self, network: StackedLinear, x: Tensor, y: Tensor) -> Estimate:
        return Estimate(float(self.validate(network, x, y)))


def test_networks_that_are_no_critics_train_on_the_same_engine() -> None:
    """With unit variance the bound's optimum is rho^2 / 2 per dimension, below the truth."""
    values = [estimate.value for estimate in estimates_of(LinearRegression(average=0.9), 4, 2000)]
    # Per point and dimension the bound is rho x y - rho^2 x^2 / 2, of variance rho^2 - rho^4 / 2 < 0.45.
    assert np.mean(values) == pytest.approx(RHO**2, abs=4 * math.sqrt(2 * 0.45 / (4 * 400)) + 0.01)


@pytest.mark.parametrize("kind", ["separable", "concatenated"])
def test_half_precision_ends_near_single_precision(kind: Kind) -> None:
    base = MINE(critic=kind, hidden=16, max_steps=200, validate_every=20)
    single, half = (
        [estimate.value for estimate in estimates_of(base.with_parameters(precision=precision), 4, 1000)]
        for precision in ("float32", "bfloat16")
    )
    assert single != half
    assert np.mean(half) == pytest.approx(np.mean(single), abs=float(np.std(single, ddof=1)))
