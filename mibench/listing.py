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
    EstimatorFacts,
    Facts,
    GroundTruth,
    InputError,
    JointDistribution,
    parameters_of,
)
from mibench.registry import by_parameter, catalogues, distributions, nearest, parse_spec, write_value


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
    if what in catalogues:
        return [_facts(entry.facts) for entry in catalogues[what].entries().values()]
    if what == "suites":
        found = [suites.load(name) for name in suites.names()]
        return [
            {"name": s.name, "description": s.description, "tasks": len(s.tasks), "n": list(s.n), "seeds": s.seeds}
            for s in found
        ]
    return _tasks(suite_names or suites.names(), dim_x, dim_y, mi)


def _facts(facts: Facts) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(facts).items()}


def _tasks(suite_names: Sequence[str], dim_x: int | None, dim_y: int | None, mi: float | None) -> list[dict[str, Any]]:
    from mibench.tasks import suite_tasks

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
    else:
        kind = catalogues[what].kind
        heads = [kind.name, "family", *kind.columns, "what it is"]
        body = [
            [one["name"], one["family"], *(_word(one[column]) for column in kind.columns), one["summary"]]
            for one in found
        ]
    return display.table(heads, body, width=width)


def _word(fact: Any) -> str:
    if isinstance(fact, list):
        return ", ".join(fact)
    return "" if fact == "none" else str(fact)


# ---------------------------------------------------------------------------------------------------------------------
# One of them


def find(text: str) -> list[Configurable | type[Configurable]]:
    """Find what a name means: an estimator, a distribution or a task; a class where required parameters are missing."""
    found: list[Configurable | type[Configurable]] = []
    problems = []
    for catalogue in catalogues.values():
        spec = catalogue.spec(text)
        if ".py:" not in spec.name and spec.name not in catalogue.names():
            continue
        try:
            cls = catalogue.find(spec.name)
            written = {info.name for info, _ in by_parameter(cls, spec.name, spec.parameters)}
            needed = {key for key, info in parameters_of(cls).items() if info.required}
            found.append(catalogue.make(spec) if needed <= written else cls)
        except InputError as error:
            problems.append(error)
    if not found:
        raise problems[-1] if problems else _unknown(parse_spec(text).name)
    return found


def _unknown(name: str) -> InputError:
    if name in suites.names():
        return InputError(f"{name!r} is a suite; `mibench list tasks --suite {name}` shows its tasks")
    names = [name for catalogue in catalogues.values() for name in (*catalogue.names(), *catalogue.kind.ids())]
    lists = "|".join([*catalogues, "tasks"])
    return InputError(f"nothing is named {name!r}{nearest(name, names)}; `mibench list {lists}` shows all")


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
    lines = [f"{facts.name} ({facts.kind}, family {facts.family}, version {facts.version})", "", facts.summary]
    text = inspect.getdoc(cls) or ""
    if text != facts.summary and not text.startswith(f"{cls.__name__}("):  # which is what dataclass writes by itself
        lines += ["", text]
    if isinstance(facts, EstimatorFacts):
        lines += _of_estimator(facts)
    elif isinstance(facts, DistributionFacts):
        lines += _of_distribution(one, facts)
    lines += _of_parameters(cls)
    if facts.citation:
        lines += [""]
        for position, text in enumerate(bibliography.citation_texts(facts.citation)):
            lines += _hanging("citation   " if position == 0 else " " * 11, text)
    return "\n".join(lines)


def _of_estimator(facts: EstimatorFacts) -> list[str]:
    bound = "no bound" if facts.bound == "none" else facts.bound
    claims = [word for word, true in (("symmetric", facts.symmetric), ("deterministic", facts.deterministic)) if true]
    lines = [
        "",
        f"estimates  {facts.quantity}, {bound}",
        f"supports   {', '.join(facts.supports)} columns",
        f"is         {', '.join(claims) or 'neither symmetric nor deterministic'}",
    ]
    if facts.invariances:
        lines += [f"unchanged  by {', '.join(facts.invariances)}"]
    return lines


def _of_distribution(one: Configurable | type[Configurable], facts: DistributionFacts) -> list[str]:
    lines = ["", f"MI         {facts.formula}"]
    if not isinstance(one, JointDistribution) and facts.example:
        lines += [f"example    {facts.example}"]
        one = distributions.make(facts.example)
    if not isinstance(one, JointDistribution):
        return lines
    truth = one.ground_truth()
    known = "not known" if truth is None else _known(truth, "nats")
    lines += [f"truth      {known} at {one.dim_x} x {one.dim_y}"]
    for quantity, unit in _OTHER_UNITS.items():
        other = one.ground_truth(quantity)
        if other is not None:
            lines += [f"           {quantity} {_known(other, unit)}"]
    return lines


def _of_parameters(cls: type[Configurable]) -> list[str]:
    described = parameters_of(cls)
    if not described:
        return []
    lines = ["", "parameters"]
    width = max(map(len, described))
    for name, info in described.items():
        default = "required" if info.required else f"default {write_value(info.default)}"
        lines += _hanging(f"  {name:{width}}  ", f"{info.doc} ({info.accepted()}; {default})")
    return lines


def _hanging(start: str, text: str) -> list[str]:
    width = display.terminal_width() or 120
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=" " * len(start), break_on_hyphens=False)
