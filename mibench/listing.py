"""What there is: estimators, distributions, tasks and suites, as lists and as descriptions."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mibench import bibliography, display, suites
from mibench.interface import (
    Configurable,
    DistributionFacts,
    Estimator,
    EstimatorFacts,
    GroundTruth,
    InputError,
    JointDistribution,
    parameters_of,
)
from mibench.registry import distributions, estimators, nearest, parse_spec, write_value


def records(
    what: str,
    suite_names: Sequence[str] = (),
    dim_x: int | None = None,
    dim_y: int | None = None,
    mi: float | None = None,
) -> list[dict[str, Any]]:
    """Return one record for each estimator, distribution, task or suite; truths are computed, in nats."""
    if what != "tasks" and (suite_names or (dim_x, dim_y, mi) != (None, None, None)):
        raise InputError(f"--suite, --dim and --mi apply to `list tasks`, not to `list {what}`")
    if what == "estimators":
        return [_facts(entry.facts) for entry in estimators.entries().values()]
    if what == "distributions":
        return [_facts(entry.facts) for entry in distributions.entries().values()]
    if what == "suites":
        found = [suites.load(name) for name in suites.names()]
        return [
            {"name": s.name, "description": s.description, "tasks": len(s.tasks), "n": list(s.n), "seeds": s.seeds}
            for s in found
        ]
    return _tasks(suite_names or suites.names(), dim_x, dim_y, mi)


def _facts(facts: EstimatorFacts | DistributionFacts) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(facts).items()}


def _tasks(suite_names: Sequence[str], dim_x: int | None, dim_y: int | None, mi: float | None) -> list[dict[str, Any]]:
    from mibench.execution.plan import suite_tasks

    found = []
    for suite in suite_names:
        for task in suite_tasks(suite, dim_x, dim_y, mi)[0]:
            law = task.distribution
            truth = law.ground_truth()
            found.append(
                {
                    "name": task.name,
                    "suite": suite,
                    "dim_x": law.dim_x,
                    "dim_y": law.dim_y,
                    "truth": None if truth is None else truth.value,
                    "truth_se": None if truth is None else truth.standard_error,
                    "truth_method": None if truth is None else truth.method,
                    "family": law.facts.family,
                }
            )
    return found


def as_table(what: str, found: Sequence[dict[str, Any]], width: int | None = None) -> str:
    """Lay the records of a list out for people."""
    if what == "tasks":
        heads = ["task", "suite", "dims", "truth (nats)", "± se", "method", "family"]
        body = []
        for one in found:
            truth = "–" if one["truth"] is None else f"{one['truth']:.6f}"
            error = f"{one['truth_se']:.1e}" if one["truth_se"] else ""
            dims = f"{one['dim_x']} x {one['dim_y']}"
            body.append([one["name"], one["suite"], dims, truth, error, one["truth_method"] or "", one["family"]])
    elif what == "suites":
        heads = ["suite", "tasks", "n", "seeds", "description"]
        body = []
        for one in found:
            sizes = ", ".join(map(str, one["n"]))
            body.append([one["name"], str(one["tasks"]), sizes, str(one["seeds"]), one["description"]])
    elif what == "estimators":
        heads = ["estimator", "family", "quantity", "bound", "supports", "what it is"]
        body = []
        for one in found:
            bound, kinds = "" if one["bound"] == "none" else one["bound"], ", ".join(one["supports"])
            body.append([one["name"], one["family"], one["quantity"], bound, kinds, one["summary"]])
    else:
        heads = ["distribution", "family", "what it is"]
        body = [[one["name"], one["family"], one["summary"]] for one in found]
    return display.table(heads, body, width=width)


# ---------------------------------------------------------------------------------------------------------------------
# One of them


def find(text: str) -> list[Configurable | type[Configurable]]:
    """Find what a name means: an estimator, a distribution or a task; a class where required parameters are missing."""
    name = parse_spec(distributions.resolve(text)).name
    catalogues = [one for one in (estimators, distributions) if name in one.names() or ".py:" in name]
    if not catalogues and name in suites.names():
        raise InputError(f"{name!r} is a suite; `mibench list tasks --suite {name}` shows its tasks")
    if not catalogues:
        names = [*estimators.names(), *distributions.names(), *suites.task_ids()]
        raise InputError(
            f"nothing is named {name!r}{nearest(name, names)}; `mibench list estimators|distributions|tasks` shows all"
        )
    found: list[Configurable | type[Configurable]] = []
    problems = []
    for catalogue in catalogues:
        try:
            cls = catalogue.find(name)
            needed = [key for key, info in parameters_of(cls).items() if info.required]
            given = parse_spec(distributions.resolve(text)).parameters
            found.append(catalogue.make(text) if set(needed) <= given.keys() else cls)
        except InputError as error:
            problems.append(error)
    if not found:
        raise problems[-1]
    return found


def bibtex(found: Sequence[Configurable | type[Configurable]]) -> str:
    """Return the BibTeX entries."""
    entries = [inspect.cleandoc(_class(one).facts.citation) for one in found]
    return "\n\n".join(entry.replace("\n      ", "\n  ").replace("\n    }", "\n}") for entry in entries if entry)


def describe(found: Sequence[Configurable | type[Configurable]]) -> str:
    """Describe estimators or distributions: what they are, formula, parameters, truth, citation."""
    return "\n\n".join(_describe(one) for one in found)


def plot(found: Sequence[Configurable | type[Configurable]], path: Path, title: str) -> None:
    """Draw the distribution among those found, under the name it was asked for; its example where it needs more."""
    from mibench.report import figures, samples

    figures.check_path(path)
    one = next((one for one in found if isinstance(_class(one).facts, DistributionFacts)), None)
    if one is None:
        raise InputError(f"--plot draws a distribution; {_class(found[0]).label()} is an estimator")
    if not isinstance(one, JointDistribution):
        title = _class(one).facts.example
        if not title:
            needed = [key for key, info in parameters_of(_class(one)).items() if info.required]
            raise InputError(
                f"--plot draws a distribution with its parameters; {one.label()} needs {', '.join(needed)}"
            )
        one = distributions.make(title)
    figures.save(samples.picture(one, title), path)


def _class(one: Configurable | type[Configurable]) -> type[Configurable]:
    return one if isinstance(one, type) else type(one)


# Quantities besides mutual information that some distributions know, with their units.
_OTHER_UNITS = {"cs-qmi": "nats", "sliced-mi": "nats", "wasserstein-2": "in the units of the data"}


def _known(truth: GroundTruth, unit: str) -> str:
    error = {
        "closed form": "closed form",
        "quadrature": "quadrature, error below 1e-6",
        "monte carlo": f"Monte Carlo, standard error {truth.standard_error:.1e}",
        "certified interval": f"certified to lie from {truth.low} to {truth.high}",
    }
    return f"{truth.value:.6f} {unit} ({error[truth.method]})"


def _describe(one: Configurable | type[Configurable]) -> str:
    cls = _class(one)
    facts = one.facts  # an object may know more than its class: what it wraps
    kind = "estimator" if issubclass(cls, Estimator) else "distribution"
    lines = [f"{facts.name} ({kind}, family {facts.family}, version {facts.version})", "", facts.summary]
    text = inspect.getdoc(cls) or ""
    if text != facts.summary and not text.startswith(f"{cls.__name__}("):  # which is what dataclass writes by itself
        lines += ["", text]
    if isinstance(facts, EstimatorFacts):
        bound = facts.bound if facts.bound != "none" else "no bound"
        lines += ["", f"estimates  {facts.quantity}, {bound}", f"supports   {', '.join(facts.supports)} columns"]
        claims = [
            word for word, true in (("symmetric", facts.symmetric), ("deterministic", facts.deterministic)) if true
        ]
        lines += [f"is         {', '.join(claims) or 'neither symmetric nor deterministic'}"]
        if facts.invariances:
            lines += [f"unchanged  by {', '.join(facts.invariances)}"]
    else:
        lines += ["", f"MI         {facts.formula}"]
        if not isinstance(one, JointDistribution) and facts.example:
            lines += [f"example    {facts.example}"]
            one = distributions.make(facts.example)
        if isinstance(one, JointDistribution):
            truth = one.ground_truth()
            known = "not known" if truth is None else _known(truth, "nats")
            lines += [f"truth      {known} at {one.dim_x} x {one.dim_y}"]
            others = {quantity: one.ground_truth(quantity) for quantity in _OTHER_UNITS}
            lines += [
                f"           {quantity} {_known(other, _OTHER_UNITS[quantity])}"
                for quantity, other in others.items()
                if other is not None
            ]
    described = parameters_of(cls)
    if described:
        lines += ["", "parameters"]
        width = max(map(len, described))
        for name, info in described.items():
            default = "required" if info.required else f"default {write_value(info.default)}"
            lines += _hanging(f"  {name:{width}}  ", f"{info.doc} ({info.accepted()}; {default})")
    if facts.citation:
        lines += [""]
        for position, text in enumerate(bibliography.citation_texts(facts.citation)):
            lines += _hanging("citation   " if position == 0 else " " * 11, text)
    return "\n".join(lines)


def _hanging(start: str, text: str) -> list[str]:
    width = display.terminal_width() or 120
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False)
