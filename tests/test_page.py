"""The report: one file that fetches nothing, says what ran, and shows texts of rows as texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest

from mibench import cli
from mibench.names import STALE
from mibench.report.page import page
from mibench.rows.row import Row
from mibench.scoring import Solved

INJECTION = "<script>alert('x')</script><img src=\"https://example.org/a.png\" onerror=alert(1)>"
ENVIRONMENT = {
    "mibench": "0.1.0", "git_revision": "0123456789abcdef", "git_dirty": True, "python": "3.11.7", "platform": "Linux",
    "libraries": {"numpy": "2.4.6", "torch": None}, "cpu": "A processor", "cores": 2, "gpu": None, "threads": 1,
    "jobs": 2, "command": f"mibench run --estimator '{INJECTION}'",
}  # fmt: skip


def row(estimate: float | None, **columns: Any) -> Row:
    made = {
        "estimator": "ksg", "params": {"k": 3, "margins": "none"}, "estimator_version": "1",
        "distribution": "gaussian-sparse", "distribution_version": "1", "dim_x": 5, "dim_y": 5, "n": 100, "seed": 0,
        "device": "cpu", "quantity": "mi", "bound": "none", "status": "ok", "estimate": estimate, "low": None,
        "high": None, "truth": 1.0, "truth_se": 0.0, "truth_low": None, "truth_high": None, "truth_method": None,
        "oracle": 1.1, "wall_s": 1.0, "cpu_s": 2.0, "interval": None, "level": None, "warnings": [], "diagnostics": {},
        "error_type": None, "error_text": None, "created_utc": "2026-01-02T03:04:05+00:00", "environment": "abc",
        "code": "c", "stale": False, **columns,
    }  # fmt: skip
    return cast("Row", made)


def failed(seed: int, text: str, status: str = "error", **columns: Any) -> Row:
    nothing = dict.fromkeys(("truth", "truth_se", "oracle", "wall_s", "cpu_s"))
    return row(
        None, **{**nothing, "status": status, "seed": seed, "error_type": "ValueError", "error_text": text}, **columns
    )


ROWS = [
    *(row(value, seed=seed) for seed, value in enumerate((1.2, 0.9, 1.5))),
    *(row(value, seed=seed, n=1000) for seed, value in enumerate((1.1, 1.0, 1.2))),
    *(failed(seed, f"{INJECTION}\nsecond line of it") for seed in (3, 4, 7)),
    *(row(value, seed=seed, estimator=f"own {INJECTION}", distribution=INJECTION, params={"a": INJECTION},
          warnings=[f"{value} is {INJECTION}"]) for seed, value in enumerate((1.0, 1.3))),
    row(0.4, estimator="hsic", quantity="hsic", params={}, truth=None, truth_se=None, environment="unknown"),
    failed(0, "too many dimensions: 5 + 5 > 8", "skipped", estimator="binning", params={}),
]  # fmt: skip


def report(rows: list[Row] = ROWS, created: str = "2026-11-22") -> str:
    return page(rows, {"abc": ENVIRONMENT}, source="rows.sqlite", created=created)


@pytest.fixture(scope="module")
def text() -> str:
    return report()


class Reader(HTMLParser):
    """Tags with their attributes, and what a reader sees."""

    VOID = ("meta", "link", "br", "img", "hr", "input", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.seen = ""
        self.styles = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            self.styles += data
        elif "script" not in self.open:
            self.seen += data


def test_nothing_is_fetched(text: str) -> None:
    read = Reader(text)
    kinds = Counter(tag for tag, _ in read.tags)
    assert kinds["script"] == 1
    assert not {"img", "iframe", "object", "embed", "base", "form", "audio", "video"} & kinds.keys()
    for tag, attributes in read.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "xlink:href", "srcset", "data", "action", "poster"):
                assert value is not None
                assert value.startswith(("#", "data:")), (tag, value)
            assert "url(" not in (value or "") or "url(#" in (value or "")
    assert not re.search(r"@import|url\(", read.styles.replace("url(#", ""))
    script = text[text.index("<script>") :]
    assert not re.search(r"fetch|XMLHttp|import\b|eval|innerHTML|https?:", script)


def test_links_lead_somewhere_and_ids_are_unique(text: str) -> None:
    read = Reader(text)
    ids = Counter(attributes["id"] for _, attributes in read.tags if attributes.get("id"))
    assert max(ids.values()) == 1
    links = [value for _, attributes in read.tags for name, value in attributes.items() if name.endswith("href")]
    assert {link[1:] for link in links if link and link.startswith("#")} <= ids.keys()
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= ids.keys()


def test_texts_of_rows_stay_texts(text: str) -> None:
    """An injected element would show up among the tags, and its text would not be seen."""
    read = Reader(text)
    assert read.seen.count("alert('x')") >= 6  # command, message, estimator, task, parameter, warning
    assert "<script>alert" not in text
    assert "<img" not in text


def test_it_says_what_ran(text: str) -> None:
    seen = Reader(text).seen
    assert "13: 9 ok, 3 error, 1 skipped" in re.sub(r"\s+", " ", seen)
    for words in ("0 to 4, 7", "100, 1000", "0123456789ab with uncommitted changes", "numpy 2.4.6",
                  "A processor, 2 cores", "12, from 2026-01-02T03:04:05+00:00"):  # fmt: skip
        assert words in seen, words


def test_runs_that_only_the_commit_and_the_command_tell_apart_are_one() -> None:
    environments = {
        "abc": ENVIRONMENT,
        "def": {**ENVIRONMENT, "git_revision": "fedcba9876543210", "command": "mibench run again"},
        "ghi": {**ENVIRONMENT, "cpu": "Another"},
    }
    rows = [row(0.4, environment=name, seed=seed) for seed, name in enumerate(environments)]
    seen = Reader(page(rows, environments, source="rows.sqlite", created="2026-01-02")).seen
    assert "Where (1 of 2)" in seen
    assert "Where (3" not in seen
    assert "0123456789ab with uncommitted changes, fedcba987654 with uncommitted changes" in seen
    assert "abc, def" in seen
    assert "mibench run again" in seen


def test_failures_come_once_with_their_seeds(text: str) -> None:
    after = text[text.index('<section id="failures">') :]
    (line,) = [part for part in after.split("<tr>") if "ValueError" in part]
    assert "<td>3 to 4, 7</td>" in line
    assert "second line of it" in line
    assert "too many dimensions: 5 + 5 &gt; 8" in after


def test_an_estimator_is_described_and_judged(text: str) -> None:
    part = text[text.index('<section id="estimator-ksg">') :]
    part = Reader(part[: part.index("<section", 10)]).seen
    assert "Kraskov" in part
    assert "digamma" in part or "psi" in part
    assert "6 of 9 trials ok" in part
    assert "gaussian-sparse, 5 × 5" in part
    assert "1.2 ± 0.3" in part
    own = text[text.index('<section id="estimator-own-') :]
    assert "Not registered" in own[: own.index("</section>")]


def test_warnings_that_differ_in_numbers_are_one(text: str) -> None:
    own = text[text.index('<section id="estimator-own-') :]
    assert "<tr><td>2</td>" in own[: own.index("</section>")]


def test_summary_can_be_sorted_by_numbers(text: str) -> None:
    start = text.index('<table class="sortable">')
    table = text[start : text.index("</table>", start)]
    numbers = [float(number) for number in re.findall(r'data-number="([^"]+)"', table)]
    assert numbers
    assert not any(math.isnan(number) for number in numbers)


def test_other_quantities_stand_apart(text: str) -> None:
    part = text[text.index('<section id="tables">') :]
    grids = re.findall(r"<table>.*?</table>", part[: part.index("</section>")], re.DOTALL)
    with_hsic = [grid for grid in grids if ">hsic<" in grid]
    assert len(with_hsic) == 1
    assert "ksg" not in with_hsic[0]


def test_stale_rows_are_marked() -> None:
    stale = report([{**one, "stale": one["estimator"] == "hsic"} for one in ROWS])
    seen = re.sub(r"\s+", " ", Reader(stale).seen)
    assert f"hsic{STALE}" in seen
    assert "made by other code than is here: 1 trials of hsic." in seen


def test_the_same_rows_give_the_same_bytes(text: str) -> None:
    assert report() == text
    assert report(created="2027-01-01").replace("2027-01-01", "2026-11-22") == text


def test_nothing_failed() -> None:
    assert "No trial failed." in report(ROWS[:3])


def test_report_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, out = tmp_path / "rows.sqlite", tmp_path / "report.html"
    run = [
        "run",
        "--estimator",
        "cca,ksg",
        "--distribution",
        "gaussian-dense",
        "--dim",
        "2",
        "--n",
        "100",
        "--seeds",
        "2",
    ]
    assert cli.main([*run, "--jobs", "1", "--store", str(store), "--out", str(tmp_path / "out.txt")]) == 0
    assert cli.main(["report", "--store", str(store), "--out", str(out)]) == 0
    first = Reader(out.read_text(encoding="utf-8"))
    assert "mibench" in first.seen
    assert "svg" in {tag for tag, _ in first.tags}
    rows = tmp_path / "rows.csv"
    assert cli.main(["export", "--store", str(store), "--out", str(rows)]) == 0
    capsys.readouterr()
    assert cli.main(["report", "--rows", str(rows)]) == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")


def test_another_rule_and_bits() -> None:
    """Estimates of 1.2 +- 0.3 about 1: solved by no default; the rule is written where its verdicts are."""
    rows = [row(value, seed=seed) for seed, value in enumerate((1.2, 0.9, 1.5))]
    texts = [
        page(rows, {}, source="s", created="d"),
        page(rows, {}, source="s", created="d", units="bits", rule=Solved(1, 0, 1)),
    ]
    assert [verdict in text for text, verdict in zip(texts, (">0/1<", ">1/1<"), strict=True)] == [True, True]
    assert "max(0.05 nats, 5%), sd &lt;= 0.1 nats" in texts[0]
    assert "max(1 nats, 0%), sd &lt;= 1 nats" in texts[1]
    assert ["Mean estimate ± sd over seeds: mutual information in bits" in text for text in texts] == [False, True]
    assert f"{1.2 / math.log(2):.1f}" in texts[1]
    assert "tasks that are not solved, in nats" in texts[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [("--store missing.sqlite", "no store missing.sqlite"), ("--out no/such/report.html", "no folder no/such")],
)
def test_wrong_input_is_one_line(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", *words.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"mibench: [^\n]+\n", captured.err)
    assert said in captured.err
