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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

import mibench
from mibench import bibliography, scoring
from mibench.interface import InputError, parameters_of
from mibench.registry import estimators, write_spec, write_value
from mibench.report import STALE, WIDTHS, dependence, figures, formats, marked, tables
from mibench.report.drawing import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mibench.report.figures import Drawn

Row = Mapping[str, Any]
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
    cells = scoring.cells(marked(rows), solved=rule)
    records = tables.records(cells)
    names = list(dict.fromkeys(row["estimator"] for row in rows))
    failures = list(_failures(rows))
    drawn, undrawn = _figures(rows, units, rule)
    orders = dependence.lines(rows) if any(row["quantity"] != "mi" for row in rows) else []
    return _template().render(
        version=mibench.__version__,
        created=created,
        source=source,
        counts=_counts(rows, records),
        environments=_environments(rows, environments),
        summaries=[
            _html(tables.summary(lines, str(rule), units), "sortable") for lines in tables.summaries(cells, units)
        ],
        orders=[_html(table, "sortable") for table in dependence.by_n(orders)],
        grids=[
            (tables.title(score, group[0]["quantity"]), _html(tables.grid(group, score, units=units)))
            for group in tables.by_quantity(records)
            for score in ("mean", "rmse")
            if score == "mean" or any(cell["rmse"] is not None for cell in group)
        ],
        figures=[_figure(number, *one) for number, one in enumerate(drawn, start=1)],
        undrawn=undrawn,
        sections=[_section(name, records, rows, units) for name in names],
        failures=failures[:_MOST_FAILURES],
        failures_left=len(failures) - _MOST_FAILURES,
        skips=_skips(rows),
    )


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


def _counts(rows: Sequence[Row], records: Sequence[tables.Cell]) -> dict[str, Any]:
    statuses = Counter(row["status"] for row in rows)
    return {
        "trials": len(rows),
        "statuses": dict(sorted(statuses.items(), key=lambda item: (item[0] != "ok", -item[1], item[0]))),
        "estimators": len({record["name"] for record in records}),
        "tasks": len({(record["distribution"], record["dim_x"], record["dim_y"]) for record in records}),
        "n": sorted({record["n"] for record in records}),
        "seeds": _spans(row["seed"] for row in rows),
        "stale": Counter(row["estimator"] for row in rows if row.get("stale")),
    }


def _environments(rows: Sequence[Row], known: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Describe where the rows were made, in the order of time: runs that only commit and command tell apart are one."""
    made: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["created_utc"] or "", row["environment"] or "")):
        shared = {key: value for key, value in known.get(row["environment"], {}).items() if key not in _OF_ONE_RUN}
        made.setdefault(json.dumps(shared, sort_keys=True), []).append(row)
    described = []
    for where, own in made.items():
        found, ids = json.loads(where), list(dict.fromkeys(row["environment"] or "not recorded" for row in own))
        runs = [known.get(identity, {}) for identity in ids]
        dates = [row["created_utc"] for row in own if row["created_utc"]]
        libraries = ", ".join(f"{name} {number}" for name, number in found.get("libraries", {}).items() if number)
        facts = {
            "trials": f"{len(own)}{f', from {dates[0]} to {dates[-1]}' if dates else ''}",
            "command": _first([run["command"] for run in runs if run.get("command")], "\n"),
            "mibench": found.get("mibench"),
            "revision": _first([_revision(run) for run in runs if run.get("git_revision")]),
            "python": found.get("python"),
            "libraries": libraries,
            "platform": found.get("platform"),
            "processor": f"{found['cpu']}, {found.get('cores')} cores" if found.get("cpu") else None,
            "GPU": found.get("gpu"),
            "jobs": f"{found['jobs']}, threads of each: {found.get('threads')}" if found.get("jobs") else None,
            "environment": _first(ids),
        }
        described.append({key: value for key, value in facts.items() if value})
    return described


def _revision(run: Mapping[str, Any]) -> str:
    return f"{run['git_revision'][:12]}{' with uncommitted changes' if run.get('git_dirty') else ''}"


def _first(texts: Sequence[str], between: str = ", ") -> str:
    different = list(dict.fromkeys(texts))
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
    of_n = [[row for row in rows if row["n"] == n] for n in sorted({row["n"] for row in rows})]
    asked = [(kind, some) for some in of_n for kind in _AT_EACH_N] + [(kind, rows) for kind in _OVER_ALL if rows]
    drawn, reasons = [], []
    for kind, some in asked:
        count = len({(row["estimator"], str(row["params"])) for row in some})
        width = "single" if kind in _SMALL and count <= _FEW else "double"
        try:
            drawn.append(draw(kind, some, WIDTHS[width], units=units, rule=rule))
        except InputError as error:
            reasons.append(f"{kind}: {error}")
    return drawn, reasons


def _figure(number: int, figure: Figure, caption: str) -> dict[str, Any]:
    text = figures.svg(figure)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # Several pictures on one page: each keeps its ids for itself.
    text = re.sub(r'\bid="', f'id="f{number}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\1f{number}-", text)
    return {"caption": caption, "svg": Markup(text), "wide": figure.get_figwidth() * 72 > _WIDE}


# ---------------------------------------------------------------------------------------------------------------------
# Estimators


def _section(name: str, records: Sequence[tables.Cell], rows: Sequence[Row], units: str) -> dict[str, Any]:
    """What an estimator is, by the registry, and how it did, by its rows."""
    own = [record for record in records if record["estimator"].removesuffix(STALE) == name]
    mine = [row for row in rows if row["estimator"] == name]
    versions = sorted({record["estimator_version"] for record in own})
    section: dict[str, Any] = {
        "name": name,
        "anchor": re.sub(r"[^A-Za-z0-9-]+", "-", name),
        "versions": ", ".join(versions),
        "quantities": ", ".join(sorted({record["quantity"] for record in own})),
        "summary": "",
        "formula": "",
        "citations": [],
        "parameters": _parameters(own, {}),
        "worst": _worst(own, units),
        "warnings": _warnings(mine),
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


def _parameters(own: Sequence[tables.Cell], described: Mapping[str, Any]) -> list[dict[str, str]]:
    lines = []
    for key in dict.fromkeys(key for record in own for key in record["params"]):
        values = dict.fromkeys(write_value(record["params"][key]) for record in own if key in record["params"])
        info = described.get(key)
        default = "" if info is None or info.required else write_value(info.default)
        doc = "" if info is None else f"{info.doc} ({info.accepted()})"
        lines.append({"name": key, "values": ", ".join(values), "default": default, "doc": doc})
    return lines


def _worst(own: Sequence[tables.Cell], units: str) -> Markup | None:
    """The tasks with the largest RMSE, of those that are not solved."""
    unsolved = [cell for cell in own if cell["rmse"] is not None and cell["solved"] is not True]
    if not unsolved:
        return None
    worst = sorted(unsolved, key=lambda cell: -cell["rmse"])[:_WORST]
    several = len({cell["name"] for cell in own}) > 1
    lines = []
    for cell in worst:
        entries = [formats.Entry(str(cell["n"])), tables.truth_entry(cell, units)]
        entries += [tables.entry(cell, score, units) for score in ("mean", "bias", "rmse")]
        variant = f": {cell['name']}" if several else ""
        lines.append((f"{cell['distribution']}, {cell['dim_x']} × {cell['dim_y']}{variant}", tuple(entries)))
    caption = (
        f"Where it is farthest from the truth: {len(worst)} of {len(unsolved)} tasks that are not solved, in {units}."
    )
    return _html(formats.Table(caption, ("task", "n", "truth", "mean ± sd", "bias ± se", "RMSE ± se"), tuple(lines)))


def _warnings(rows: Sequence[Row]) -> list[tuple[int, str]]:
    """Count warnings; those that differ in their numbers only are one, shown by the first."""
    kinds: dict[str, list[str]] = {}
    for row in rows:
        for text in row["warnings"]:
            kinds.setdefault(re.sub(r"\d[\d.,e+-]*", "#", text), []).append(text)
    counted = [(len(texts), texts[0]) for texts in kinds.values()]
    return sorted(counted, key=lambda item: -item[0])


# ---------------------------------------------------------------------------------------------------------------------
# Failures


def _failures(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Each failure once, with the seeds that it happened for."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        if row["status"] not in ("ok", "skipped"):
            estimator, text = write_spec(row["estimator"], row["params"]), (row["error_text"] or "").strip()
            key = (estimator, row["distribution"], row["n"], row["status"], row["error_type"] or "", text)
            found.setdefault(key, []).append(row["seed"])
    for (estimator, task, n, status, kind, text), seeds in found.items():
        first, _, rest = text.partition("\n")
        yield {
            "estimator": estimator,
            "task": task,
            "n": n,
            "seeds": _spans(seeds),
            "status": status,
            "kind": kind,
            "first": first,
            "rest": rest,
        }


def _skips(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Why trials were skipped, by estimator and reason."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["status"] == "skipped":
            found.setdefault((row["estimator"], row["error_text"] or ""), []).append(row)
    return [
        {"estimator": name, "reason": reason, "trials": len(own), "tasks": len({row["distribution"] for row in own})}
        for (name, reason), own in found.items()
    ]
