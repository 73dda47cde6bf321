"""What the tests of distributions share."""

import numpy as np

from mibench.interface import Array
from mibench.registry import DistributionLike, make_distribution


def truth(spec: DistributionLike, **parameters: object) -> float:
    """The true MI of a distribution."""
    found = make_distribution(spec, **parameters).ground_truth()
    assert found is not None
    assert found.standard_error == 0
    return found.value


def pmi_of(spec: str, x: Array, y: Array) -> Array:
    """The pointwise MI of pairs, given as columns or as vectors for 1 x 1."""
    found = make_distribution(spec).pmi(np.reshape(x, (len(x), -1)), np.reshape(y, (len(y), -1)))
    assert found is not None
    return found


def rng(seed: int) -> np.random.Generator:
    """Fresh randomness."""
    return np.random.default_rng(seed)


def plogp(p: Array) -> Array:
    """The terms p log p of an entropy."""
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0)
