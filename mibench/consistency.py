"""Is an estimator consistent with itself on data whose mutual information nobody knows?

Whatever I(X; Y) is, three relations between it and the MI of changed data hold exactly. An estimator that breaks them
is wrong; one that keeps them may still be wrong by a factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mibench.estimation import EstimatorLike, estimate
from mibench.inputs import Discrete, as_pair
from mibench.interface import Array, InputError
from mibench.registry import make_estimator


@dataclass(frozen=True)
class Consistency:
    """Estimates in nats of the same data, changed in ways that tell what each should be; see `self_consistency`.

    An estimate that failed is None, its reason is in `errors` by the attribute's name, and what needs it is None. So is
    a ratio over an estimate that is not positive, which says nothing. Where the estimate of the data as they are fails,
    there is no result but that error.
    """

    estimate: float
    permuted: float | None
    processed: float | None
    halves: float | None
    joined: float | None
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def independence(self) -> float | None:
        """I(X; Y with its rows permuted), which should be 0."""
        return self.permuted

    @property
    def data_processing(self) -> float | None:
        """I(X; [Y, h(Y)]) / I(X; Y), which should be 1."""
        return _ratio(self.processed, self.estimate)

    @property
    def additivity(self) -> float | None:
        """I([X1, X2]; [Y1, Y2]) / (I(X1; Y1) + I(X2; Y2)) of two independent halves, which should be 1."""
        return _ratio(self.joined, self.halves)


def self_consistency(
    x: Any,
    y: Any,
    estimator: EstimatorLike = "ksg",
    *,
    seed: int = 0,
    x_discrete: Discrete = None,
    y_discrete: Discrete = None,
    device: str = "cpu",
    threads: int | None = None,
    processing: Callable[[Array], Array] | None = None,
    **parameters: Any,
) -> Consistency:
    """Ask an estimator for six estimates of the same n rows, between which MI obeys three laws:

        independence     I(X; Y') = 0                       Y' is Y with its rows permuted, n rows
        data processing  I(X; [Y, h(Y)]) = I(X; Y)          h is any function: h(Y) adds nothing to Y, n rows
        additivity       I([X1, X2]; [Y1, Y2])              the rows cut at random into halves 1 and 2, which are set
                           = I(X1; Y1) + I(X2; Y2)          side by side: floor(n / 2) rows

    The two sides of the last are estimated from equally many rows, so that a bias that depends on n alone is not taken
    for a lack of additivity. The results scatter as estimates of n and n / 2 rows do: run several seeds to see it.

    Parameters
    ----------
    x, y, estimator, x_discrete, y_discrete, device, threads, parameters
        As in `mibench.estimate`; the estimator must estimate mutual information, as the laws are those of MI.
    seed
        Drives the permutation, the halves, and each estimate.
    processing
        h, from (n, dim_y) to (n, any number of columns, all continuous). By default the squares of the standardised
        continuous columns of y, and where it has none the parity of its labels' codes.

    Source: Song and Ermon, Understanding the limitations of variational mutual information estimators, ICLR (2020),
    who cut images; their ratio for additivity, I([X1, X2]; [Y1, Y2]) / I(X; Y), should be 2.

    >>> self_consistency(x, y, "infonce").additivity
    """
    made = make_estimator(estimator, **parameters)
    if made.quantity != "mi":
        raise InputError(f"{made.label()} estimates {made.quantity}; the laws of self-consistency are those of MI")
    pair = as_pair(x, y, x_discrete, y_discrete)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    shuffled = rng.permutation(pair.y)
    first, second = rng.permutation(len(pair.x))[: len(pair.x) // 2 * 2].reshape(2, -1)
    discrete = np.array(pair.y_discrete)
    kind = processing is None and bool(discrete.all())
    if processing is not None:
        added = np.asarray(processing(pair.y.copy()), dtype=np.float64)
    elif kind:
        added = pair.y % 2
    else:
        numbers = pair.y[:, ~discrete]
        added = ((numbers - numbers.mean(axis=0)) / numbers.std(axis=0)) ** 2
    added = added.reshape(len(pair.y), -1)
    errors: dict[str, str] = {}

    def ask(name: str, left: Array, right: Array, times: int = 1, more: tuple[bool, ...] = ()) -> float | None:
        kinds_x, kinds_y = pair.x_discrete * times, pair.y_discrete * times + more
        try:
            found = estimate(
                left, right, made, seed=seed, x_discrete=kinds_x, y_discrete=kinds_y, device=device, threads=threads
            ).value
            if not math.isfinite(found):
                raise InputError(f"the estimate is {found}")
        except Exception as error:  # one relation must not lose the others
            errors[name] = " ".join(f"{error}".split()) or type(error).__name__
            return None
        return found

    original = estimate(
        pair.x, pair.y, made, seed=seed, x_discrete=pair.x_discrete, y_discrete=pair.y_discrete, device=device,
        threads=threads,
    )  # fmt: skip
    side_by_side = [np.hstack([side[first], side[second]]) for side in (pair.x, pair.y)]
    parts = [ask("halves", pair.x[half], pair.y[half]) for half in (first, second)]
    return Consistency(
        estimate=original.value,
        permuted=ask("permuted", pair.x, shuffled),
        processed=ask("processed", pair.x, np.hstack([pair.y, added]), more=(kind,) * added.shape[1]),
        halves=None if parts[0] is None or parts[1] is None else parts[0] + parts[1],
        joined=ask("joined", side_by_side[0], side_by_side[1], times=2),
        errors=errors,
    )


def _ratio(upper: float | None, lower: float | None) -> float | None:
    return upper / lower if upper is not None and lower is not None and lower > 0 else None
