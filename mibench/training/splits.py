"""Random parts of the rows: to train on, to stop by, to evaluate on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


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
