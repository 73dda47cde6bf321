"""What people and programs read: units, tables that cut nothing, JSON and CSV that parse back."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from mibench.bibliography import citation_texts
from mibench.display import cell_table, table, write_file
from mibench.interface import InputError
from mibench.names import estimator_labels
from mibench.registry import make_estimator, parameter_values
from mibench.rows.files import to_csv, to_json
from mibench.rows.row import COLUMNS, plain
from mibench.rows.units import in_units
from mibench.scoring import summarise

LONG = "spiral-normal_cdf-multinormal-sparse-25-25-2-2.0-" + "x" * 200


def row(**columns: Any) -> dict[str, Any]:
    known = {
        "estimator": "ksg", "params": {"k": 3, "margins": "raw"}, "estimator_version": "1",
        "distribution": "independent", "distribution_version": "1",
        "dim_x": 5, "dim_y": 5, "n": 100, "seed": 1, "device": "cpu", "quantity": "mi",
        "status": "ok", "estimate": 0.5, "low": 0.25, "high": 0.75, "level": 0.9, "truth": 0.6, "truth_low": 0.6,
        "truth_high": 0.6, "truth_se": 0.05, "oracle": 0.55, "wall_s": 1.5, "cpu_s": 2.5, "peak_rss_mb": 80.0,
        "diagnostics": {"steps": 3}, "warnings": [], "bound": "none",
    }  # fmt: skip
    return {**dict.fromkeys(COLUMNS), **known, **columns}


# ---------------------------------------------------------------------------------------------------------------------
# Units

INFORMATION = {"estimate", "low", "high", "truth", "truth_low", "truth_high", "truth_se", "oracle"}
SCORES = {
    "truth",
    "truth_low",
    "truth_high",
    "truth_se",
    "mean",
    "bias",
    "bias_se",
    "sd",
    "rmse",
    "mae",
    "oracle_rmse",
    "mean_width",
}


def test_bits_convert_what_is_information_and_nothing_else() -> None:
    nats = [row(estimate=0.5), row(estimate=0.9, seed=2)]
    for records, keys in ((nats, INFORMATION), (summarise(nats), SCORES)):
        for before, after in zip(records, in_units(records, "bits"), strict=True):
            assert list(before) == list(after)
            for key, value in before.items():
                expected = value / math.log(2) if key in keys else value
                assert after[key] == (pytest.approx(expected, rel=1e-15) if key in keys else value), key


def test_scores_in_bits_are_the_scores_of_bits() -> None:
    rows = [row(estimate=value, oracle=value + 0.1) for value in (0.5, 0.9, 0.4)]
    for one, other in zip(in_units(summarise(rows), "bits"), summarise(in_units(rows, "bits")), strict=True):
        there = dict(other)
        for key, value in one.items():
            assert there[key] == (pytest.approx(value) if isinstance(value, float) else value), key


def test_nats_stay_and_what_is_missing_stays_missing() -> None:
    rows = [row(estimate=None, truth=None)]
    assert in_units(rows, "nats") == rows
    assert in_units(rows, "bits")[0]["estimate"] is None


def test_a_distance_has_no_bits() -> None:
    cells = [{"quantity": "wasserstein-2", "mean": 1.5, "truth": 1.4}, {"quantity": "cs-qmi", "mean": math.log(2)}]
    assert in_units(cells, "bits") == [cells[0], {"quantity": "cs-qmi", "mean": pytest.approx(1.0)}]


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def test_nothing_is_cut_off_outside_of_a_terminal() -> None:
    names = ["a " + LONG, "b words " + LONG, "half-cube[base=gaussian-sparse[dim_x=5,rho=0.8]]"]
    cells = summarise([row(distribution=name, estimator=name.upper()) for name in names])
    lines = cell_table(cells, "nats").splitlines()
    for name in names:
        assert sum(name in line and name.upper() in line for line in lines) == 1
    assert "…" not in "".join(lines)


@pytest.mark.parametrize(
    "text",
    ["contaminated[base=gaussian-sparse[rho=0.8]]", "[bold]", "a[/]", "[red]x[/red]", "\\[x]", "end\\", "[[a]]",
     "file.py:Mine[a=:smile:]", "[k=3]"],
)  # fmt: skip
def test_brackets_are_text(text: str) -> None:
    assert text in table(["name", text], [[text, "1"]], caption=text)
    assert table(["name", text], [[text, "1"]], caption=text).count(text) == 3


def test_a_narrow_terminal_folds_and_cuts_nothing() -> None:
    drawn = table(["name", "value"], [[LONG, "0.1234"]], width=60)
    assert max(map(len, drawn.splitlines())) <= 60
    assert "…" not in drawn
    assert drawn.count("x") == LONG.count("x")


def test_prose_goes_below_its_line_and_titles_stay() -> None:
    prose = "words " * 20
    drawn = table(["name", "value", "meaning"], ["a title", ["one", "0.1234", prose.strip()]], width=45).splitlines()
    assert [line.split() for line in drawn[:3]] == [["name", "value"], ["a", "title"], ["one", "0.1234"]]
    assert " ".join(" ".join(drawn[3:]).split()) == prose.strip()
    assert max(map(len, drawn)) <= 45


def test_numbers_stand_to_the_right_and_names_to_the_left() -> None:
    drawn = table(
        ["task", "value", "bias", "ok"],
        [["1v1-normal-0.75", "1.5", "+0.1000 ± 0.0100", "5/5 ok"], ["2v2", "10.25", "–", "10/12 ok"]],
    ).splitlines()
    assert drawn[1].startswith("1v1-normal-0.75")
    assert drawn[2].startswith("2v2 ")
    assert drawn[1].index("1.5  ") - drawn[2].index("10.25") == 2
    assert drawn[2].index("–") > drawn[1].index("+0.1000")


def test_failed_cells_say_how_many() -> None:
    cells = summarise([row(), row(status="timeout", estimate=None), row(status="crash", estimate=None)])
    assert "1/3 ok, 1 timeout, 1 crash" in cell_table(cells, "nats")


def test_another_quantity_is_named() -> None:
    assert "quantity" not in cell_table(summarise([row()]), "nats")
    drawn = cell_table(summarise([row(), row(estimator="dse", quantity="dsmi", truth=None)]), "nats")
    assert "quantity" in drawn
    assert "dsmi" in drawn


def test_coverage_is_shown_where_intervals_were_asked_for() -> None:
    """One of three trials has no interval, which its coverage says; a plain cell beside it has no coverage at all."""
    assert "coverage" not in cell_table(summarise([row()]), "nats")
    asked = [row(interval="subsample"), row(interval="subsample", high=0.55), row(interval="subsample", low=None)]
    head, first, second, caption = cell_table(summarise([*asked, row(n=200, low=None)]), "nats").splitlines()
    assert head.split()[-4:] == ["coverage", "width", "ok", "time"]
    assert "  0.50 of 2  0.4000  3/3 ok  " in first
    assert second.split()[-6:-4] == ["–", "–"]
    assert "share of the 90% subsample intervals that hold the truth" in caption


def test_no_coverage_of_an_unknown_truth() -> None:
    """Two of three trials have an interval, but no truth that it could hold: no share, and none "of 2"."""
    unknown = {"truth": None, "truth_low": None, "truth_high": None, "truth_se": None, "interval": "subsample"}
    certified = {"truth_low": 0.4, "truth_high": 0.8, "interval": "subsample", "n": 200}
    for some in (unknown, certified):
        cells = summarise([row(**some), row(**some), row(**{**some, "low": None})])
        assert (cells[0]["intervals"], cells[0]["ok"], cells[0]["coverage"]) == (2, 3, None)
        head, line, *_ = cell_table(cells, "nats").splitlines()
        place = head.index("coverage")
        assert line[place : place + 8].strip() == "–"
        assert " of " not in line


def test_labels_name_the_parameters_that_differ() -> None:
    cells = [
        {"estimator": "ksg", "params": {"k": 3, "margins": "raw", "on": True, "cut": None, "sizes": [1, 2]}},
        {"estimator": "ksg", "params": {"k": 5, "margins": "raw", "on": False, "cut": 0.5, "sizes": [1, 3]}},
        {"estimator": "cca", "params": {"k": 7}},
    ]
    assert estimator_labels(cells) == [
        "ksg[k=3,on=true,cut=none,sizes=(1,2)]",
        "ksg[k=5,on=false,cut=0.5,sizes=(1,3)]",
        "cca",
    ]
    assert estimator_labels(cells[:1] * 2) == ["ksg", "ksg"]


def test_labels_name_what_is_not_at_its_default_even_of_one_estimator_alone() -> None:
    asked = ["ksg[margins=normal]", "ksg", "ksg[k=(3,5)]", "sliced[inner=ksg[k=5],slices=7]", "compressed[inner=cca]"]
    made = [make_estimator(text) for text in asked]
    cells = [{"estimator": one.label(), "params": plain(parameter_values(one))} for one in made]
    labels = [estimator_labels([cell])[0] for cell in cells]
    assert labels == estimator_labels(cells)
    assert labels[:3] == asked[:3]
    assert "inner=ksg[k=5]" in labels[3]
    assert [make_estimator(label) for label in labels] == made
    assert estimator_labels([{**cells[0], "stale": True}]) == ["ksg†[margins=normal]"]


def test_labels_of_unequal_parameters_differ() -> None:
    """A row that was stored before a parameter was there is no other name for one with its default."""
    older = {"estimator": "ksg", "params": {"k": 3}}
    today = {"estimator": "ksg", "params": plain(parameter_values(make_estimator("ksg")))}
    assert len(set(estimator_labels([older, today]))) == 2


def test_labels_can_be_given_to_the_command_line() -> None:
    made = [make_estimator("ksg[k=5]"), make_estimator("ksg[k=4,margins=normal]")]
    cells = [{"estimator": "ksg", "params": {"k": one.k, "margins": one.margins}} for one in made]  # type: ignore[attr-defined]
    assert [make_estimator(label) for label in estimator_labels(cells)] == made


# ---------------------------------------------------------------------------------------------------------------------
# Files


def test_json_parses_back_without_nan() -> None:
    value = {"a": [1.0, float("nan"), float("inf")], "b": {"c": "é [x]"}, "d": None}
    text = to_json(value)
    assert "NaN" not in text
    assert "Infinity" not in text
    assert "é" in text
    assert json.loads(text) == {"a": [1.0, None, None], "b": {"c": "é [x]"}, "d": None}


def test_csv_parses_back() -> None:
    rows = [row(error_text='two\nlines, "quoted"', warnings=["a,b"], params={"k": 3}), row(estimate=1 / 3)]
    found = list(csv.DictReader(io.StringIO(to_csv(rows), newline="")))
    assert [list(one) for one in found] == [list(rows[0])] * 2
    assert found[0]["error_text"] == rows[0]["error_text"]
    assert json.loads(found[0]["warnings"]) == ["a,b"]
    assert json.loads(found[0]["params"]) == {"k": 3}
    assert float(found[1]["estimate"]) == 1 / 3
    assert found[1]["error_text"] == ""
    assert to_csv([]) == ""


def test_several_citations_are_several_lines() -> None:
    bibtex = """@article{one,
      author = {Ada Lovelace and
                Emmy Noether},
      title = {Sets of {\\'E}lie},
      journal = {Notes},
      year = {1901}
    }

    @misc{two, author = {Paul L{\\'e}vy}, title = {Walks}, year = {1940}, eprint = {1.2}}"""
    assert citation_texts(bibtex) == [
        "Ada Lovelace and Emmy Noether (1901). Sets of Élie. Notes",
        "Paul Lévy (1940). Walks. arXiv:1.2",
    ]


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full after half of the file: what was there stays, and nothing stands beside it."""
    path, link = tmp_path / "table.tex", tmp_path / "link.tex"
    write_file(path, b"first")
    link.symlink_to(path)
    write_file(link, b"second")
    assert (path.read_bytes(), link.is_symlink()) == (b"second", True)
    write_bytes = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        write_bytes(self, content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=re.escape(f"{path} cannot be written: No space left on device")):
        write_file(path, b"third")
    assert path.read_bytes() == b"second"
    assert sorted(tmp_path.iterdir()) == [link, path]
