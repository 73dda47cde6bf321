"""The training engine by itself: splits, steps, blocks of any number, checkpoints."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

import mibench
from mibench.estimators.variational.doe import DifferenceOfEntropies
from mibench.estimators.variational.infonce import InfoNCE
from mibench.estimators.variational.mine import MINE
from mibench.estimators.variational.trained import Trained
from mibench.estimators.variational.wasserstein import Wasserstein
from mibench.interface import InputError
from mibench.training.checkpoints import load_checkpoint, save_checkpoint
from mibench.training.loop import Fit, Schedule, train
from mibench.training.networks import StackedLinear, perceptron
from mibench.training.splits import cross_split, split

SCHEDULE = Schedule(16, 0.01, "constant", 0.01, 0.9, max_steps=100, validate_every=5, patience=4)


# ---------------------------------------------------------------------------------------------------------------------
# Splits


def test_parts_are_disjoint_and_cover_all_rows() -> None:
    for n in (50, 101, 10_000):
        training, validation, evaluation = split(n, 0.2, 0.3, np.random.default_rng(n))
        assert sorted([*training, *validation, *evaluation]) == list(range(n))
        assert (len(validation), len(evaluation)) == (round(0.2 * n), round(0.3 * n))


@pytest.mark.parametrize(("n", "folds"), [(50, 2), (101, 5), (100, 3)])
def test_folds_are_disjoint_and_evaluate_every_row_once(n: int, folds: int) -> None:
    splits = cross_split(n, 0.2, folds, np.random.default_rng(n))
    assert len(splits) == folds
    assert sorted(np.concatenate([evaluation for _, _, evaluation in splits])) == list(range(n))
    assert len({(len(training), len(validation)) for training, validation, _ in splits}) == 1
    for training, validation, evaluation in splits:
        rows = [*training, *validation, *evaluation]
        assert len(rows) == len(set(rows)) >= n - 1
        assert len(validation) == round(0.2 * n)


# ---------------------------------------------------------------------------------------------------------------------
# Steps


def data(replicas: int, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Pairs in two dimensions, each replica its own; those of every second one are independent."""
    x, noise = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, replicas, n, 2)))
    return x, x * (torch.arange(replicas) % 2)[:, None, None] + 0.3 * noise


def test_learning_rates() -> None:
    assert {SCHEDULE.rate(step) for step in (0, 7, 99)} == {0.01}
    cosine = dataclasses.replace(SCHEDULE, decay="cosine")
    assert [cosine.rate(step) for step in (0, 50, 100)] == pytest.approx([0.01, 0.005, 0.0])


def test_weights_follow_adamw_one_by_one_and_their_moving_average() -> None:
    """Against torch's AdamW on a plain module, with the batches that the generator gives."""
    n, size, decay = 20, 8, 0.3  # not a half, which is its own complement

    def objective(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        gain = -(network(x) - y).square().mean((1, 2))
        return gain, gain.detach()

    def validate(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return objective(network, x, y)[0]

    x, y = data(1, n)
    generator = torch.Generator().manual_seed(5)
    stacked = StackedLinear(2, 2, [generator]).double()
    plain = nn.Linear(2, 2).double()
    with torch.no_grad():
        plain.weight.copy_(stacked.weight[0].T)
        plain.bias.copy_(stacked.bias[0, 0])
    copied = torch.Generator()
    copied.set_state(generator.get_state())
    schedule = Schedule(size, 0.1, "constant", 0.05, decay, 6, 6, 10)
    ((_, fit),) = train(
        stacked, objective, validate, (x, y), (x, y),
        schedule=schedule, generators=[generator],
    )  # fmt: skip
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.1, weight_decay=0.05)
    mean = plain.weight.detach().clone()
    order = torch.cat([torch.randperm(n, generator=copied)[:16] for _ in range(3)])
    for rows in torch.split(order, size):
        optimizer.zero_grad()
        torch.autograd.backward((plain(x[0, rows]) - y[0, rows]).square().mean())
        optimizer.step()
        mean.lerp_(plain.weight.detach(), 1 - decay)
    assert fit.best_step == 6
    assert torch.allclose(fit.network.weight[0].T, mean, atol=1e-12)


def test_a_pass_takes_every_row_once_and_a_curve_is_of_all_its_batches() -> None:
    """Rows 0..29 in batches of 10, of which nothing is learnt: the start is kept, and training ends in time."""
    seen: list[float] = []

    def objective(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        seen.extend(x.flatten().tolist())
        return -(network(x) - y).square().mean((1, 2)), x.mean((1, 2))

    rows = torch.arange(30.0)[None, :, None]
    start = StackedLinear(1, 1, [torch.Generator().manual_seed(0)])
    weight = float(start.weight.detach())
    ((_, fit),) = train(
        start, objective, lambda *_: torch.zeros(1), (rows, rows), (rows, rows),
        schedule=Schedule(10, 0.1, "constant", 0.0, 0.0, 30, 3, 2), generators=[torch.Generator().manual_seed(1)],
    )  # fmt: skip
    assert sorted(seen[:30]) == sorted(seen[30:]) == list(range(30))
    assert [step for step, _ in fit.training] == [3, 6]
    assert [value for _, value in fit.training] == pytest.approx([14.5, 14.5])
    assert fit.validation == [(0, 0.0), (3, 0.0), (6, 0.0)]
    assert (fit.ended, fit.steps, fit.best_step, fit.best_value) == ("stopped", 6, 0, 0.0)
    assert float(fit.network.weight.detach()) == weight


def test_a_batch_is_the_same_rows_of_every_block() -> None:
    """Three blocks, one of them labels without columns; an autoencoder's one."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    z = torch.arange(20.0).repeat(2, 1)
    x, y = z[..., None] + 100, torch.stack([z, -z], -1)

    def three(network: nn.Module, x: Tensor, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        assert (x.shape, y.shape, z.shape) == ((2, 5, 1), (2, 5, 2), (2, 5))
        assert torch.equal(x[..., 0], z + 100)
        assert torch.equal(y, torch.stack([z, -z], -1))
        return one(network, x)

    def one(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        gain = -(network(x) - x).square().mean((1, 2))
        return gain, gain

    def validate(network: nn.Module, *blocks: Tensor) -> Tensor:
        assert len(blocks) in (1, 3)
        return one(network, blocks[0])[0]

    schedule = dataclasses.replace(SCHEDULE, batch_size=5, max_steps=8)
    network = perceptron([1, 1], generators)
    for objective, blocks in ((three, (x, y, z)), (one, (x,))):
        ended = dict(train(network, objective, validate, blocks, blocks, schedule=schedule, generators=generators))
        assert [ended[replica].steps for replica in range(2)] == [8, 8]


# ---------------------------------------------------------------------------------------------------------------------
# Checkpoints


TENSORS = {
    "weights": torch.linspace(0, 1, 6).view(2, 3).T,
    "half": torch.ones(3, dtype=torch.bfloat16),
    "step": torch.tensor(7.0),
    "none": torch.empty(2, 0, dtype=torch.long),
    "state": torch.Generator().manual_seed(1).get_state(),
}
FACTS = {"step": 7, "curve": [[0, 0.1 + 0.2]], "best": float("-inf"), "ended": ""}


def test_a_checkpoint_holds_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    for facts in ({}, FACTS):
        save_checkpoint(path, TENSORS, facts)
        tensors, found = load_checkpoint(path)
        assert found == facts
        assert tensors.keys() == TENSORS.keys()
        for name, values in TENSORS.items():
            assert tensors[name].dtype == values.dtype
            assert torch.equal(tensors[name], values)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as raised:
        load_checkpoint(path)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(f"checkpoint {path} ")
    return str(raised.value)


def test_a_checkpoint_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    assert "does not exist" in refusal(path)
    save_checkpoint(path, TENSORS, FACTS)
    whole = path.read_bytes()
    for kept in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert "cannot be read, or is cut short" in refusal(path)
    for place in (len(whole) - 1, whole.index(b"curve"), whole.index(b"weights")):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert "was altered" in refusal(path)
    path.write_bytes(whole.replace(b'"format":"1"', b'"format":"2"'))
    assert "has format 2; this version of mibench reads format 1" in refusal(path)
    path.write_bytes(save(TENSORS | {"weights": torch.ones(1)}))
    assert "has format None" in refusal(path)
    path.write_bytes(whole)
    load_checkpoint(path)


def test_a_write_that_fails_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.safetensors"
    save_checkpoint(path, TENSORS, {"step": 1})

    def full(_descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(path, TENSORS, {"step": 2})
    assert load_checkpoint(path)[1] == {"step": 1}


class Stopped(Exception):  # noqa: N818
    """The training is interrupted."""


def fits_of(
    estimator: Trained[Any], stop: int = 10**6, seed: int = 0, schedule: Schedule = SCHEDULE, **checkpoint: Any
) -> Iterator[tuple[int, Fit[Any]]]:
    """Train four replicas, of which two have nothing to learn, until a step of the objective."""
    calls = iter(range(10**6))

    def objective(network: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if next(calls) == stop:
            raise Stopped
        return estimator.objective(network, x, y)

    generators = [torch.Generator().manual_seed(seed + replica) for replica in range(4)]
    network = estimator.network(2, 2, generators)
    parts = [(x.float(), y.float()) for x, y in (data(4, 70, seed), data(4, 40, seed + 1))]
    yield from train(
        network, objective, estimator.validate, *parts, schedule=schedule, generators=generators, **checkpoint
    )


def bits(fits: dict[int, Fit[Any]]) -> dict[int, Any]:
    return {
        replica: [{**vars(fit), "network": None}, {k: v.numpy().tobytes() for k, v in fit.network.state_dict().items()}]
        for replica, fit in fits.items()
    }


ESTIMATORS: list[Trained[Any]] = [
    InfoNCE(hidden=8, embedding=4),
    MINE(hidden=8, embedding=4),
    DifferenceOfEntropies(hidden=8, components=3),
    Wasserstein(hidden=8),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_a_training_that_goes_on_gives_the_bits_of_an_uninterrupted_one(
    estimator: Trained[Any], tmp_path: Path
) -> None:
    """Stopped in the middle, after some replicas have ended, and resumed twice; then once more when all have ended."""
    path, whole = tmp_path / "training.safetensors", dict(fits_of(estimator))
    ends = sorted(fit.steps for fit in whole.values())
    assert ends[0] < ends[-1], "some must end before others to mean anything"
    for stop in (ends[0] - 8, 12):
        with pytest.raises(Stopped):
            list(fits_of(estimator, stop, checkpoint=path, every=0))
    assert load_checkpoint(path)[1]["step"] == ends[0]  # two rounds of 5 steps after the one that was cut off
    assert len(load_checkpoint(path)[1]["alive"]) < 4
    for _ in range(2):
        resumed = dict(fits_of(estimator, checkpoint=path))
        assert bits(resumed) == bits(whole)
        assert list(resumed) == list(whole)
    assert load_checkpoint(path)[1]["alive"] == []


def test_a_checkpoint_is_written_as_often_as_asked_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    with pytest.raises(Stopped):
        list(fits_of(ESTIMATORS[0], 20, checkpoint=path, every=1000))
    assert not path.exists()
    list(fits_of(ESTIMATORS[0], checkpoint=path, every=1000))
    assert load_checkpoint(path)[1]["alive"] == []


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"schedule": dataclasses.replace(SCHEDULE, learning_rate=0.02)}, {"estimator": ESTIMATORS[1]}],
    ids=str,
)
def test_another_training_does_not_go_on_from_it(other: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    list(fits_of(ESTIMATORS[0], checkpoint=path))
    with pytest.raises(InputError, match="is of a training with other data, weights, seeds or schedule"):
        list(fits_of(**({"estimator": ESTIMATORS[0]} | other), checkpoint=path))


KILLED = """
import hashlib, os, pathlib, signal, sys, torch
from mibench.training.loop import Schedule, train
from mibench.training.networks import perceptron

kill, path = sys.argv[1], sys.argv[2]
calls = {"step": 0, "write": 0}

def dies(where, count):
    calls[where] += 1
    if where == kill and calls[where] == count:
        os.kill(os.getpid(), signal.SIGKILL)

def objective(network, x):
    dies("step", 33)
    gain = -(network(x) - x).square().mean((1, 2))
    return gain, gain

fsync = os.fsync
os.fsync = lambda descriptor: (dies("write", 5), fsync(descriptor))
generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
network, x = perceptron([3, 4, 3], generators), torch.randn(2, 50, 3, generator=generators[0])
fits = train(network, objective, lambda *batch: objective(*batch)[0], (x,), (x,), schedule=Schedule(
    16, 0.01, "constant", 0.0, 0.9, max_steps=60, validate_every=5, patience=9
), generators=generators, checkpoint=pathlib.Path(path) if path else None, every=0)
for replica, fit in fits:
    values = b"".join(values.detach().numpy().tobytes() for values in fit.network.parameters())
    print(replica, fit.steps, fit.training, hashlib.sha256(values).hexdigest())
"""


def test_kill_9_loses_no_bit(tmp_path: Path) -> None:
    """In a step, and in the middle of writing."""

    def run(kill: str, path: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED, kill, path]
        root = Path(mibench.__file__).parents[1]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    whole = run("", "")
    assert len(whole.stdout.splitlines()) == 2, whole.stderr
    for kill in ("step", "write"):
        path = tmp_path / f"{kill}.safetensors"
        assert run(kill, str(path)).returncode == -signal.SIGKILL
        assert 0 < load_checkpoint(path)[1]["step"] < 60
        assert run("", str(path)).stdout == whole.stdout
