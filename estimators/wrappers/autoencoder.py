"""An autoencoder of one block of columns: a network that squeezes a point into few numbers and rebuilds it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mibench.interface import Array, Context
from mibench.training.devices import torch_threads
from mibench.training.loop import Schedule, train
from mibench.training.networks import perceptron
from mibench.training.splits import split

VALIDATION = 0.1  # fraction of the points that stops the training
ROWS_AT_ONCE = 2**14


def autoencoder_codes(block: Array, dim: int, hidden: int, max_steps: int, context: Context) -> tuple[Array, float]:
    """Codes (n, dim) of a block (n, columns), and the share of held-out variance that the decoder rebuilds from them.

    Encoder and decoder have two hidden layers each. Adam lowers the mean absolute error of the rebuilt points, whose
    gradient does not fade as they become exact, on 90% of them; the error on the others picks the weights and ends the
    training. The block is centred and divided by one number: its columns keep their relative weight. SiLU is smooth, as
    an encoder should bend and not fold.
    """
    n, columns = block.shape
    centered = block - block.mean(axis=0)
    points = torch.from_numpy((centered / centered.std()).astype(np.float32)).to(context.device)
    rows, held_out, _ = map(torch.from_numpy, split(n, max(VALIDATION, 1 / n), 0.0, context.rng))
    training, validation = points[None, rows], points[None, held_out]
    generators = [torch.Generator().manual_seed(int(context.rng.integers(2**63)))]
    encoder = perceptron([columns, hidden, hidden, dim], generators, "silu")
    decoder = perceptron([dim, hidden, hidden, columns], generators, "silu")
    network = nn.Sequential(encoder, decoder).to(context.device)
    schedule = Schedule(128, 2e-3, "constant", 0.0, 0.9, max_steps, validate_every=100, patience=5)
    with torch_threads(1):  # steps of this size are as fast with one as with several
        ((_, fit),) = train(
            network, rebuilding, lambda *given: rebuilding(*given)[0], (training,), (validation,),
            schedule=schedule, generators=generators,
        )  # fmt: skip
        with torch.inference_mode():
            codes = [fit.network[0](part[None])[0].cpu().numpy() for part in torch.split(points, ROWS_AT_ONCE)]
            lost = (fit.network(validation) - validation).square().mean() / validation.square().mean()
    return np.concatenate(codes).astype(np.float64), 1 - float(lost)


def rebuilding(network: nn.Sequential, points: Tensor) -> tuple[Tensor, Tensor]:
    """Minus the mean absolute error (B,) of rebuilt points (B, n, columns), to climb and for the curve."""
    gain = -(network(points) - points).abs().mean((1, 2))
    return gain, gain
