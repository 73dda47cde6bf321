"""Draw the staircase: what bounds say of their own training batches while the mutual information rises in steps.

    python benchmarks/staircase_figure.py --out results/figures/training-staircase.{pdf,png}
    python benchmarks/staircase_figure.py --steps 30 --out /tmp/trial.png

X and Y are 20-dimensional normal variables, and once more with Y cubed, which keeps the MI of 2, 4, 6, 8, 10 nats.
Every step draws a new batch; a bound is evaluated on the batch that is trained on next, so on points it has not seen,
with the batch's own negatives. All bounds and both kinds of data train as one stack, on the same samples. A
concatenated critic scores all pairs of a batch: with 256 points that takes hours on a CPU, and it is left out.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from mibench.estimators.variational import bounds
from mibench.estimators.variational.critics import Kind, make_critic
from mibench.interface import Array
from mibench.report import figures
from mibench.report.staircase import Curve, draw_training

DIM, LEVELS = 20, (2.0, 4.0, 6.0, 8.0, 10.0)
STEPS = 1000  # eight CPU minutes; the papers take 4000
RATE = 5e-4  # that of the papers; at 1e-3 NWJ collapses at the first step
DATA = ("normal", "cubed")
RUNS: tuple[tuple[Kind, int], ...] = (("separable", 64), ("separable", 256), ("concatenated", 64))
HIDDEN = {"separable": 256, "concatenated": 64}
Bound = Callable[[Tensor], Tensor]


def smile(tau: float) -> Bound:
    """SMILE of all pairs."""
    return lambda scores: bounds.smile(*bounds.pairs_of(scores), tau)


def classification(scores: Tensor) -> Tensor:
    """What SMILE's critic is trained by."""
    return bounds.jensen_shannon(*bounds.pairs_of(scores))


def nwj(scores: Tensor) -> Tensor:
    """Nguyen-Wainwright-Jordan of all pairs."""
    return bounds.nwj(*bounds.pairs_of(scores))


def donsker_varadhan(scores: Tensor) -> Tensor:
    """Donsker-Varadhan of all pairs."""
    return bounds.donsker_varadhan(*bounds.pairs_of(scores))


# What each bound's critic climbs, and the value shown.
BOUNDS: dict[str, tuple[Bound, Bound]] = {
    "InfoNCE": (bounds.infonce, bounds.infonce),
    "NWJ": (nwj, nwj),
    "DV": (donsker_varadhan, donsker_varadhan),
    "SMILE, τ = 5": (classification, smile(5.0)),
    "SMILE, τ = 1": (classification, smile(1.0)),
}


def main() -> None:
    """Train, say what it cost, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps for each level of MI")
    parser.add_argument("--out", type=Path, nargs="+", default=[Path("results/figures/training-staircase.pdf")])
    arguments = parser.parse_args()
    for path in arguments.out:
        figures.check_path(path)
    torch.set_num_threads(1)
    curves = {}
    for critic, batch in RUNS:
        start = time.process_time()
        curves[critic, batch] = train(critic, batch, arguments.steps)
        print(f"{critic}, batch {batch}: {time.process_time() - start:.0f} CPU s")
    draw(curves, arguments.steps, arguments.out)


def train(kind: Kind, batch: int, steps: int) -> Array:
    """Values (bounds, data, steps) of a stack of critics, one for each bound and kind of data, in that order."""
    replicas = len(BOUNDS) * len(DATA)
    generators = [torch.Generator().manual_seed(0) for _ in range(replicas)]
    critic = make_critic(kind, DIM, DIM, generators, hidden=HIDDEN[kind], layers=2, embedding=32, activation="relu")
    optimizer = torch.optim.AdamW(critic.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    samples, values = torch.Generator().manual_seed(1), []
    for level in LEVELS:
        rho = math.sqrt(-math.expm1(-2 * level / DIM))
        for _ in range(steps):
            x, noise = torch.randn(2, batch, DIM, generator=samples)
            y = rho * x + math.sqrt(1 - rho**2) * noise
            scores = critic.all_pairs(
                x.expand(replicas, -1, -1), torch.stack([y, y**3]).repeat(len(BOUNDS), 1, 1)
            ).view(len(BOUNDS), len(DATA), batch, batch)
            gains = [climbed(one) for one, (climbed, _) in zip(scores, BOUNDS.values(), strict=True)]
            with torch.no_grad():
                shown = [value(one) for one, (_, value) in zip(scores, BOUNDS.values(), strict=True)]
            values.append(torch.stack(shown))
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(-torch.stack(gains).sum())
            optimizer.step()
    return torch.stack(values, -1).double().numpy()


def draw(curves: dict[tuple[Kind, int], Array], steps: int, paths: list[Path]) -> None:
    """A column for each bound, a row for each kind of data and batch size."""
    truth = [(step * steps, level) for step, level in enumerate(LEVELS)]
    rows = [(data, batch) for data in range(len(DATA)) for batch in (64, 256)]
    with mpl.rc_context(figures.STYLE):
        figure, axes = plt.subplots(
            len(rows), len(BOUNDS), figsize=(7.0, 5.4), sharex=True, sharey=True, layout="constrained"
        )
        for axis, name in zip(axes[0], BOUNDS, strict=True):
            axis.set_title(name)
        for row, (data, batch) in enumerate(rows):
            for column in range(len(BOUNDS)):
                lines = critics(curves, batch, column, data)
                draw_training(axes[row, column], lines, truth, ceiling=math.log(batch), window=max(steps // 10, 1))
            axes[row, 0].set_ylabel(f"{DATA[data]}, K = {batch}")
        handles = {line.get_label(): line for axis in axes[0] for line in axis.lines if line.get_label()[0] != "_"}
        figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=4, frameon=False)
        figure.supxlabel(f"training step; {steps:,} for each level", fontsize=7)
        figure.supylabel("estimate in nats", fontsize=7)
        for path in paths:
            figures.save(figure, path)


def critics(curves: dict[tuple[Kind, int], Array], batch: int, bound: int, data: int) -> dict[str, Curve]:
    """The curve of each kind of critic at a batch size."""
    return {
        f"{kind} critic": list(enumerate(found[bound, data])) for (kind, size), found in curves.items() if size == batch
    }


if __name__ == "__main__":
    main()
