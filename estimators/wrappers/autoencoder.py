"""An autoencoder of one block of columns: a network that squeezes a point into few numbers and rebuilds it."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.functional import l1_loss

from mibench.interface import Array, Context

BATCH_SIZE = 128
LEARNING_RATE = 2e-3
VALIDATION = 0.1  # fraction of the points that stops the training
VALIDATE_EVERY = 100
PATIENCE = 5  # validations without a new best that end the training
ROWS_AT_ONCE = 2**14


def autoencoder_codes(block: Array, dim: int, hidden: int, max_steps: int, context: Context) -> tuple[Array, float]:
    """Codes (n, dim) of a block (n, columns), and the share of held-out variance that the decoder rebuilds from them.

    Encoder and decoder have two hidden layers each. Adam lowers the mean absolute error of the rebuilt points, whose
    gradient does not fade as they become exact, on 90% of them; the error on the others picks the weights and ends the
    training. The block is centred and divided by one number: its columns keep their relative weight.
    """
    generator = torch.Generator().manual_seed(int(context.rng.integers(2**63)))
    centered = block - block.mean(axis=0)
    points = torch.from_numpy((centered / centered.std()).astype(np.float32)).to(context.device)
    order = torch.randperm(len(points), generator=generator).to(context.device)
    held_out = math.ceil(VALIDATION * len(points))
    validation, training = points[order[:held_out]], points[order[held_out:]]
    encoder = perceptron([block.shape[1], hidden, hidden, dim], generator)
    decoder = perceptron([dim, hidden, hidden, block.shape[1]], generator)
    with one_thread():
        network = nn.Sequential(encoder, decoder).to(context.device)
        fit(network, training, validation, max_steps, generator)
        with torch.inference_mode():
            codes = np.concatenate([encoder(part).cpu().numpy() for part in torch.split(points, ROWS_AT_ONCE)])
            lost = (network(validation) - validation).square().mean() / validation.square().mean()
    return codes.astype(np.float64), 1 - float(lost)


def fit(
    network: nn.Module, training: torch.Tensor, validation: torch.Tensor, max_steps: int, generator: torch.Generator
) -> None:
    """Train a network to rebuild points, and leave it with the weights that were best on the validation part."""
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    best, best_step, kept = math.inf, 0, copy.deepcopy(network.state_dict())
    for step in range(1, max_steps + 1):
        rows = torch.randint(len(training), (min(BATCH_SIZE, len(training)),), generator=generator)
        batch = training[rows.to(training.device)]
        optimizer.zero_grad()
        torch.autograd.backward(l1_loss(network(batch), batch))
        optimizer.step()
        if step % VALIDATE_EVERY == 0 or step == max_steps:
            with torch.inference_mode():
                error = float(l1_loss(network(validation), validation))
            if error < best:
                best, best_step, kept = error, step, copy.deepcopy(network.state_dict())
            elif step >= best_step + PATIENCE * VALIDATE_EVERY:
                break
    network.load_state_dict(kept)


def perceptron(sizes: list[int], generator: torch.Generator) -> nn.Sequential:
    """Linear layers of the given sizes with GELU between them: smooth, as an encoder should bend and not fold.

    Weights are uniform in +-1/sqrt(inputs), from the generator: torch's own initialisation draws from its global one.
    """
    layers: list[nn.Module] = []
    for inside, outside in itertools.pairwise(sizes):
        layer = nn.Linear(inside, outside, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            for values in (layer.weight, layer.bias):
                values.uniform_(-1 / math.sqrt(inside), 1 / math.sqrt(inside), generator=generator)
        layers += [layer, nn.GELU()]
    return nn.Sequential(*layers[:-1])


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, with which steps of this size are as fast as with several, and restore it after."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
