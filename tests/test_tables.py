"""Tables: cells by hand, what counts as a tie, what is escaped, and what every format keeps."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench import bibliography, cli, names, registry, scoring
from mibench.interface import InputError
from mibench.report import FORMATS, SCORES, citations, dependence, formats, tables
from mibench.report.formats import Entry, Table


def row(estimate: float | None, **columns: Any) -> dict[str, Any]:
    return {
        "estimator": "ksg", "params": {"k": 3}, "estimator_version": "1", "distribution": "gaussian-sparse",
        "distribution_version": "1", "dim_x": 5, "dim_y": 5, "n": 100, "seed": 0, "device": "cpu", "quantity": "mi",
        "status": "ok", "estimate": estimate, "low": None, "high": None, "truth": 1.0, "truth_se": 0.0,
        "truth_low": None, "truth_high": None, "oracle": None, "wall_s": 1.0, "cpu_s": 2.0, "interval": None,
        "level": None, **columns,
    }  # fmt: skip


def rows(*estimates: float, **columns: Any) -> list[dict[str, Any]]:
    return [row(estimate, seed=seed, **columns) for seed, estimate in enumerate(estimates)]


def failed(status: str, **columns: Any) -> dict[str, Any]:
    return row(
        None, **{**dict.fromkeys(("truth", "truth_se", "oracle", "wall_s", "cpu_s")), "status": status, **columns}
    )


def entries(found: list[dict[str, Any]], score: str) -> dict[tuple[str, str], Entry]:
    """The entries of the table of the first quantity, by task and estimator."""
    group = scoring.by_quantity(tables.named(scoring.cells(found)))[0]
    one = tables.grid(group, score, "estimators")
    return {(task, name): entry for task, line in one.lines for name, entry in zip(one.heads[1:], line, strict=True)}


def entry(found: list[dict[str, Any]], score: str) -> Entry:
    return entries(found, score)["gaussian-sparse", "ksg"]


def best(found: list[dict[str, Any]], score: str = "mean") -> set[str]:
    return {name for (_, name), entry in entries(found, score).items() if entry.best}


# ---------------------------------------------------------------------------------------------------------------------
# One cell


def test_a_cell_by_hand() -> None:
    """1.2, 0.9, 1.5 of the truth 1: mean 1.2, sd 0.3, bias 0.2 +- 0.3 / sqrt 3 = 0.17, RMSE sqrt 0.1."""
    found = rows(1.2, 0.9, 1.5, oracle=1.1)
    shown = {score: entry(found, score) for score in SCORES if score != "summary"}
    assert (shown["mean"].value, shown["mean"].error) == ("1.2", "0.3")
    assert (shown["bias"].value, shown["bias"].error) == ("0.20", "0.17")
    # sqrt((2 0.3^4 + 4 0.2^2 0.3^2) / 3) / (2 sqrt 0.1) = 0.1597
    assert (shown["rmse"].value, shown["rmse"].error) == ("0.32", "0.16")
    assert (shown["sd"].value, shown["sd"].error) == ("0.30", "0.15")  # 0.3 / sqrt 4
    assert shown["efficiency"].value.startswith("0.3")  # 0.1 / sqrt 0.1
    assert (shown["solved"].value, shown["cost"].value) == ("no", "2.00 s")
    assert shown["rmse"].number == pytest.approx(math.sqrt(0.1))
    assert {one.note for one in shown.values()} == {""}


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (0.35214, 0.0132, ("0.352", "0.013")),
        (0.35214, 0.032, ("0.35", "0.03")),
        (0.35214, 0.0961, ("0.35", "0.10")),
        (12.34, 3.7, ("12", "4")),
        (1234.5, 170.0, ("1234", "170")),
        (0.5, 0.0, ("0.5000", "0.0000")),
        (0.123456, 1e-9, ("0.1235", "0.0000")),
        (-0.0004, 0.02, ("0.00", "0.02")),
        (-0.04, 0.02, ("-0.04", "0.02")),
        (0.35214, None, ("0.352", "")),
        (12.345, None, ("12.3", "")),
        (0.0, None, ("0", "")),
        (3.2e30, 1.4e30, ("3.20e+30", "1e+30")),
        (0.5, 2e7, ("5.00e-01", "2e+07")),
        (0.00006, 0.00003, ("0.0001", "0.0000")),
        (0.00003, 0.00002, ("3.00e-05", "2e-05")),
        (-0.00003, None, ("-3.00e-05", "")),
    ],
)
def test_digits_follow_the_error(value: float, error: float | None, shown: tuple[str, str]) -> None:
    assert tables.rounded(value, error) == shown


def test_standard_errors_of_rmse_and_sd_are_those_of_normal_errors() -> None:
    rng = np.random.default_rng(0)
    errors = rng.normal(0.2, 0.3, size=(4000, 25))
    rmse, sd = np.sqrt((errors**2).mean(axis=1)), errors.std(axis=1, ddof=1)
    cell: Any = {"bias": 0.2, "rmse": math.hypot(0.2, 0.3), "sd": 0.3, "ok": 25}
    # The spread of 4000 replications is known to 1 / sqrt(8000) = 1.1%; the formulas hold to first order in 1/25.
    assert scoring.measured(cell, "rmse").error == pytest.approx(rmse.std(), rel=0.06)
    assert scoring.measured(cell, "sd").error == pytest.approx(sd.std(), rel=0.06)


def test_failed_trials_are_shown() -> None:
    nine = rows(*[1.0, 1.1, 0.9] * 3)
    assert entry([*nine, failed("timeout", seed=9)], "mean").note == "9/10 ok, 1 timeout"
    dead = entry([failed("error"), failed("oom", seed=1)], "mean")
    assert (dead.value, dead.note) == ("–", "0/2 ok, 1 error, 1 oom")
    assert entry([failed("skipped"), failed("skipped", seed=1)], "mean") == Entry("skipped")


def test_what_is_not_known_is_a_dash() -> None:
    unknown = rows(1.0, 1.2, truth=None, truth_se=None)
    assert entry(unknown, "mean").value == "1.10"
    with pytest.raises(InputError, match="bias"):
        tables.table(scoring.cells(unknown), "bias")
    one_seed = entry(rows(1.2), "mean")
    assert (one_seed.value, one_seed.error) == ("1.20", "")


def test_a_certified_truth_is_its_interval() -> None:
    found = rows(1.0, 1.2, truth_low=0.5, truth_high=1.5)
    assert entries(found, "mean")["gaussian-sparse", "truth"].value == "0.500 to 1.50"


def test_oracle_is_of_the_estimator_with_most_trials() -> None:
    """The samples are those of all estimators; one whose trials fail has fewer of them."""
    full = rows(1.5, 1.5, oracle=1.1)
    found = [row(1.5, oracle=1.3, estimator="cca"), failed("error", estimator="cca", seed=1), *full]
    shown = entries(found, "rmse")["gaussian-sparse", "oracle"]
    assert shown.value == "0.100"
    assert shown.number == pytest.approx(0.1)


# ---------------------------------------------------------------------------------------------------------------------
# The best


def pair(mean: float, half: float, **columns: Any) -> list[dict[str, Any]]:
    """Two trials at mean +- half: their standard error is half."""
    return rows(mean - half, mean + half, **columns)


def test_ties_end_at_two_standard_errors_of_the_best() -> None:
    """However widely another scatters: that makes it no better."""
    first = pair(1.0, 0.1, estimator="a")
    assert best([*first, *pair(1.19, 0.01, estimator="b")]) == {"a", "b"}
    assert best([*first, *pair(0.81, 0.1, estimator="b")], "bias") == {"a", "b"}
    assert best([*first, *pair(1.21, 0.1, estimator="b")]) == {"a"}
    assert best([*first, *pair(1.5, 9.0, estimator="b")]) == {"a"}


def test_only_complete_cells_with_an_error_can_be_best() -> None:
    good, bad = pair(1.0, 0.01, estimator="good"), pair(3.0, 0.01, estimator="bad")
    assert best([*good, *bad]) == {"good"}
    assert best([*good, failed("crash", seed=2, estimator="good"), *bad, *pair(2.0, 0.01, estimator="fair")]) == {
        "fair"
    }
    assert best([*good, row(1.0, estimator="lucky"), *bad]) == {"good"}  # one seed tells nothing
    assert best(good) == set()  # alone
    assert best([row(1.0, estimator="a"), row(2.0, estimator="b")]) == set()


def test_best_of_efficiency_is_the_highest_and_of_cost_the_lowest() -> None:
    spread = [0.9, 1.1, 1.05, 0.95, 1.0, 1.02]
    oracle = {"oracle": 1.05}
    found = [
        *rows(*spread, estimator="near", **oracle),
        *rows(*(s + 3 for s in spread), estimator="far", **oracle, cpu_s=1.0),
    ]
    assert best(found, "efficiency") == {"near"}
    assert best(found, "cost") == {"far"}
    assert best(found, "solved") == set()


def test_tasks_and_sizes_compete_apart() -> None:
    found = [*pair(1.0, 0.01, estimator="a"), *pair(2.0, 0.01, estimator="b")]
    found += [*pair(5.0, 0.01, estimator="a", n=200), *pair(1.0, 0.01, estimator="b", n=200)]
    marked = {key for key, one in entries(found, "mean").items() if one.best}
    assert marked == {("gaussian-sparse, n = 100", "a"), ("gaussian-sparse, n = 200", "b")}


def test_other_quantities_stand_in_tables_of_their_own() -> None:
    found = [*pair(1.0, 0.1, estimator="hsic", quantity="hsic", params={}), *pair(9.0, 0.1, estimator="a"),
             *pair(8.0, 0.1, estimator="b")]  # fmt: skip
    mi, other = tables.table(scoring.cells(found), "mean", "markdown", columns="estimators").split("\n\n| ")
    assert "hsic" not in mi
    assert "mutual information in nats" in mi
    assert "**" not in other
    assert "hsic; " in other.split("\n\n")[1]
    assert "nats" not in other  # it has no such unit


def test_names_tell_variants_apart() -> None:
    found = [*rows(1.0), *rows(1.0, params={"k": 5}), *rows(1.0, params={"k": 5}, estimator_version="2"),
             *rows(1.0, params={"k": 7}, device="cuda")]  # fmt: skip
    names = [cell["name"] for cell in tables.named(scoring.cells(found))]
    assert names == ["ksg", "ksg[k=5] (v1)", "ksg[k=5] (v2)", "ksg[k=7]"]
    found = [*rows(1.0), *rows(1.0, device="cuda"), *rows(1.0, device="cuda", interval="bootstrap", level=0.9)]
    names = [cell["name"] for cell in tables.named(scoring.cells(found))]
    assert len(set(names)) == 3


def test_versions_beside_each_other_are_named() -> None:
    found = [*rows(1.0, stale=True), *rows(1.0, estimator_version="2", stale=False)]
    assert [cell["name"] for cell in tables.named(scoring.cells(found))] == ["ksg† (v1)", "ksg (v2)"]


def test_sizes_and_versions_tell_tasks_of_one_name_apart() -> None:
    found = [*rows(1.0), *rows(2.0, dim_x=2), *rows(3.0, dim_x=2, distribution_version="2"), *rows(4.0, dim_y=7)]
    shown = {task: one.value for (task, name), one in entries(found, "mean").items() if name == "ksg"}
    assert shown == {
        "gaussian-sparse, 5 × 5": "1.00",
        "gaussian-sparse, 2 × 5, v1": "2.00",
        "gaussian-sparse, 2 × 5, v2": "3.00",
        "gaussian-sparse, 5 × 7": "4.00",
    }


def test_the_rule_stands_where_verdicts_do() -> None:
    cells = scoring.cells(rows(1.0, 1.1))
    assert "Solved: so and so." in tables.table(cells, "solved", "markdown", rule="so and so")
    assert "so and so" not in tables.table(cells, "mean", "markdown", rule="so and so")


def test_stale_rows_carry_a_dagger() -> None:
    found = [*rows(1.0, 1.1, stale=True), *rows(1.0, 1.1, estimator="cca", stale=False)]
    text = tables.table(scoring.cells(found), "mean", "markdown")
    assert "| ksg† |" in text
    assert "| cca |" in text
    assert text.endswith("†: stale, made by other code.")


def test_bits_change_values_and_nothing_else() -> None:
    found = [*pair(1.0, 0.1, estimator="a"), *pair(1.28, 0.1, estimator="b"), *pair(2.0, 0.1, estimator="c")]
    nats, bits = (
        list(csv.DictReader(io.StringIO(tables.table(scoring.cells(found), "mean", "csv", units=unit))))
        for unit in ("nats", "bits")
    )
    for one, other in zip(nats, bits, strict=True):
        assert float(other["value"]) == pytest.approx(float(one["value"]) / math.log(2))
        assert one["best"] == other["best"]


# ---------------------------------------------------------------------------------------------------------------------
# Summary


def test_summary_by_hand() -> None:
    """Two tasks: a solves both and is first twice; b solves one, is second, and then third behind c, with a failure."""
    second = {"distribution": "student"}
    found = [
        *rows(1.0, 1.01, estimator="a"), *rows(1.0, 1.01, estimator="a", **second),
        *rows(1.02, 1.03, estimator="b"), row(1.0, estimator="b", **second),
        failed("timeout", seed=1, estimator="b", **second),
        *rows(3.0, 3.01, estimator="c", cpu_s=4.0), *rows(2.0, 2.02, estimator="c", cpu_s=8.0, **second),
    ]  # fmt: skip
    (group,) = scoring.summaries(scoring.cells(found))
    a, b, c = group
    assert [one.method.estimator for one in group] == ["a", "b", "c"]
    assert [(one.solved, one.known) for one in group] == [(2, 2), (1, 2), (0, 2)]
    assert [one.rank for one in group] == [1.0, 2.5, 2.5]
    assert (b.trials, b.ok, b.failures) == (4, 3, {"timeout": 1})
    assert c.median_cpu_s == 6.0
    assert c.median_bias == pytest.approx((2.005 + 1.01) / 2)
    assert a.median_rmse == pytest.approx(math.sqrt(0.0001 / 2))
    rule = str(scoring.Solved())
    text = tables.table(scoring.cells(found), "summary", "markdown", rule=rule)
    assert "| b | 1/2 | 2.5 (2.0 to 3.0) |" in text
    assert "| 1/4: 1 timeout |" in text
    assert "over 2 tasks." in text
    assert "over 1 task." in tables.table(scoring.cells(rows(1.0)), "summary", "markdown")
    assert "; 1 trial a cell." in tables.table(scoring.cells(rows(1.0)), "mean", "markdown")
    assert re.sub(r"\\", "", text).count(rule) == 1


def test_summary_ranks_those_that_have_all_tasks() -> None:
    """One that was run on a single task would leave no more to rank on; where none has all, they share what is left."""
    there, partly = [*rows(1.0, 1.1, estimator="a"), *rows(1.0, 1.2, estimator="b")], rows(1.0, 1.0, estimator="c")
    elsewhere = [{**one, "distribution": "student"} for one in there]
    cells = scoring.cells([*there, *partly, *elsewhere])
    (group,) = scoring.summaries(cells)
    assert [(one.method.estimator, one.rank, one.ranked) for one in group] == [
        ("a", 1.0, 2), ("b", 2.0, 2), ("c", None, 0)
    ]  # fmt: skip
    assert "mean over 2 tasks, with" in tables.table(cells, "summary", "markdown")
    assert "–: not run on all of them" in tables.table(cells, "summary", "markdown")
    a, b = ([{**one, "distribution": name} for one in there if one["estimator"] == name] for name in "ab")
    (group,) = scoring.summaries(scoring.cells([*there, *a, *b]))
    assert [(one.rank, one.ranked) for one in group] == [(1.0, 1), (2.0, 1)]


def test_dependence_by_hand() -> None:
    """A orders four tasks as their MI does, and b, which measures something else, backwards."""
    tasks = [("gaussian-sparse[mi=0.5]", 0.5), ("gaussian-sparse[mi=1]", 1.0), ("gaussian-sparse[mi=2]", 2.0),
             ("independent", 0.0)]  # fmt: skip
    found = [
        row(sign * truth + 0.1 * seed, truth=truth, distribution=task, estimator=name, quantity=quantity, seed=seed)
        for task, truth in tasks
        for name, sign, quantity in (("a", 1, "mi"), ("b", -1, "hsic"))
        for seed in range(2)
    ]
    a, b = dependence.lines(found)
    assert (a["name"], a["spearman"], a["kendall"], a["auc"], a["tasks"]) == ("a", 1.0, 1.0, 1.0, 4)
    assert (b["name"], b["spearman"], b["kendall"], b["auc"], b["tasks"]) == ("b", -1.0, -1.0, 0.0, 4)
    assert [line["name"] for line in dependence.lines([{**one, "stale": True} for one in found])] == ["a†", "b†"]
    few = [{**one, "estimator": "c"} for one in found if one["estimator"] == "a" and one["truth"] > 0.5]
    assert [line["name"] for line in dependence.lines([*few, *found])] == ["a", "b", "c"]  # c has two tasks only
    (alone,) = dependence.lines([{**one, "truth": None} for one in found if one["estimator"] == "b"])
    assert alone["spearman"] == -1.0  # the MI of a task is computed where no row has it
    other = {"truth": None, "distribution_version": "0"}  # but not that of a law that is no more
    assert dependence.lines([{**one, **other} for one in found if one["estimator"] == "b"])[0]["tasks"] == 0
    assert "| b | hsic | 4 | -1.00 | -1.00 | 0.00 |" in dependence.table(found, "markdown")
    with pytest.raises(InputError, match="no order to compare with"):
        dependence.table(found[:2])


def test_summary_keeps_sizes_and_quantities_apart() -> None:
    found = [*rows(1.0, 1.1), *rows(1.0, 1.1, n=200), *rows(1.0, 1.1, quantity="cs-qmi", estimator="cs-qmi")]
    groups = scoring.summaries(scoring.cells(found))
    assert [(group[0].quantity, group[0].n) for group in groups] == [("mi", 100), ("mi", 200), ("cs-qmi", 100)]


# ---------------------------------------------------------------------------------------------------------------------
# Formats

NASTY = 'a_b%c&d#e$f{g}~^\\ <i>|*é ł ρ 中 ±"`'
AWKWARD = Table(
    f"caption of {NASTY}",
    ("task", NASTY, *(f"long-column-name-{j}" for j in range(12))),
    tuple(
        (f"{NASTY} {j}", (Entry("0.352", "0.013", "9/10 ok, 1 error", best=True, number=0.352),
                          Entry("3.20e+30", "1e+30"), *[Entry("–")] * 6, *[Entry("12.3 ms", best=True)] * 5))
        for j in range(100)
    ),
)  # fmt: skip


def tabulars(text: str) -> list[list[str]]:
    """The lines of each tabular, rules left out; fails where environments do not match."""
    open_ones: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            open_ones.append(name)
        else:
            assert open_ones.pop() == name
    assert not open_ones
    bodies = re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    for columns, body in bodies:
        for line in body.splitlines():
            if not line.startswith(("\\toprule", "\\midrule", "\\bottomrule")):
                assert line.endswith(r" \\")
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns) - 1, line
    return [body.splitlines() for _, body in bodies]


def test_latex_is_well_formed_and_split() -> None:
    text = formats.to_latex(AWKWARD)
    assert text.isascii()
    assert len(tabulars(text)) == text.count(r"\begin{table}") > 2
    assert all(len(body) <= 45 + 4 for body in tabulars(text))
    bare = re.sub(r"\\[&%$#_{}\\]", "", text)
    assert bare.count("{") == bare.count("}")
    assert "%" not in bare
    assert "#" not in bare
    assert bare.count("$") % 2 == 0
    assert r"$\mathbf{0.352} \pm 0.013$ {\scriptsize (9/10 ok, 1 error)}" in text
    assert r"$3.20 \times 10^{30} \pm 1 \times 10^{30}$" in text
    assert r"\textbf{12.3 ms}" in text


def test_latex_shows_letters() -> None:
    assert formats.latex("a_b%&#") == r"a\_b\%\&\#"
    assert formats.latex("Czyż, Łukasz, Å, é, ß") == r"Czy\.{z}, {\L}ukasz, \r{A}, \'{e}, {\ss}"
    assert formats.latex("ρ ≤ Γ 中") == r"$\rho$ $\leq$ $\Gamma$ [U+4E2D]"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_latex_compiles(tmp_path: Path) -> None:
    signs = formats.latex("".join(map(chr, [*range(32, 127), *range(0xA1, 0x180), *range(0x391, 0x3CA)])))
    found = [*pair(1.0, 0.1, estimator="a_b"), *pair(1.28, 0.1, estimator="b%"), failed("oom", estimator="ρ")]
    parts = [tables.table(scoring.cells(found), score, rule=str(scoring.Solved())) for score in ("mean", "summary")]
    body = "\n\n".join([*parts, formats.to_latex(AWKWARD), signs])
    source = tmp_path / "paper.tex"
    source.write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n" + body + "\n\\end{document}\n",
        encoding="utf-8",
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", source.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]


def test_markdown_keeps_its_columns() -> None:
    lines = formats.to_markdown(AWKWARD).split("\n\n")[0].splitlines()
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(AWKWARD.heads) + 1}
    assert "**0.352 ± 0.013 (9/10 ok, 1 error)**" in lines[2]
    assert r"\<i\>\|\*" in lines[0]


class Cells(HTMLParser):
    """The texts of a table's lines, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[list[str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.lines.append([])
        elif tag in ("td", "th"):
            self.lines[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.lines and self.lines[-1]:
            self.lines[-1][-1] += data.strip("\n")


def test_html_gives_every_text_back() -> None:
    read = Cells()
    read.feed(formats.to_html(AWKWARD))
    assert read.tags == {"table", "caption", "span", "thead", "tbody", "tr", "th", "td", "b", "small", "wbr"}
    assert read.lines[0] == list(AWKWARD.heads)
    assert read.lines[1][:2] == [f"{NASTY} 0", "0.352 ± 0.013 (9/10 ok, 1 error)"]
    assert {len(line) for line in read.lines} == {len(AWKWARD.heads)}


def test_plain_text_fits_the_terminal_and_loses_nothing() -> None:
    found = [*pair(1.0, 0.1), *pair(1.3, 0.1, estimator="kernel-resubstitution", distribution="asinh[base=student]")]
    for width in (40, 60, None):
        lines = tables.table(scoring.cells(found), "mean", "table", width=width).splitlines()
        assert max(map(len, lines[:-1])) <= (width or 1000)
        words = " ".join(lines).split()
        for name in ("ksg", "kernel-resubstitution", "truth"):
            assert name in " ".join(words).replace("- ", "-")
    wide = tables.table(scoring.cells(found), "mean", "table").splitlines()
    assert len(wide[-1]) > 80
    assert any(line.endswith(" *") for line in formats.to_text(AWKWARD).splitlines())


def test_names_break_where_one_reads_on() -> None:
    name = "contaminated[base=gaussian-sparse,rho=-0.5]"
    assert names.wrap_name(name, 16) == ["contaminated[", "base=gaussian-", "sparse,rho=-0.5]"]
    assert names.wrap_name(name, 24) == ["contaminated[", "base=gaussian-sparse,", "rho=-0.5]"]
    assert "".join(names.name_parts(name)) == name
    assert "contaminated[<wbr>base=gaussian-<wbr>sparse" in formats.to_html(Table("", ("a", name), ()))


def test_csv_has_every_digit() -> None:
    found = [*rows(1.2, 0.9, 1.5), *rows(1.0, 1.0, 1.3, estimator="cca"), failed("error", seed=3, estimator="cca")]
    read = list(csv.DictReader(io.StringIO(tables.table(scoring.cells(found), "rmse", "csv"))))
    assert [line["estimator"] for line in read] == ["ksg", "cca"]
    assert float(read[0]["value"]) == math.sqrt(np.mean(np.array([0.2, -0.1, 0.5]) ** 2))
    assert json.loads(read[1]["failures"]) == {"error": 1}
    assert (read[1]["ok"], read[1]["trials"], read[1]["best"]) == ("3", "4", "False")


@pytest.mark.parametrize(
    ("score", "form"), [one for one in itertools.product(SCORES, FORMATS) if one[0] != "dependence"]
)
def test_every_score_in_every_format(score: str, form: str) -> None:
    found = [*rows(1.2, 0.9, oracle=1.1), *rows(1.0, 1.3, oracle=1.1, estimator="cca"), failed("error", seed=2)]
    found += rows(0.2, 0.3, quantity="hsic", estimator="hsic", truth=None, truth_se=None)
    text = tables.table(scoring.cells(found), score, form, rule="rule")
    assert "ksg" in text
    assert "nan" not in text.lower().replace("dominant", "")
    assert text == tables.table(scoring.cells(found), score, form, rule="rule")


# ---------------------------------------------------------------------------------------------------------------------
# Citations


def keys_of(text: str) -> list[str]:
    return re.findall(r"^@\w+\{([^,]+),$", text, re.MULTILINE)


def test_everything_registered_is_cited_once() -> None:
    found = [e.facts for one in (registry.estimators, registry.distributions) for e in one.entries().values()]
    text = bibliography.distinct(facts.citation for facts in found)
    keys = keys_of(text)
    assert len(set(keys)) == len(keys) == text.count("\n@") + 1
    for facts in found:
        assert set(re.findall(r"@\w+\{\s*([^,\s]+)\s*,", facts.citation)) <= set(keys)
    assert keys == sorted(keys, key=str.lower)
    for one in text.split("\n\n"):
        assert one.count("{") == one.count("}")


def test_entries_are_unique_whatever_their_layout() -> None:
    first = "@article{same2020,\n  title = {One {T}hing},\n  year = {2020}\n}"
    again = "@article{same2020,\n      title = {One Thing},\n      year = {2020}\n    }"
    other = "@article{same2020,\n  title = {Another},\n  year = {2020}\n}"
    assert bibliography.distinct([first, again]) == first
    assert keys_of(bibliography.distinct([first, other, again, other])) == ["same2020", "same2020a"]


def test_citations_of_a_table_are_those_of_its_estimators_and_tasks() -> None:
    wrapper = registry.make_estimator("sliced[inner=ksg]")
    found = rows(1.0, estimator="sliced", params=registry.parameter_values(wrapper), distribution="student")
    found += rows(1.0, estimator="my-own", distribution="mine.py:Law")
    text, without = citations.bibtex(scoring.cells(found))
    for name, catalogue in (("sliced", registry.estimators), ("ksg", registry.estimators)):
        assert set(keys_of(catalogue.entries()[name].facts.citation)) <= set(keys_of(text)), name
    assert set(keys_of(bibliography.distinct([registry.distributions.entries()["student"].facts.citation]))) <= set(
        keys_of(text)
    )
    assert without == ["my-own", "mine.py:Law"]


# ---------------------------------------------------------------------------------------------------------------------
# The command


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "rows.sqlite"
    run = "run --estimator cca,ksg,hsic --distribution gaussian-dense,independent --dim 2 --n 200 --seeds 2 --jobs 1"
    assert cli.main([*run.split(), "--store", str(path), "--out", str(path.with_suffix(".txt"))]) == 0
    return path


def test_table_command(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["table", "--store", str(store)]) == 0
    assert len(tabulars(capsys.readouterr().out)) == 2  # mutual information, and hsic by itself
    out = tmp_path / "table.md"
    assert (
        cli.main(["table", "--store", str(store), "--score", "summary", "--format", "markdown", "--out", str(out)]) == 0
    )
    assert "solved" in out.read_text(encoding="utf-8")
    # Nothing is exact to 1e-9 nats; everything is within 9 nats and has an sd below 9.
    for rule, written, solved in (("1e-9,0%,9", "max(1e-09 nats, 0%)", "0/2"), ("9, 1% ,9", "max(9 nats, 1%)", "2/2")):
        asked = ["--score", "summary", "--format", "markdown", "--solved", rule]
        assert cli.main(["table", "--store", str(store), "--estimator", "cca", *asked]) == 0
        shown = capsys.readouterr().out
        assert written in shown
        assert f"| {solved} |" in shown
    asked = ["--score", "solved", "--format", "csv", "--solved", "9,1%,9", "--estimator", "cca"]
    assert cli.main(["table", "--store", str(store), *asked]) == 0
    printed = capsys.readouterr()
    assert [line["value"] for line in csv.DictReader(io.StringIO(printed.out))] == ["1.0", "1.0"]
    assert printed.err == "solved: |mean - truth| <= max(9 nats, 1%), sd <= 9 nats, no failed trial\n"
    assert cli.main(["table", "--store", str(store), "--bibtex", "--estimator", "ksg"]) == 0
    assert "kraskov2004estimating" in keys_of(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--store missing.sqlite", "no store missing.sqlite"),
        ("--score rsme", r"nearest: rmse"),
        ("--format tex", "latex, markdown"),
        ("--columns task", "tasks, estimators"),
        ("--estimator gaussian-copula", "gaussian-copula"),
        ("--estimator hsic --score bias", "there is no bias to show for these rows; --score mean needs neither truth"),
        ("--dim 3", "no row for --dim 3 in .*; there is dim_x 2"),
        ("--dim-y 3", "no row for --dim-y 3 in .*; there is dim_y 2"),
        ("--interval subsample", "no row for --interval subsample in .*; there is interval none"),
        ("--out no/such/table.tex", "no folder no/such"),
        (
            "--score summary --solved 0.05",
            r"--solved: '0.05' is not accepted; give nats of error, percent of the truth",
        ),
        ("--score summary --solved 0.05,0.05,0.1", r"not accepted.*such as 0.05,5%,0.1"),
        ("--score summary --solved 0.05,-5%,0.1", "not accepted"),
        ("--score summary --solved 0.05,5%,inf", "not accepted"),
        ("--score summary --solved a,5%,0.1", "not accepted"),
        ("--solved 0.05,5%,0.1", "--solved is for --score solved or summary"),
    ],
)
def test_wrong_input_is_one_line(words: str, said: str, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = words.split()
    place = [] if "--store" in given else ["--store", str(store)]
    assert cli.main(["table", *place, *given]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"mibench: [^\n]+\n", captured.err)
    assert re.search(said, captured.err)
