"""Before the training: the rows of each part, the codes of the columns, and the threads."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from mibench.interface import Array, Kinds

Rows = NDArray[np.intp]
Margins = Literal["standard", "normal", "given"]
Codes = NDArray[np.float32]
MOST_LEVELS = 64  # of a label column that get an indicator each


def split(n: int, validation: float, evaluation: float, rng: np.random.Generator) -> tuple[Rows, Rows, Rows]:
    """Rows of the training, validation and evaluation parts: random, disjoint, together all."""
    n_evaluation, n_validation = round(evaluation * n), round(validation * n)
    n_training = n - n_validation - n_evaluation
    training, validating, evaluating = np.split(rng.permutation(n), [n_training, n_training + n_validation])
    return training, validating, evaluating


def cross_split(n: int, validation: float, folds: int, rng: np.random.Generator) -> list[tuple[Rows, Rows, Rows]]:
    """The three parts for each of several folds; every row is evaluated in exactly one.

    Training and validation parts have the same size in all folds, so that the folds train as one stack; where n is no
    multiple of the folds, one row sits out of the training of some.
    """
    parts = np.array_split(rng.permutation(n), folds)
    n_validation = round(validation * n)
    n_training = n - n_validation - math.ceil(n / folds)
    splits = []
    for fold, evaluating in enumerate(parts):
        others = np.concatenate([*parts[fold + 1 :], *parts[:fold]])
        splits.append((others[n_validation : n_validation + n_training], others[:n_validation], evaluating))
    return splits


def encode(block: Array, kinds: Kinds, training: Rows, margins: Margins) -> Codes:
    """Columns as a network takes them; everything fitted (levels, mean and scale, ranks) is of the training rows.

    A column of labels becomes one indicator per level, for the `MOST_LEVELS` most frequent ones. Every other column,
    and labels of still more levels (counts, say), are standardised, mapped to normal scores, or ("given") centred only.
    All maps are functions of one variable's column, so that a lower bound on the codes is one on the variables.
    """
    columns: list[Array] = []
    for values, kind in zip(block.T, kinds, strict=True):
        fitted = np.sort(values[training])
        if kind == "discrete":
            levels, counts = np.unique(fitted, return_counts=True)
            frequent = levels[np.argsort(-counts, kind="stable")[:MOST_LEVELS]]
            columns.append((values[:, None] == frequent).astype(float))
            if len(levels) <= MOST_LEVELS:
                continue
        if margins == "normal":
            below, at_most = np.searchsorted(fitted, values, "left"), np.searchsorted(fitted, values, "right")
            columns.append(ndtri((below + at_most + 1) / (2 * len(fitted) + 2))[:, None])
        else:
            # Rounding can give equal values a standard deviation of 1e-17 times their size.
            scale = fitted.std() if margins == "standard" and fitted[0] < fitted[-1] else 1.0
            columns.append(((values - fitted.mean()) / (scale or 1.0))[:, None])
    return np.hstack(columns).astype(np.float32)


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch use so many threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
