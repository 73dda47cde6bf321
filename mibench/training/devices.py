"""How many replicas a device trains at once, and how many threads pay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

# Outputs of a hidden layer in one training step of the whole stack: up to so many, several threads are no faster than
# one, and on a busy machine far slower; beyond so many, a stack takes gigabytes.
SMALL_STEP, LARGEST_STEP = 2**16, 2**25
CPU_REPLICAS, CUDA_REPLICAS = 8, 256  # more in one stack are no faster


def replicas_at_once(device: str, numbers_per_step: int) -> int:
    """Return how many replicas to stack, of so many outputs of a hidden layer in a step of each."""
    if device == "cpu":
        return max(1, min(CPU_REPLICAS, LARGEST_STEP // numbers_per_step))
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(CUDA_REPLICAS, free // (64 * numbers_per_step)))  # bytes: some layers, and gradients


def useful_threads(numbers_per_step: int, available: int) -> int:
    """Return how many of the available threads to use for steps of a stack with so many outputs of a hidden layer."""
    return available if numbers_per_step > SMALL_STEP else 1


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
