"""Training steps per second of a separable InfoNCE critic (2 x 256, 64 + 64 dimensions): stacked against one by one.

python -m pytest benchmarks/bench_training.py --benchmark-enable

All ways are timed in turn, several times over, in one run with two threads; `extra_info` holds, for 1, 8 and 32 stacked
replicas and for the three baselines, replica-steps per second (the best round), and the ratios of 8 replicas to the
baselines. The goals: 2.5 against plain Adam, 2 against the fused one, 1.3 against two processes of one thread each.
"Two processes, a stack of 8 each" is how `mibench run` divides trials among two cores. "Products" is the rate at which
the matrix products of a step alone would go on both cores: what no engine of the same network can exceed in float32.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Literal

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from mibench.estimators.variational.bounds import infonce
from mibench.estimators.variational.infonce import InfoNCE
from mibench.training.loop import Schedule, train

DIM, POINTS = 64, 4000
WIDTH, EMBEDDING = 256, 32
ROUNDS = 3
Loop = Callable[[int, int], float]  # batch size and steps to replica-steps per second


def points(replicas: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(replicas, POINTS, DIM, generator=generator)
    return x, 0.5 * x + torch.randn(replicas, POINTS, DIM, generator=generator)


def stacked(replicas: int, batch: int, steps: int, precision: Literal["float32", "bfloat16"] = "float32") -> float:
    """Replica-steps per second of the engine; its moving average of the weights is included."""
    estimator = InfoNCE(critic="separable", hidden=WIDTH, embedding=EMBEDDING, batch_size=batch)
    generators = [torch.Generator().manual_seed(seed) for seed in range(replicas)]
    network, data = estimator.network(DIM, DIM, generators), points(replicas)
    schedule = Schedule(batch, 1e-3, "constant", 0.01, 0.99, steps, steps, 1, precision)
    start = time.perf_counter()
    fits = train(
        network,
        estimator.objective,
        unvalidated,
        data,
        (data[0][:, :1], data[1][:, :1]),
        schedule=schedule,
        generators=generators,
    )
    assert [fit.steps for _, fit in fits] == [steps] * replicas
    return replicas * steps / (time.perf_counter() - start)


def unvalidated(_network: nn.Module, x: Tensor, _y: Tensor) -> Tensor:
    """No bound: the steps alone are timed."""
    return torch.zeros(len(x))


def one_by_one(batch: int, steps: int, *, fused: bool) -> float:
    """Steps per second of a plain loop over plain modules, without a moving average."""

    def network() -> nn.Sequential:
        first, second, last = nn.Linear(DIM, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, EMBEDDING)
        return nn.Sequential(first, nn.Softplus(2.0), second, nn.Softplus(2.0), last)

    with torch.random.fork_rng(devices=[]):
        embed_x, embed_y = network(), network()
    (x,), (y,) = points(1)
    parameters = [*embed_x.parameters(), *embed_y.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=fused or None)
    generator = torch.Generator().manual_seed(0)
    start = time.perf_counter()
    for _ in range(steps):
        rows = torch.randint(POINTS, (batch,), generator=generator)
        optimizer.zero_grad()
        torch.autograd.backward(-infonce(embed_x(x[rows]) @ embed_y(y[rows]).T))
        optimizer.step()
    return steps / (time.perf_counter() - start)


def products(batch: int, steps: int) -> float:
    """Steps per second of nothing but the matrix products of a step: forward, and backward to weights and inputs."""
    layers = [
        (torch.randn(batch, inside), torch.randn(inside, outside), torch.randn(batch, outside))
        for inside, outside in 2 * ((DIM, WIDTH), (WIDTH, WIDTH), (WIDTH, EMBEDDING))
    ]
    layers.append((torch.randn(batch, EMBEDDING), torch.randn(EMBEDDING, batch), torch.randn(batch, batch)))
    start = time.perf_counter()
    for _ in range(steps):
        for values, weight, gradient in layers:
            _ = values @ weight, values.T @ gradient
            if values.shape[1] != DIM:  # nothing is before the data
                _ = gradient @ weight.T
    return steps / (time.perf_counter() - start)


def in_two_processes(loop: Loop, batch: int, steps: int) -> float:
    """Steps per second of two such loops at once, each in its own process with one thread."""
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(2), context.SimpleQueue()
    workers = [context.Process(target=_alone, args=(barrier, queue, loop, batch, steps)) for _ in range(2)]
    for worker in workers:
        worker.start()
    rates = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    return float(sum(rates))


def _alone(barrier: Barrier, queue: multiprocessing.SimpleQueue[float], loop: Loop, batch: int, steps: int) -> None:
    torch.set_num_threads(1)
    loop(batch, 5)
    barrier.wait()
    queue.put(loop(batch, steps))


@pytest.mark.parametrize("batch", [128, 256])
def bench_training(benchmark: BenchmarkFixture, batch: int) -> None:
    steps = 200 if benchmark.enabled else 3
    ways: dict[str, Callable[[], float]] = {
        "one by one, Adam": lambda: one_by_one(batch, steps, fused=False),
        "one by one, fused Adam": lambda: one_by_one(batch, steps, fused=True),
        "two processes": lambda: in_two_processes(partial(one_by_one, fused=True), batch, steps),
        "stack of 1": lambda: stacked(1, batch, steps),
        "stack of 8": lambda: stacked(8, batch, steps // 2 + 1),
        "stack of 32": lambda: stacked(32, batch, steps // 8 + 1),
        "two processes, a stack of 8 each": lambda: in_two_processes(partial(stacked, 8), batch, steps // 2 + 1),
        "products": lambda: in_two_processes(products, batch, steps),
        "stack of 8, bfloat16": lambda: stacked(8, batch, steps // 2 + 1, "bfloat16"),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}

    def a_round() -> None:
        for name, rate in ways.items():
            rates[name].append(rate())

    run: Callable[..., None] = benchmark.pedantic
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(a_round, rounds=ROUNDS if benchmark.enabled else 1)
    finally:
        torch.set_num_threads(threads)
    best = {name: max(values) for name, values in rates.items()}
    benchmark.extra_info.update({name: round(rate) for name, rate in best.items()})
    for name in list(ways)[:3]:
        benchmark.extra_info[f"stack of 8 / {name}"] = round(best["stack of 8"] / best[name], 2)
