"""A user's own data: every accepted kind gives the same columns, everything else one clear line."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mibench.estimating import Estimation, Start
from mibench.files import as_labels, drop_missing, mostly_distinct, read_table, repeated_rows, select, select_pair
from mibench.inputs import (
    UnsupportedError,
    as_columns,
    as_pair,
    check_data,
    check_estimate,
    check_supported,
)
from mibench.interface import Array, Context, Estimate, Estimator, InputError, Sample, Shape, are_discrete
from mibench.registry import make_estimator

NAN = float("nan")
NUMBERS = np.random.default_rng(0).normal(size=(7, 2))
LABELS_ONLY = "give numbers, or text, bool or category columns as labels"


def line_of(caught: pytest.ExceptionInfo[InputError]) -> str:
    line = str(caught.value)
    assert "\n" not in line
    return line


# ---------------------------------------------------------------------------------------------------------------------
# Values in memory


@pytest.mark.parametrize(
    "values",
    [
        NUMBERS,
        np.asfortranarray(NUMBERS),
        np.repeat(NUMBERS, 2, axis=0)[::2],
        NUMBERS.tolist(),
        tuple(map(tuple, NUMBERS)),
        NUMBERS.astype(object),
        np.ma.MaskedArray(NUMBERS),
        torch.tensor(NUMBERS),
        torch.tensor(NUMBERS, requires_grad=True),
        pd.DataFrame(NUMBERS, columns=["a", "b"]),
        pd.DataFrame(NUMBERS, columns=["a", "b"], index=range(7, 0, -1)),
        pd.DataFrame(NUMBERS).astype("Float64"),
    ],
    ids=lambda values: type(values).__name__,
)
def test_the_same_numbers_from_every_container(values: Any) -> None:
    columns = as_columns(values, "x")
    np.testing.assert_array_equal(columns.values, NUMBERS)
    assert columns.values.dtype == np.float64
    assert columns.values.flags.c_contiguous
    assert columns.kinds == ("continuous", "continuous")


@pytest.mark.parametrize(
    "values",
    [
        np.array([3, 1, 2]),
        np.array([3, 1, 2], dtype=np.uint8),
        np.array([3, 1, 2], dtype=np.float16),
        np.array([[3.0], [1.0], [2.0]], dtype=np.float32),
        [3, 1.0, np.int8(2)],
        (3, 1, 2),
        torch.tensor([3, 1, 2]),
        torch.tensor([3, 1, 2], dtype=torch.bfloat16),
        pd.Series([3, 1, 2]),
        pd.Series([3, 1, 2], dtype="Int64"),
        pd.Index([3, 1, 2]),
        pd.array([3, 1, 2]),
    ],
    ids=str,
)
def test_one_dimension_is_one_column(values: Any) -> None:
    columns = as_columns(values, "x")
    np.testing.assert_array_equal(columns.values, [[3.0], [1.0], [2.0]])
    assert columns.values.dtype == np.float64
    assert columns.kinds == ("continuous",)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (["b", "a", "b"], [1, 0, 1]),
        (np.array(["b", "a", "b"]), [1, 0, 1]),
        (np.array([b"b", b"a", b"b"]), [1, 0, 1]),
        ([True, False, True], [1, 0, 1]),
        (torch.tensor([True, False, True]), [1, 0, 1]),
        (pd.Series(["b", "a", "b"]), [1, 0, 1]),
        (pd.Series(["b", None, "a"]), [1, NAN, 0]),
        (["b", None, "a"], [1, NAN, 0]),
        (pd.Series([True, pd.NA, False], dtype="boolean"), [1, NAN, 0]),
        (pd.Categorical(["low", "high", "low"], categories=["low", "high"]), [0, 1, 0]),
        (pd.Series([30, 10, 20], dtype="category"), [2, 0, 1]),
        (["2", "10", "2"], [1, 0, 1]),
    ],
    ids=str,
)
def test_labels_become_codes(values: Any, codes: list[float]) -> None:
    columns = as_columns(values, "x")
    np.testing.assert_array_equal(columns.values[:, 0], codes)
    assert columns.kinds == ("discrete",)


@pytest.mark.parametrize(
    "values",
    [
        [1, None, 3],
        [1.0, NAN, 3.0],
        pd.Series([1, pd.NA, 3], dtype="Int64"),
        np.array([1, None, 3], dtype=object),
        np.ma.MaskedArray([1.0, 2.0, 3.0], mask=[False, True, False]),
    ],
    ids=str,
)
def test_missing_numbers_are_nan(values: Any) -> None:
    np.testing.assert_array_equal(as_columns(values, "x").values[:, 0], [1.0, NAN, 3.0])


@pytest.mark.parametrize(
    ("discrete", "expected"),
    [
        (None, (False, False, True)),
        (True, (True, True, True)),
        ("a", (True, False, True)),
        (["b"], (False, True, True)),
        ([0, "b"], (True, True, True)),
        ([False, True, True], (False, True, True)),
        (np.array([1]), (False, True, True)),
        ([], (False, False, True)),
    ],
    ids=str,
)
def test_declaring_columns_discrete(discrete: Any, expected: tuple[bool, ...]) -> None:
    table = pd.DataFrame({"a": [0.5, 2.0], "b": [3, 1], "c": ["v", "u"]})
    columns = as_columns(table, "x", discrete)
    assert tuple(are_discrete(columns.kinds)) == expected
    assert columns.names == ("a", "b", "c")
    np.testing.assert_array_equal(columns.values, [[0.5, 3, 1], [2, 1, 0]])  # numbers keep their values


def test_bools_can_be_numbers() -> None:
    for values in (np.array([True, False]), pd.Series([True, False])):
        columns = as_columns(values, "x", discrete=False)
        assert columns.kinds == ("continuous",)
        np.testing.assert_array_equal(columns.values, [[1.0], [0.0]])


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (np.array([1j, 2j]), f"x holds complex128 values; {LABELS_ONLY}"),
        (pd.Series([1j, 2j]), f"x holds complex values; {LABELS_ONLY}"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), f"x holds datetime64[D] values; {LABELS_ONLY}"),
        (pd.DataFrame({"t": [pd.Timestamp(0)]}), f"x column 't' holds datetime64 values; {LABELS_ONLY}"),
        ([1, "a"], f"x holds mixed-integer values; {LABELS_ONLY}"),
        ([[1, 2], [3, "a"]], f"x column 1 holds mixed-integer values; {LABELS_ONLY}"),
        ([{}, {}], f"x holds mixed values; {LABELS_ONLY}"),
        ([[1, 2], [3]], f"x has rows of unequal length, or is no table of values; {LABELS_ONLY}"),
        (np.zeros((2, 3, 4)), "x has 3 dimensions, shape (2, 3, 4); give rows x columns"),
        (torch.zeros(2, 1, 1, 1), "x has 4 dimensions, shape (2, 1, 1, 1); give rows x columns"),
        ([], "x is empty, shape (0,); give at least 2 rows and 1 column"),
        (np.zeros((5, 0)), "x is empty, shape (5, 0); give at least 2 rows and 1 column"),
        (pd.DataFrame(), "x is empty, shape (0, 0); give at least 2 rows and 1 column"),
        (None, "x is a single NoneType; give an array, a tensor, a table or lists"),
        (3.0, "x is a single float; give an array, a tensor, a table or lists"),
        ("bmi", "x is a single str; give an array, a tensor, a table or lists"),
        ({"a": [1, 2]}, "x is a single dict; give an array, a tensor, a table or lists"),
        (
            pd.DataFrame({"bmi": ["21.5", "?", "22"]}),
            "x column 'bmi' is text, yet most of its values are numbers, but not '?'; "
            "correct that, or declare the column discrete",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_unusable_values(values: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        as_columns(values, "x")
    assert line_of(caught) == line


@pytest.mark.parametrize(
    ("discrete", "line"),
    [
        ("bni", "y has no column 'bni' to take as discrete (nearest: bmi); give names or positions below 2"),
        ([2], "y has no column 2 to take as discrete; give names or positions below 2"),
        ([-1], "y has no column -1 to take as discrete; give names or positions below 2"),
        ([True], "y has 2 columns; say which are discrete with 2 bools, not 1"),
        (False, "y column 'sex' holds labels (string), which cannot be continuous; give numbers"),
    ],
    ids=str,
)
def test_wrong_declarations(discrete: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        as_columns(pd.DataFrame({"bmi": [1.0, 2.0], "sex": ["f", "m"]}), "y", discrete)
    assert line_of(caught) == line


def test_number_like_text_that_is_declared_discrete_is_labels() -> None:
    columns = as_columns(["11", "?", "7"], "x", discrete=True)
    assert columns.kinds == ("discrete",)
    np.testing.assert_array_equal(columns.values[:, 0], [0.0, 2.0, 1.0])


def test_inputs_stay_as_they_are() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["u", "v", "u"]})
    kept = table.copy()
    strided = NUMBERS[::2]
    before = NUMBERS.copy()
    as_pair(table, strided[:3])
    select_pair(as_labels(table, "a"), "a", "b")
    drop_missing(table)
    pd.testing.assert_frame_equal(table, kept)
    np.testing.assert_array_equal(NUMBERS, before)


# ---------------------------------------------------------------------------------------------------------------------
# What every estimator relies on


def with_holes(count: int) -> Array:
    values = np.arange(30.0).reshape(10, 3)
    values.ravel()[[23, 24, 29][:count]] = [NAN, np.inf, -np.inf][:count]
    return values


@pytest.mark.parametrize(
    ("x", "y", "line"),
    [
        (np.arange(100.0), np.arange(99.0), "x has 100 rows, y has 99; give as many of each"),
        ([1.0], [2.0], "x and y have 1 row; at least 2 are needed"),
        (with_holes(3), range(10), "x has 3 missing or infinite values, first in row 7 (counted from 0), column 2"),
        (range(10), with_holes(1), "y has 1 missing or infinite value, first in row 7 (counted from 0), column 2"),
        (range(3), [0.0, -np.inf, 2.0], "y has 1 missing or infinite value, first in row 1 (counted from 0)"),
        (["a", None, "b"], range(3), "x has 1 missing or infinite value, first in row 1 (counted from 0)"),
        (
            pd.DataFrame(with_holes(3), columns=["age", "sex", "bmi"]),
            range(10),
            "x has 3 missing or infinite values, first in row 7 (counted from 0), column 'bmi'",
        ),
        (range(3), [5.0, 5.0, 5.0], "y is constant; leave out columns that do not vary"),
        (["a", "a"], [1, 2], "x is constant; leave out columns that do not vary"),
        ([[1, 2, 3], [1, 2, 4]], [1, 2], "x column 0 is constant (and 1 more); leave out columns that do not vary"),
        (
            pd.DataFrame({"a": [1, 2], "b": [3, 3]}),
            [1, 2],
            "x column 'b' is constant; leave out columns that do not vary",
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_unusable_pairs(x: Any, y: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        as_pair(x, y)
    assert line_of(caught) == line


def test_a_hole_is_found_wherever_it_is() -> None:
    rng = np.random.default_rng(1)
    for hole in (NAN, np.inf, -np.inf):
        for _ in range(30):
            x = rng.normal(size=(11, 5))
            row, column = rng.integers(11), rng.integers(5)
            x[row, column] = hole
            with pytest.raises(InputError, match=rf"first in row {row} \(counted from 0\), column {column}$"):
                check_data(x, rng.normal(size=(11, 1)))


def test_only_constant_columns_are_constant() -> None:
    """One row that differs is enough, wherever it is."""
    for row in range(40):
        x = np.zeros((40, 3))
        x[row, :2] = 1.0
        y = x[:, :1]
        with pytest.raises(InputError, match=r"^x column 2 is constant; leave out columns that do not vary$"):
            check_data(x, y)
        check_data(x[:, :2], y)


@dataclass(frozen=True)
class Two(Estimator):
    """Always 2 nats."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(2.0)


def test_what_the_estimator_does_not_support() -> None:
    x, y = np.arange(4.0)[:, None], np.arange(4.0)[::-1, None] ** 2
    made = make_estimator(Two)
    Estimation(made, Sample(x, y), Start(0)).check()
    with pytest.raises(InputError) as caught:
        Estimation(made, Sample(x, y, declared=Shape(4, ("discrete",), ("continuous",))), Start(0)).check()
    start = "Two: mixed columns are not supported (only continuous); labels beside numbers are accepted by "
    assert line_of(caught).startswith(start)
    with pytest.raises(InputError) as caught:
        Estimation(made, Sample(x, np.ones((4, 1))), Start(0)).check()
    assert line_of(caught) == "y is constant; leave out columns that do not vary"
    with pytest.raises(InputError) as caught:
        Estimation(make_estimator("cca"), Sample(x[:2], y[:2]), Start(0)).check()
    assert line_of(caught) == "cca: needs more points than dim_x + dim_y = 2, got 2"


# ---------------------------------------------------------------------------------------------------------------------
# Files


TABLE = pd.DataFrame({"bmi": [21.5, 30.25, 1e-17], "age": [3, 1, 2], "sex": ["f", "m", "f"]})


def test_tables_come_back_from_files(tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    TABLE.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    TABLE.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "spaced.CSV").write_bytes("\ufeffbmi, age, sex\n21.5, 3, f\n30.25, 1, m\n1e-17, 2, f\n".encode())
    for name in ("t.csv", "t.tsv", "t.parquet", "spaced.CSV"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), TABLE)


def test_arrays_come_back_from_files(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", NUMBERS)
    np.save(tmp_path / "one.npy", NUMBERS[:, 0])
    np.save(tmp_path / "text.npy", np.array(["b", "a"]))
    np.savez(tmp_path / "all.npz", x=NUMBERS, target=NUMBERS[:, 0])
    np.savez(tmp_path / "uneven.npz", x=NUMBERS, target=NUMBERS[:3, 0])
    np.savetxt(tmp_path / "nameless.csv", NUMBERS, delimiter=",")
    expected = {
        "two.npy": ["x0", "x1"],
        "one.npy": ["x"],
        "all.npz": ["x0", "x1", "target"],
        "all.npz:x": ["x0", "x1"],
        "uneven.npz:x": ["x0", "x1"],
        "all.npz:target": ["target"],
        "nameless.csv": ["x0", "x1"],
    }
    whole = pd.DataFrame({"x0": NUMBERS[:, 0], "x1": NUMBERS[:, 1], "x": NUMBERS[:, 0], "target": NUMBERS[:, 0]})
    for file, names in expected.items():
        pd.testing.assert_frame_equal(read_table(tmp_path / file), whole[names])
    assert list(read_table(tmp_path / "two.npy", "y")) == ["y0", "y1"]
    assert as_columns(read_table(tmp_path / "text.npy"), "x").kinds == ("discrete",)


def saved(array: Any, **arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays) if arrays else np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("none.csv", None, "there is no file '{}'"),
        ("none.npz:x", None, "there is no file '{}'"),
        ("t.xlsx", b"", "'{}' is of no known kind; accepted are .csv, .tsv, .parquet, .npy, .npz"),
        ("csv", b"a\n1\n", "'{}' is of no known kind; accepted are .csv, .tsv, .parquet, .npy, .npz"),
        ("t.csv", b"", "{} is empty"),
        ("t.csv", b"\n\n", "{} is empty"),
        ("t.csv", b"a,b\n", "{} is empty: 0 rows, 2 columns"),
        ("t.csv", b"a;b\n1,5;2\n", "{} is separated by semicolons; write it with ',' and decimal points"),
        ("t.csv", b"a,b\n1,2,3\n4,5,6\n", "{} has 2 names in its first line, but 3 values in the next"),
        (
            "t.csv",
            b"a,b\n1,2\n1,2,3\n",
            "{} cannot be read as .csv: Expected 2 fields in line 3, saw 3",
        ),
        ("t.csv", b"\xff\xfe\x00\x80", "{} cannot be read as .csv: it is no UTF-8 text"),
        ("t.npy", b"", "{} cannot be read as .npy: No data left in file"),
        ("t.npy", b"junk", "{} cannot be read as .npy: it holds no array of numbers or text"),
        ("t.npy", saved(np.zeros((2, 2, 2))), "array x of {} has shape (2, 2, 2); give rows x columns"),
        ("t.npy", saved(np.zeros((0, 2))), "{} is empty: 0 rows, 2 columns"),
        ("t.npz", saved(0, a=[1])[:60], "{} cannot be read as .npz: File is not a zip file"),
        (
            "t.npz",
            saved(0, a=[1, 2], b=[1]),
            "arrays of {0} differ in rows (a 2, b 1); choose one as {0}:a",
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes | None, line: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert line_of(caught) == line.format(str(path).removesuffix(":x"))


def test_no_code_is_run_from_array_files(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(
        InputError, match=r"objects\.npy cannot be read as \.npy: it holds no array of numbers or text$"
    ):
        read_table(tmp_path / "objects.npy")


def test_folders_wrong_arrays_and_broken_parquet(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_table(tmp_path)
    assert line_of(caught) == f"'{tmp_path}' is a folder; give a file: .csv, .tsv, .parquet, .npy, .npz"
    np.savez(tmp_path / "t.npz", target=[1, 2])
    with pytest.raises(InputError) as caught:
        read_table(f"{tmp_path}/t.npz:targe")
    assert line_of(caught) == f"{tmp_path}/t.npz has no array 'targe' (nearest: target); there are target"
    (tmp_path / "t.parquet").write_bytes(b"junk")
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.parquet")
    assert line_of(caught).startswith(f"{tmp_path}/t.parquet cannot be read as .parquet: ")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    TABLE.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "t.parquet")
    assert line_of(caught) == "reading .parquet needs pyarrow: pip install 'mibench[parquet]'"


# ---------------------------------------------------------------------------------------------------------------------
# Columns and rows of a table

WIDE = pd.DataFrame([[0, 1, 2, 3, 4]], columns=["age", "s1", "s2", "bp, mean", "0"])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("age", ["age"]),
        ("s2,s1", ["s2", "s1"]),
        (" s2 , age ", ["s2", "age"]),
        ("s*,age", ["s1", "s2", "age"]),
        ("s?,s2", ["s1", "s2"]),
        ("2,1", ["s2", "s1"]),
        ("0", ["0"]),
        ("bp, mean", ["bp, mean"]),
        (["bp, mean", "age,1"], ["bp, mean", "age", "s1"]),
        ("*", ["age", "s1", "s2", "bp, mean", "0"]),
    ],
    ids=str,
)
def test_selecting_columns(columns: str | list[str], expected: list[str]) -> None:
    assert list(select(WIDE, columns)) == expected


@pytest.mark.parametrize(
    ("columns", "item"),
    [
        ("agee", "'agee' (nearest: age)"),
        ("x*", "'x*'"),
        ("5", "'5'"),
        ("-1", "'-1' (nearest: s1)"),
        ("", "''"),
        ("age,,s1", "''"),
    ],
)
def test_selecting_unknown_columns(columns: str, item: str) -> None:
    with pytest.raises(InputError) as caught:
        select(WIDE, columns)
    assert line_of(caught) == f"there is no column {item}; the columns are age, s1, s2, bp, mean, 0"


def test_x_and_y_may_share_labels_but_not_numbers() -> None:
    x, y = select_pair(TABLE, "bmi,sex", "sex")
    assert (list(x), list(y)) == (["bmi", "sex"], ["sex"])
    with pytest.raises(InputError) as caught:
        select_pair(TABLE, "bmi,age", "age,sex")
    assert line_of(caught) == (
        "column 'age' is in both x and y: a continuous column has infinite MI with itself; "
        "leave it out of one, or declare it discrete"
    )
    x, y = select_pair(as_labels(TABLE, "age"), "bmi,age", "age,sex")
    assert as_columns(x, "x").kinds == ("continuous", "discrete")
    assert as_columns(y, "y").kinds == ("discrete", "discrete")


def test_rows_with_missing_values_are_dropped_and_counted() -> None:
    x = pd.DataFrame({"a": [1.0, NAN, 3.0, np.inf, 5.0], "b": ["u", "v", None, "u", "v"]})
    y = pd.DataFrame({"c": pd.array([1, 2, 3, 4, None], dtype="Int64")}, index=[9, 8, 7, 6, 5])
    (left, right), dropped = drop_missing(x, y)
    assert dropped == 3
    assert left["a"].tolist() == [1.0, np.inf]  # an infinite value is not missing
    assert right["c"].tolist() == [1, 4]
    assert drop_missing(x[["b"]])[1] == 1
    assert drop_missing(TABLE)[1] == 0
    with pytest.raises(InputError) as caught:
        drop_missing(x, y[:4])
    assert line_of(caught) == "x has 5 rows, y has 4; give as many of each"
    with pytest.raises(InputError) as caught:
        drop_missing(x.iloc[[1, 2]])
    assert line_of(caught) == "each of the 2 rows has a missing value; nothing is left"
    with pytest.raises(InputError) as caught:
        drop_missing(x.assign(empty=NAN, none=None), y)
    assert line_of(caught) == (
        "each of the 5 rows has a missing value; columns without any value are 'empty', 'none'; leave them out"
    )


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([f"P{i}" for i in range(20)], "column 'c': 20 of 20 values differ, taken as labels"),
        ([*map(str, "abcdefghijk"), *"aaaaaaaaa"], "column 'c': 11 of 20 values differ, taken as labels"),
        (["a", None, "b", None], "column 'c': 2 of 2 values differ, taken as labels"),
        (
            [None, "69,886.09", "1,234.50", "-12,000.00"] * 5,
            "column 'c': 3 of 15 values differ, taken as labels; numbers with thousands separators are text: "
            "write 69886.09",
        ),
        (["a", "b"] * 10, None),
        (["a, b", "c, d"] * 10, None),
        ([0.5, 1.5, 2.5], None),
        (pd.Categorical(["a", "b", "c"]), None),  # declared
        (["1", "2", "x"], None),  # refused when it is read
        ([True, False], None),
    ],
    ids=str,
)
def test_text_that_is_hardly_labels_is_said(values: Any, line: str | None) -> None:
    assert mostly_distinct(pd.DataFrame({"c": values})) == ([] if line is None else [line])


MIXED = pd.DataFrame({"age": np.arange(40.0), "sex": ["f", "m"] * 20, "city": ["a", "b", "c", "d"] * 10})


@pytest.mark.parametrize(
    ("x", "y", "spec", "line"),
    [
        (["age"], ["sex"], "ksg", "ksg: mixed columns are not supported (only continuous); y column 'sex' is text, so "
         "labels; labels beside numbers are accepted by mixed-ksg, ross, "),
        (["age", "sex"], ["city"], "cca", "cca: mixed columns are not supported (only continuous); x column 'sex' is "
         "text, so labels (1 more like it); labels beside numbers are accepted by "),
        (["sex"], ["city"], "ross", "ross: discrete columns are not supported (only mixed); x column 'sex' is text, so "
         "labels (1 more like it); labels alone are accepted by mixed-ksg, "),
        (["age"], ["age"], "ross", "ross: continuous columns are not supported (only mixed); numbers alone are "),
        (["age", "sex"], ["city"], "ross", "ross: needs all columns of x discrete and all of y continuous, or the "
         "other way round; x column 'sex' is text, so labels (1 more like it); labels beside numbers are accepted by "),
    ],
    ids=str,
)  # fmt: skip
def test_who_takes_such_columns_is_said(x: list[str], y: list[str], spec: str, line: str) -> None:
    pair = as_pair(MIXED[x], MIXED[y])
    with pytest.raises(UnsupportedError) as caught:
        check_supported(make_estimator(spec), pair)
    assert line_of(caught).startswith(line)
    for name in line_of(caught).rpartition(" accepted by ")[2].split(", "):
        assert name != spec
        check_supported(make_estimator(name), pair)


def test_what_hangs_on_no_kind_is_said_alone() -> None:
    pair = as_pair(MIXED[["age"]][:5], MIXED[["sex"]][:5])
    with pytest.raises(UnsupportedError) as caught:
        check_supported(make_estimator("mixed-ksg[k=9]"), pair)
    assert line_of(caught) == "mixed-ksg: needs more than k = 9 points, got 5"


def of(value: Any) -> Estimate:
    """Whatever somebody puts into an estimate."""
    return Estimate(value)


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (0.5, "Two returned float, not an Estimate; write `return Estimate(value)`"),
        (np.float64(0.5), "Two returned float64, not an Estimate; write `return Estimate(value)`"),
        (np.ones(3), "Two returned ndarray of shape (3,), not an Estimate; write `return Estimate(value)`"),
        (None, "Two returned NoneType, not an Estimate; write `return Estimate(value)`"),
        (of(np.ones(1)), "Two returned an Estimate of ndarray of shape (1,); write `return Estimate(float(value))`"),
        (of("2"), "Two returned an Estimate of str; write `return Estimate(float(value))`"),
        (of(None), "Two returned an Estimate of NoneType; write `return Estimate(float(value))`"),
    ],
    ids=str,
)
def test_what_is_no_estimate_of_one_number(result: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        check_estimate(Two(), result)
    assert line_of(caught) == line
    for value in (2, 2.0, np.float32(2), np.array(2.0), torch.tensor(2.0), NAN):
        check_estimate(Two(), of(value))


def test_repeated_rows_are_told_where_values_are_continuous() -> None:
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"a": rng.normal(size=100), "b": rng.integers(0, 3, 100)})
    thrice = pd.concat([table] * 3)
    said = "200 of 300 rows repeat an earlier row; copies make estimates too high, leave them out"
    assert repeated_rows(thrice[["a"]], thrice[["b"]]) == repeated_rows(thrice) == said
    assert repeated_rows(table) is None
    assert repeated_rows(thrice[["b"]]) is None  # counts and labels do repeat
    assert repeated_rows(pd.concat([table, table[:10]])) is None  # a few may be chance
