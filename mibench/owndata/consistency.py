"""Is an estimator consistent with itself on data whose mutual information nobody knows?

Whatever I(X; Y) is, three relations between it and the MI of changed data hold exactly. An estimator that breaks them
is wrong; one that keeps them may still be wrong by a factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mibench.checks import Pair, UnsupportedError, check_supported
from mibench.estimating import Estimation
from mibench.interface import Array, InputError, Kinds, Sample, Shape, are_discrete, kinds_of
from mibench.owndata.columns import Discrete, as_pair
from mibench.owndata.estimation import one_line, start_of
from mibench.progress import SILENT, Progress
from mibench.registry import EstimatorLike, make_estimator

TOLERANCE = 0.05  # nats from 0, or a ratio's distance from 1: as much as a solved task may err by


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
    """Ask an estimator for six estimates of the same n rows, between which MI obeys three relations:

        independence     I(X; Y') = 0                       Y' is Y with its rows permuted, n rows
        data processing  I(X; [Y, h(Y)]) = I(X; Y)          h is any function: h(Y) adds nothing to Y, n rows
        additivity       I([X1, X2]; [Y1, Y2])              the rows cut at random into halves 1 and 2, which are set
                           = I(X1; Y1) + I(X2; Y2)          side by side: floor(n / 2) rows

    The two sides of the last are estimated from equally many rows, so that a bias that depends on n alone is not taken
    for a lack of additivity. The results scatter as estimates of n and n / 2 rows do: run several seeds to see it.

    Parameters
    ----------
    x, y, estimator, x_discrete, y_discrete, device, threads, parameters
        As in `mibench.estimate`; the estimator must estimate mutual information, as the relations are those of MI.
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
        raise UnsupportedError(
            f"{made.label()} estimates {made.quantity}; the laws of self-consistency are those of MI"
        )
    pair = as_pair(x, y, x_discrete, y_discrete)
    check_supported(made, pair)
    start = start_of(made, seed, device, threads)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    shuffled = rng.permutation(pair.y)
    first, second = rng.permutation(len(pair.x))[: len(pair.x) // 2 * 2].reshape(2, -1)
    added, kinds = _processed(pair, processing)
    errors: dict[str, str] = {}

    def value(left: Array, right: Array, times: int = 1, more: Kinds = ()) -> float:
        shape = Shape(len(left), pair.shape.x * times, pair.shape.y * times + more)
        return Estimation(made, Sample(left, right, declared=shape), start).estimate().value

    def ask(name: str, left: Array, right: Array, times: int = 1, more: Kinds = ()) -> float | None:
        try:
            found = value(left, right, times, more)
            if not math.isfinite(found):
                raise InputError(f"the estimate is {found}")
        except (Exception, SystemExit) as error:  # one relation must not lose the others
            errors[name] = one_line(error)
            return None
        return found

    original = value(pair.x, pair.y)
    side_by_side = [np.hstack([side[first], side[second]]) for side in (pair.x, pair.y)]
    parts = [ask("halves", pair.x[half], pair.y[half]) for half in (first, second)]
    return Consistency(
        estimate=original,
        permuted=ask("permuted", pair.x, shuffled),
        processed=ask("processed", pair.x, np.hstack([pair.y, added]), more=kinds),
        halves=None if parts[0] is None or parts[1] is None else parts[0] + parts[1],
        joined=ask("joined", side_by_side[0], side_by_side[1], times=2),
        errors=errors,
    )


def _processed(pair: Pair, processing: Callable[[Array], Array] | None) -> tuple[Array, Kinds]:
    """Return h(Y) and the kinds of its columns; see `self_consistency`."""
    discrete = are_discrete(pair.shape.y)
    if processing is not None:
        added = np.asarray(processing(pair.y.copy()), dtype=np.float64).reshape(len(pair.y), -1)
        return added, kinds_of(added.shape[1])
    if discrete.all():
        return pair.y % 2, pair.shape.y
    numbers = pair.y[:, ~discrete]
    return ((numbers - numbers.mean(axis=0)) / numbers.std(axis=0)) ** 2, kinds_of(numbers.shape[1])


def _ratio(upper: float | None, lower: float | None) -> float | None:
    return upper / lower if upper is not None and lower is not None and lower > 0 else None


# ---------------------------------------------------------------------------------------------------------------------
# Several seeds, several estimators, in words


@dataclass(frozen=True)
class Relation:
    """How an estimator kept one relation: `value` should be `expected`.

    `value` and `sd` are mean and standard deviation over seeds (None where it is not known, or of one seed), se
    = sd / sqrt(seeds). The verdict is "kept" or "broken" where all of value +- 2 se is within `TOLERANCE` of
    what is expected, or all outside; else it is "unclear". `meaning` is a sentence for people.
    """

    name: str
    formula: str
    expected: float
    value: float | None
    sd: float | None
    verdict: Literal["kept", "broken", "unclear", "unknown"]
    meaning: str

    @property
    def off(self) -> float | None:
        """How far from what is expected."""
        return None if self.value is None else self.value - self.expected


@dataclass(frozen=True)
class Judged:
    """One of several estimators: its mean estimate of the data in nats and its three relations; or why there are none.

    The status is "ok", "skipped" where the estimator does not support such data, or "error".
    """

    name: str
    estimate: float | None
    relations: tuple[Relation, ...]
    status: Literal["ok", "skipped", "error"]
    error: str | None


# name -> formula, what is expected, and in words: it is kept, the value is below what is expected, it is above.
_RELATIONS = {
    "independence": (
        "I(X; Y permuted)",
        0.0,
        "no information is found where there is none",
        "the estimate is below 0 where there is no information",
        "information is found where there is none",
    ),
    "data processing": (
        "I(X; [Y, h(Y)]) / I(X; Y)",
        1.0,
        "a function of Y beside Y changes little",
        "a function of Y beside Y lowers the estimate, though it takes nothing away",
        "a function of Y beside Y raises the estimate: not all that Y tells was seen without it",
    ),
    "additivity": (
        "I([X1, X2]; [Y1, Y2]) / (I(X1; Y1) + I(X2; Y2))",
        1.0,
        "the information of independent halves adds up",
        "independent halves side by side have less information than their sum: some is lost in more columns",
        "independent halves side by side have more information than their sum",
    ),
}


def judge(
    x: Any,
    y: Any,
    estimators: Sequence[str],
    *,
    seeds: Sequence[int] = range(5),
    device: str = "cpu",
    progress: Progress = SILENT,
) -> list[Judged]:
    """Ask each estimator for `self_consistency` with every seed, and say in words how it keeps the relations.

    The seeds change permutation, halves and the estimator's own randomness, never the data: on other data the results
    scatter more. An estimator that fails has an error line in place of its relations, and does not lose the others.
    """
    progress.begin(len(estimators) * len(seeds))
    judged = []
    for place, name in enumerate(estimators):
        found: list[Consistency] = []
        try:
            for number, seed in enumerate(seeds, start=1):
                found.append(self_consistency(x, y, name, seed=seed, device=device))
                progress.reached(place * len(seeds) + number)
        except UnsupportedError as reason:
            judged.append(Judged(name, None, (), "skipped", str(reason)))
        except (Exception, SystemExit) as failure:  # one estimator must not lose the others
            judged.append(Judged(name, None, (), "error", one_line(failure)))
        else:
            judged.append(Judged(name, float(np.mean([one.estimate for one in found])), relations(found), "ok", None))
    return judged


def relations(found: Sequence[Consistency]) -> tuple[Relation, ...]:
    """Judge the three relations by what several seeds gave of the same data."""
    permuted = [one.independence for one in found if one.independence is not None]
    # Where no more is found than in permuted rows, a ratio of two such estimates is one of noise.
    nothing = bool(permuted) and max(permuted) >= float(np.mean([one.estimate for one in found]))
    return (
        _relation("independence", [one.independence for one in found], _reason(found, "permuted"), noise=False),
        _relation(
            "data processing", [one.data_processing for one in found], _reason(found, "processed"), noise=nothing
        ),
        _relation("additivity", [one.additivity for one in found], _reason(found, "halves", "joined"), noise=nothing),
    )


def explanation(seeds: int) -> str:
    """Say below the relations what they are, and what a verdict means."""
    formulas = "; ".join(f"{name}: {formula}" for name, (formula, *_) in _RELATIONS.items())
    over = f"mean ± sd over {seeds} seeds of permutation and halves; " if seeds > 1 else ""
    errors = " by two standard errors" if seeds > 1 else ""
    return (
        f"{formulas}; h(Y): the squares of Y, of labels their parity; 1, 2: random halves of the rows; {over}kept: "
        f"within {TOLERANCE:g} (nats, or of a ratio){errors}; an estimator that "
        "breaks a law is wrong on these data, one that keeps them may still be"
    )


def _reason(found: Sequence[Consistency], *names: str) -> str:
    """Why a value is not known."""
    errors = [one.errors[name] for one in found for name in names if name in one.errors]
    return errors[0] if errors else "it is divided by an estimate that is not above 0"


def _relation(name: str, values: Sequence[float | None], reason: str, *, noise: bool) -> Relation:
    formula, expected, kept, below, above = _RELATIONS[name]
    known = np.array([value for value in values if value is not None])
    if len(known) < len(values):
        return Relation(name, formula, expected, None, None, "unknown", f"not known: {reason}")
    value, sd = float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else None
    off, reach = value - expected, 0.0 if sd is None else 2 * sd / math.sqrt(len(known))
    if noise:
        meaning = "no more is found in these rows than in permuted ones, so that a ratio says nothing"
        return Relation(name, formula, expected, value, sd, "unclear", meaning)
    if abs(off) + reach <= TOLERANCE:
        return Relation(name, formula, expected, value, sd, "kept", kept)
    if abs(off) - reach > TOLERANCE:
        return Relation(name, formula, expected, value, sd, "broken", below if off < 0 else above)
    return Relation(name, formula, expected, value, sd, "unclear", f"{len(known)} seeds scatter too much to tell")
