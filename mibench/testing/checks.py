"""What both sets of common checks share: a check bound to its subject, and the checks of facts and parameters."""

from __future__ import annotations

import contextlib
import functools
import inspect
import pickle
import random
import re
import sys
import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from mibench import bibliography
from mibench.failures import place_of
from mibench.interface import Configurable, Estimator, InputError, JointDistribution, parameters_of
from mibench.registry import Catalogue, Spec, catalogue_of, full_spec, nearest

Subject = TypeVar("Subject", Estimator, JointDistribution)
NOTHING: Mapping[str, str] = {}  # is expected to fail


class NotApplicable(unittest.SkipTest):
    """Raised by a check that has nothing to check in its subject; the text is the reason."""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One check of one subject. Calling it makes the subject anew and raises AssertionError where the check fails.

    A check that does not apply raises `NotApplicable`, which pytest and unittest report as skipped with its reason.
    So does one that fails as its `expected_failure` says; one that passes although it is expected to fail is an error.
    """

    name: str
    subject: str
    make: Callable[[], Subject]
    function: Callable[[Subject], None]
    expected_failure: str | None = None

    def __str__(self) -> str:
        return f"{self.subject}-{self.name}"

    def __call__(self) -> None:
        """Run the check."""
        try:
            self.function(self.make())
        except NotApplicable:
            raise
        except Exception as error:
            if self.expected_failure is not None:
                raise NotApplicable(f"fails as expected: {self.expected_failure}") from error
            what = f"raises {type(error).__name__}: {error} ({place_of(error)})"
            what = str(error) if isinstance(error, AssertionError) else what
            raise AssertionError(f"{self}: {what}") from error
        if self.expected_failure is not None:
            raise AssertionError(f"{self}: passes, though expected to fail ({self.expected_failure})")


@dataclass(frozen=True)
class Outcome:
    """How one check ended; `reason` says why it was skipped or what failed."""

    check: str
    status: Literal["passed", "skipped", "failed"]
    reason: str = ""


def bind(
    functions: Mapping[str, Callable[[Subject], None]],
    catalogue: Catalogue[Subject],
    subject: str | Spec | Subject | type[Subject],
    parameters: Mapping[str, Any],
    expected_failures: Mapping[str, str],
) -> list[Check[Subject]]:
    """Bind every check to a subject, which is made (and imported) only when a check runs."""
    for name in expected_failures:
        if name not in functions:
            raise InputError(f"no check is named {name!r}{nearest(name, list(functions))}")

    def make() -> Subject:
        spec = catalogue.spec(subject) if isinstance(subject, str) else subject
        if isinstance(spec, Spec):
            example = "" if spec.parameters else catalogue.find(spec.name).facts.example
            return catalogue.make(example or spec, **parameters)
        return catalogue.make(spec, **parameters)

    label = subject.label() if isinstance(subject, Configurable | type) else str(subject)
    return [Check(name, label, make, function, expected_failures.get(name)) for name, function in functions.items()]


def run_all(checks: Iterable[Check[Any]]) -> list[Outcome]:
    """Run the checks; raise one AssertionError that names all that failed, or return how each ended."""
    outcomes = []
    for check in checks:
        try:
            check()
            outcomes.append(Outcome(check.name, "passed"))
        except NotApplicable as reason:
            outcomes.append(Outcome(check.name, "skipped", str(reason)))
        except AssertionError as error:
            outcomes.append(Outcome(check.name, "failed", str(error)))
    failed = [outcome.reason for outcome in outcomes if outcome.status == "failed"]
    if failed:
        raise AssertionError("\n".join([f"{len(failed)} of {len(outcomes)} checks failed", *failed]))
    return outcomes


# ---------------------------------------------------------------------------------------------------------------------
# Checks of any subject


def check_facts(subject: Estimator | JointDistribution) -> None:
    """The facts are complete: kebab-case name, short summary, version, citation as BibTeX, family = folder."""
    facts, cls = subject.facts, type(subject)
    if facts.family == "own" and not facts.citation:
        raise NotApplicable("registered nowhere: it carries no facts")
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", facts.name), f"name {facts.name!r} is not kebab-case"
    assert facts.summary.strip(), "no summary"
    assert not facts.summary.endswith("."), "the summary ends with a full stop"
    assert len(facts.summary) < 100, f"the summary has {len(facts.summary)} characters; fewer than 100 fit a listing"
    assert facts.version.strip(), "no version"
    assert subject.version, "no version"
    problem = bibtex_problem(facts.citation)
    assert problem is None, f"citation: {problem}"
    assert inspect.getdoc(cls), "the class has no docstring"
    room = cls.__module__.removeprefix("mibench.").split(".")
    if cls.__module__.startswith(("mibench.estimators.", "mibench.distributions.")):
        assert facts.family == room[1], f"family {facts.family!r}, but it lives in {room[0]}/{room[1]}"


def bibtex_problem(text: str) -> str | None:
    """Say what keeps a text from being BibTeX entries with author, title and year; None where nothing does."""
    entries = bibliography.separate(text.strip())
    for entry in entries:
        head = re.match(r"@\w+\s*\{\s*[^\s,{}]+\s*,", entry)
        if head is None:
            return f"{entry.strip()[:40]!r} does not start like @article{{key, ..."
        if not entry.rstrip().endswith("}") or entry.count("{") != entry.count("}"):
            return f"the braces of {head.group()!r} do not match"
        fields = {name.lower() for name in re.findall(r"[,\n]\s*(\w+)\s*=", entry)}
        for needed in ("author", "title", "year"):
            if needed not in fields:
                return f"{head.group()!r} has no {needed}"
    return None if entries else "there is none"


def check_parameters(subject: Estimator | JointDistribution) -> None:
    """Each parameter is documented; a value of a wrong type or beyond its limits is an InputError of one line."""
    for name, info in parameters_of(type(subject)).items():
        assert info.doc.strip(), f"parameter {name} has no description; declare it with parameter(default, 'doc')"
        wrong: list[Any] = [object()]
        wrong += [] if info.low is None else [info.low - 1]
        wrong += [] if info.high is None else [info.high + 1]
        for value in wrong:
            what = f"parameter {name} = {value!r} (to be given: {info.accepted()})"
            assert_refused(functools.partial(subject.with_parameters, **{name: value}), what)


def assert_refused(action: Callable[[], object], what: str) -> None:
    """Fail unless an action raises InputError with one line."""
    message = None
    try:
        action()
    except InputError as error:
        message = str(error)
    assert message is not None, f"{what} is accepted"
    assert message.strip(), f"{what} is refused without a message"
    assert "\n" not in message, f"{what} is refused with a message of several lines"


def check_spec_round_trip(subject: Estimator | JointDistribution) -> None:
    """The full specification, as rows store it, makes an equal object."""
    catalogue = catalogue_of(type(subject))
    if subject.label() not in catalogue.names() or catalogue.find(subject.label()) is not type(subject):
        raise NotApplicable("registered nowhere: its name makes no object")
    text = full_spec(subject)
    again = catalogue.make(text)
    assert again == subject, f"{text} makes {again!r}, not {subject!r}"


def check_pickling(subject: Configurable) -> None:
    """It pickles, as it must to reach a child process, and comes back equal."""
    again = pickle.loads(pickle.dumps(subject))
    assert again == subject, f"comes back from a pickle as {again!r}"


@contextlib.contextmanager
def global_random_state_kept() -> Iterator[None]:
    """Fail if a block changes the state of numpy's, Python's or torch's global random number generator."""
    torch = sys.modules.get("torch")

    def states() -> dict[str, Any]:
        found = {"random": random.getstate(), "numpy.random": np.random.get_state(legacy=False)}  # noqa: NPY002
        return found | ({"torch": torch.get_rng_state().tolist()} if torch is not None else {})

    original = states()
    try:
        # Each generator is first moved to where no earlier call left it: seeding it again and again would not show.
        random.random()
        np.random.random()  # noqa: NPY002
        if torch is not None:
            torch.rand(1)
        before = states()
        yield
        after = states()
        changed = [name for name, state in before.items() if pickle.dumps(state) != pickle.dumps(after[name])]
        hint = ", or seed torch by it inside `with torch.random.fork_rng():`" if "torch" in changed else ""
        assert not changed, f"changes the global state of {', '.join(changed)}; draw from the generator given{hint}"
    finally:
        random.setstate(original["random"])
        np.random.set_state(original["numpy.random"])  # noqa: NPY002
        if torch is not None:
            torch.set_rng_state(torch.tensor(original["torch"], dtype=torch.uint8))
