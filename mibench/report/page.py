"""The report: one HTML file that needs nothing else, neither a network nor a script to be read.

What ran and where, each estimator over all tasks, the tables, the figures, a section for each estimator with its
formula, parameters and worst tasks, and every failure with its message. Texts of rows are escaped: they may hold what
users' own code printed.
"""

from __future__ import annotations

import importlib.resources
import inspect
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

import mibench
from mibench import bibliography, scoring
from mibench.interface import InputError, ParameterInfo, parameters_of
from mibench.registry import estimators, write_spec, write_value
from mibench.report import WIDTHS, dependence, figures, formats, tables
from mibench.report.drawing import draw
from mibench.rows.row import Row, law_of, method_of
from mibench.scoring import outcomes
from mibench.scoring.summary import grouped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mibench.report.figures import Drawn

# Kinds of figures: those that average over tasks are drawn at each n, the others of all rows.
_AT_EACH_N = ("heatmap", "bias-variance", "pareto")
_OVER_ALL = ("scaling", "staircase", "calibration")
_SMALL = ("bias-variance", "pareto", "calibration")  # one column of a paper is enough for a few estimators
_FEW = 10
_OF_ONE_RUN = ("command", "git_revision", "git_dirty")
_MOST_RUNS = 8  # whose command, commit and number are written out
_WORST = 8  # tasks of an estimator
_MOST_FAILURES = 300  # lines; the rest is counted
_WIDE = 360  # points: a figure that is wider is scrolled on a narrow screen, and not shrunk to what nobody can read


def page(
    rows: Sequence[Row],
    environments: Mapping[str, Mapping[str, Any]],
    *,
    source: str,
    created: str,
    units: str = "nats",
    rule: scoring.Solved = scoring.DEFAULT_RULE,
) -> str:
    """Write the report on some rows.

    `environments` describes by id the runs that made them, `source` says where they were read; `created`
    is the date that the page carries, which nothing else in it hangs on. `rule` says which tasks are solved.
    """
    scored = scoring.cells(rows, solved=rule)
    cells = tables.named(scored)
    names = tables.names_of(cells)
    failures = [_failure(one) for one in outcomes.failures(rows)]
    drawn, undrawn = _figures(rows, units, rule)
    orders = dependence.lines(rows) if any(row["quantity"] != "mi" for row in rows) else []
    return _template().render(
        version=mibench.__version__,
        created=created,
        source=source,
        counts=_counts(rows, cells),
        environments=_environments(rows, environments),
        summaries=[
            _html(tables.summary(group, names, str(rule), units), "sortable") for group in scoring.summaries(scored)
        ],
        orders=[_html(table, "sortable") for table in dependence.by_n(orders)],
        grids=_grids(cells, units),
        figures=[_figure(number, *one) for number, one in enumerate(drawn, start=1)],
        undrawn=undrawn,
        sections=[_section(name, cells, rows, units) for name in dict.fromkeys(row["estimator"] for row in rows)],
        failures=failures[:_MOST_FAILURES],
        failures_left=len(failures) - _MOST_FAILURES,
        skips=[_skip(*kind, own) for kind, own in outcomes.skips(rows).items()],
    )


def _grids(cells: Sequence[tables.Named], units: str) -> list[tuple[str, Markup]]:
    """Means, and RMSE where there is any, of each quantity; each table with its title."""
    found = []
    for group in scoring.by_quantity(cells):
        scores = ["mean"]
        if any(cell["rmse"] is not None for cell in group):
            scores.append("rmse")
        quantity = group[0]["quantity"]
        found += [(tables.title(score, quantity), _html(tables.grid(group, score, units=units))) for score in scores]
    return found


def _template() -> jinja2.Template:
    text = importlib.resources.files("mibench.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text)


def _html(table: formats.Table, classes: str = "") -> Markup:
    return Markup(formats.to_html(table, classes=classes))


# ---------------------------------------------------------------------------------------------------------------------
# What ran


def _counts(rows: Sequence[Row], cells: Sequence[tables.Named]) -> dict[str, Any]:
    return {
        "trials": len(rows),
        "statuses": outcomes.statuses(rows),
        "estimators": len({cell["name"] for cell in cells}),
        "tasks": len({law_of(cell) for cell in cells}),
        "n": sorted({cell["n"] for cell in cells}),
        "seeds": _spans(row["seed"] for row in rows),
        "stale": Counter(row["estimator"] for row in rows if row.get("stale")),
    }


def _environments(rows: Sequence[Row], known: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Describe where the rows were made, in the order of time: runs that only commit and command tell apart are one."""
    made: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["created_utc"] or "", row["environment"] or "")):
        shared = {key: value for key, value in known.get(row["environment"], {}).items() if key not in _OF_ONE_RUN}
        made.setdefault(json.dumps(shared, sort_keys=True), []).append(row)
    return [_described(json.loads(where), own, known) for where, own in made.items()]


def _described(where: Mapping[str, Any], rows: Sequence[Row], known: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What is known of a machine and its libraries, and of the runs on it."""
    ids = list(dict.fromkeys(row["environment"] or "not recorded" for row in rows))
    runs = [known.get(identity, {}) for identity in ids]
    libraries = {name: number for name, number in where.get("libraries", {}).items() if number}
    processor = f"{where['cpu']}, {where.get('cores')} cores" if where.get("cpu") else None
    jobs = f"{where['jobs']}, threads of each: {where.get('threads')}" if where.get("jobs") else None
    facts = {
        "trials": f"{len(rows)}{_dates(rows)}",
        "command": _first([run.get("command") for run in runs], "\n"),
        "mibench": where.get("mibench"),
        "revision": _first(map(_revision, runs)),
        "python": where.get("python"),
        "libraries": ", ".join(map(" ".join, libraries.items())),
        "platform": where.get("platform"),
        "processor": processor,
        "GPU": where.get("gpu"),
        "jobs": jobs,
        "environment": _first(ids),
    }
    return {key: value for key, value in facts.items() if value}


def _dates(rows: Sequence[Row]) -> str:
    dates = [row["created_utc"] for row in rows if row["created_utc"]]
    return f", from {dates[0]} to {dates[-1]}" if dates else ""


def _revision(run: Mapping[str, Any]) -> str | None:
    if not run.get("git_revision"):
        return None
    return f"{run['git_revision'][:12]}{' with uncommitted changes' if run.get('git_dirty') else ''}"


def _first(texts: Iterable[str | None], between: str = ", ") -> str:
    """Write the first of those that are known, each once, and how many more there are."""
    different = list(dict.fromkeys(text for text in texts if text))
    more = [f"and {len(different) - _MOST_RUNS} more"] if len(different) > _MOST_RUNS else []
    return between.join([*different[:_MOST_RUNS], *more])


def _spans(numbers: Iterable[int]) -> str:
    """Write whole numbers as ranges: 0 to 4, 7."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in spans)


# ---------------------------------------------------------------------------------------------------------------------
# Figures


def _figures(rows: Sequence[Row], units: str, rule: scoring.Solved) -> tuple[list[Drawn], list[str]]:
    """Draw what these rows of mutual information have something for; and say why the other kinds are not drawn."""
    rows = [row for row in rows if row["quantity"] == "mi"]
    of_n = [own for _, own in sorted(grouped((row["n"], row) for row in rows).items())]
    asked = [(kind, some) for some in of_n for kind in _AT_EACH_N]
    if rows:
        asked += [(kind, rows) for kind in _OVER_ALL]
    drawn, reasons = [], []
    for kind, some in asked:
        try:
            drawn.append(draw(kind, some, _width(kind, some), units=units, rule=rule))
        except InputError as error:
            reasons.append(f"{kind}: {error}")
    return drawn, reasons


def _width(kind: str, rows: Sequence[Row]) -> float:
    few = len({method_of(row)[:2] for row in rows}) <= _FEW
    return WIDTHS["single" if kind in _SMALL and few else "double"]


def _figure(number: int, figure: Figure, caption: str) -> dict[str, Any]:
    text = figures.svg(figure)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # Several pictures on one page: each keeps its ids for itself.
    text = re.sub(r'\bid="', f'id="f{number}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\1f{number}-", text)
    return {"caption": caption, "svg": Markup(text), "wide": figure.get_figwidth() * 72 > _WIDE}


# ---------------------------------------------------------------------------------------------------------------------
# Estimators


def _section(name: str, cells: Sequence[tables.Named], rows: Sequence[Row], units: str) -> dict[str, Any]:
    """What an estimator is, by the registry, and how it did, by its rows."""
    own = [cell for cell in cells if cell["estimator"] == name]
    mine = [row for row in rows if row["estimator"] == name]
    versions = sorted({cell["estimator_version"] for cell in own})
    section: dict[str, Any] = {
        "name": name,
        "anchor": re.sub(r"[^A-Za-z0-9-]+", "-", name),
        "versions": ", ".join(versions),
        "quantities": ", ".join(sorted({cell["quantity"] for cell in own})),
        "summary": "",
        "formula": "",
        "citations": [],
        "parameters": _parameters(own, {}),
        "worst": _worst(own, units),
        "warnings": outcomes.warnings(mine),
        "trials": len(mine),
        "ok": sum(row["status"] == "ok" for row in mine),
    }
    if name in estimators.entries():
        facts = estimators.entries()[name].facts
        section |= {"summary": facts.summary, "citations": bibliography.citation_texts(facts.citation)}
        try:
            cls = estimators.find(name)
        except InputError:  # a library that it needs is not here
            return section
        section |= {"formula": inspect.getdoc(cls) or "", "parameters": _parameters(own, parameters_of(cls))}
    return section


def _parameters(own: Sequence[tables.Named], described: Mapping[str, ParameterInfo]) -> list[dict[str, str]]:
    lines = []
    for key in dict.fromkeys(key for cell in own for key in cell["params"]):
        values = dict.fromkeys(write_value(cell["params"][key]) for cell in own if key in cell["params"])
        line = {"name": key, "values": ", ".join(values), "default": "", "doc": ""}
        if key in described:
            info = described[key]
            line["default"] = "" if info.required else write_value(info.default)
            line["doc"] = f"{info.doc} ({info.accepted()})"
        lines.append(line)
    return lines


def _worst(own: Sequence[tables.Named], units: str) -> Markup | None:
    """The tasks with the largest RMSE, of those that are not solved."""
    unsolved = [(cell["rmse"], cell) for cell in own if cell["rmse"] is not None and cell["solved"] is not True]
    if not unsolved:
        return None
    worst = sorted(unsolved, key=lambda one: -one[0])[:_WORST]
    several = len({cell["name"] for cell in own}) > 1
    lines = []
    for _, cell in worst:
        entries = [formats.Entry(str(cell["n"])), tables.truth_entry(cell, units)]
        entries += [tables.entry(cell, score, units) for score in ("mean", "bias", "rmse")]
        variant = f": {cell['name']}" if several else ""
        lines.append((f"{cell['distribution']}, {cell['dim_x']} × {cell['dim_y']}{variant}", tuple(entries)))
    caption = (
        f"Where it is farthest from the truth: {len(worst)} of {len(unsolved)} tasks that are not solved, in {units}."
    )
    return _html(formats.Table(caption, ("task", "n", "truth", "mean ± sd", "bias ± se", "RMSE ± se"), tuple(lines)))


# ---------------------------------------------------------------------------------------------------------------------
# Failures


def _failure(one: outcomes.Failure) -> dict[str, Any]:
    first, _, rest = (one.row["error_text"] or "").strip().partition("\n")
    return {
        "estimator": write_spec(one.row["estimator"], one.row["params"]),
        "task": one.row["distribution"],
        "n": one.row["n"],
        "seeds": _spans(one.seeds),
        "status": one.row["status"],
        "kind": one.row["error_type"] or "",
        "first": first,
        "rest": rest,
    }


def _skip(name: str, reason: str, rows: Sequence[Row]) -> dict[str, Any]:
    tasks = {row["distribution"] for row in rows}
    return {"estimator": name, "reason": reason, "trials": len(rows), "tasks": len(tasks)}
