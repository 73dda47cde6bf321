"""The three relations of self-consistency: kept by an exact estimator, broken in known ways by others."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mibench import cli
from mibench.interface import Array, Context, Estimate, Estimator, EstimatorFacts, InputError, parameter
from mibench.owndata.consistency import TOLERANCE, Consistency, judge, relations, self_consistency


def gaussian_pairs(n: int = 4000, rho: float = 0.8) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 1))
    return x, rho * x + math.sqrt(1 - rho**2) * rng.standard_normal((n, 1))


@dataclass(frozen=True)
class Shapes(Estimator):
    """A number told by the shapes alone: what each of the six estimates is asked of can be read off."""

    facts = EstimatorFacts(
        name="shapes", family="tests", summary="for tests", citation="", supports=("continuous", "discrete", "mixed")
    )
    fails_at: int = parameter(0, "fails where dim_y is this")
    sign: float = parameter(1.0, "factor")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        if y.shape[1] == self.fails_at:
            raise ValueError("two\nlines")
        return Estimate(self.sign * (len(x) * 100 + x.shape[1] * 10 + y.shape[1]))


def test_a_gaussian_estimate_keeps_the_laws() -> None:
    """-1/2 log(1 - r^2) of 4,000 points has sd rho / sqrt(n) = 0.013; squares add no correlation: all relations hold.

    Ratios: the bound is 4 standard errors of a half's estimate, over I = 0.511 nats.
    """
    x, y = gaussian_pairs()
    found = self_consistency(x, y, "cca")
    assert found.errors == {}
    assert found.estimate == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.06)
    assert found.independence == pytest.approx(0.0, abs=4 / 4000)
    assert found.data_processing == pytest.approx(1.0, abs=4 / 4000 / 0.5)  # one more column adds about 1 / 2n
    assert found.additivity == pytest.approx(1.0, abs=0.02)


def test_a_gaussian_estimate_of_other_data_breaks_data_processing() -> None:
    """X = Y^2 + 0.3 Y + noise: the squared correlation with Y is 0.09 / 2.1, with [Y, Y^2] it is 2.09 / 2.1."""
    rng = np.random.default_rng(1)
    y = rng.standard_normal((4000, 1))
    x = y**2 + 0.3 * y + 0.1 * rng.standard_normal((4000, 1))
    assert (self_consistency(x, y, "cca").data_processing or 0) > 10


def test_what_is_asked() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 101, 3))
    found = self_consistency(x, y[:, :2], Shapes())
    assert found == Consistency(estimate=10132, permuted=10132, processed=10134, halves=2 * 5032, joined=5064)
    assert found.data_processing == 10134 / 10132
    assert found.additivity == 5064 / (2 * 5032)


def test_the_pairs_of_the_halves_stay_pairs() -> None:
    """Both halves and the joined rows still have I; a shuffle of one side would leave 0."""
    x, y = gaussian_pairs(n=400, rho=0.99)
    found = self_consistency(x, y, "cca")
    assert found.halves is not None
    assert found.joined is not None
    assert found.halves == pytest.approx(2 * found.estimate, rel=0.1)
    assert found.joined == pytest.approx(2 * found.estimate, rel=0.1)


def test_labels_are_processed_to_labels() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(3, size=500)
    y = np.where(rng.random(500) < 0.5, x, rng.integers(3, size=500))
    found = self_consistency(x, y, "binning", x_discrete=True, y_discrete=True)
    assert found.data_processing == pytest.approx(1.0, abs=1e-12)  # the parity of a label refines nothing


@dataclass(frozen=True)
class LastColumn(Estimator):
    """The mean of y's last column."""

    facts = EstimatorFacts(name="last-column", family="tests", summary="for tests", citation="")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(float(y[:, -1].mean()))


def test_by_default_squares_of_standardised_columns_are_added() -> None:
    """Their mean is 1, whatever the column's mean and scale."""
    x, y = gaussian_pairs(n=50)
    assert self_consistency(x, 3 * y - 7, LastColumn()).processed == pytest.approx(1.0, rel=1e-12)


@dataclass(frozen=True)
class FailsOnOneHalf(Estimator):
    """Fails on the half that has the smallest x, which is 0."""

    facts = EstimatorFacts(name="fails-on-one-half", family="tests", summary="for tests", citation="")

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        if len(x) == 25 and x.shape[1] == 1 and x.min() == 0:
            raise ValueError("no")
        return Estimate(1.0)


@pytest.mark.parametrize("seed", range(6))  # that half is the first or the second
def test_a_half_alone_has_no_sum(seed: int) -> None:
    x = np.arange(50.0)
    found = self_consistency(x, x, FailsOnOneHalf(), seed=seed)
    assert found.errors == {"halves": "ValueError: no"}
    assert found.halves is found.additivity is None
    assert found.joined == 1.0


def test_one_failure_costs_what_needs_it() -> None:
    x, y = gaussian_pairs(n=50)
    found = self_consistency(x, y, Shapes(fails_at=2))
    assert found.errors == {"processed": "ValueError: two", "joined": "ValueError: two"}
    assert found.processed is found.joined is found.data_processing is found.additivity is None
    assert found.independence == 5011
    with pytest.raises(ValueError, match="two"):
        self_consistency(x, y, Shapes(fails_at=1))


def test_a_ratio_over_what_is_not_positive_says_nothing() -> None:
    x, y = gaussian_pairs(n=50)
    found = self_consistency(x, y, Shapes(sign=-1.0))
    assert found.data_processing is found.additivity is None
    assert found.independence == -5011


def test_own_processing_and_seed() -> None:
    x, y = gaussian_pairs(n=300)
    before = y.copy()
    found = self_consistency(x, y, "ksg", processing=np.tanh, seed=3)
    assert found == self_consistency(x, y, "ksg", processing=np.tanh, seed=3)
    assert found.independence != self_consistency(x, y, "ksg", seed=4).independence
    assert (
        found.processed == found.estimate
    )  # tanh is a contraction: the largest difference of [y, tanh y] is that of y
    assert self_consistency(x, y, "ksg", processing=np.exp, seed=3).processed != found.estimate
    np.testing.assert_array_equal(y, before)


def test_the_laws_are_those_of_mutual_information() -> None:
    x, y = gaussian_pairs(n=50)
    with pytest.raises(InputError, match="hsic"):
        self_consistency(x, y, "hsic")


# ---------------------------------------------------------------------------------------------------------------------
# Verdicts


def found(independence: float = 0.0, data_processing: float = 1.0, additivity: float = 1.0) -> Consistency:
    """What a seed gives whose three results are these; the estimate is 1 nat."""
    return Consistency(1.0, independence, data_processing, 1.0, additivity)


def test_a_law_by_hand() -> None:
    """Ratios 0.80 and 0.84: mean 0.82, sd 0.02 sqrt(2), se 0.02, so that mean + 2 se = 0.86 is below 1 - 0.05."""
    independence, processing, additivity = relations([found(0.01, 0.80), found(0.03, 0.84)])
    assert independence.value == pytest.approx(0.02)
    assert (independence.expected, independence.verdict) == (0.0, "kept")
    assert independence.sd == pytest.approx(0.01 * 2**0.5)
    assert processing.value == pytest.approx(0.82)
    assert processing.sd == pytest.approx(0.02 * 2**0.5)
    assert processing.off == pytest.approx(-0.18)
    assert processing.verdict == "broken"
    assert "lowers the estimate" in processing.meaning
    assert (additivity.value, additivity.sd, additivity.verdict) == (1.0, 0.0, "kept")


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((1.0 + 0.9 * TOLERANCE,), "kept"),
        ((1.0 - 1.1 * TOLERANCE,), "broken"),
        ((0.90, 1.10), "unclear"),  # mean 1, 2 se = 0.2
        ((0.93, 0.97), "unclear"),  # mean 0.95, the edge itself
        ((1.10, 1.11), "broken"),
        ((0.99, 1.02), "kept"),
    ],
)
def test_verdicts_take_two_standard_errors(ratios: tuple[float, ...], verdict: str) -> None:
    assert relations([found(additivity=ratio) for ratio in ratios])[2].verdict == verdict


def test_directions_are_told_apart() -> None:
    low, high = (relations([found(sign, 1 + sign, 1 + sign)] * 2) for sign in (-0.2, 0.2))
    assert [law.verdict for law in (*low, *high)] == ["broken"] * 6
    assert [("below" in law.meaning, "lowers" in law.meaning, "less" in law.meaning).index(True) for law in low] == [
        0,
        1,
        2,
    ]
    assert len({law.meaning for law in (*low, *high)}) == 6


def test_ratios_say_nothing_where_no_more_is_found_than_in_permuted_rows() -> None:
    independence, processing, additivity = relations([found(1.2, 0.2, 3.0), found(0.1, 0.2, 3.0)])
    assert processing.verdict == additivity.verdict == "unclear"
    assert "permuted" in processing.meaning
    assert independence.verdict == "unclear"


def test_what_failed_is_unknown_with_its_reason() -> None:
    lost = Consistency(1.0, 0.0, None, None, None, {"processed": "no room", "halves": "too few"})
    negative = Consistency(-1.0, -1.5, 1.0, 1.0, 1.0)
    assert [relation.meaning for relation in relations([found(), lost])[1:]] == [
        "not known: no room",
        "not known: too few",
    ]
    (_, processing, _) = relations([found(), negative])
    assert (processing.verdict, processing.value, processing.off) == ("unknown", None, None)
    assert "not above 0" in processing.meaning


def test_a_gaussian_estimator_is_judged_right_on_data_that_are_not_gaussian() -> None:
    """X = Y^2 + noise: no correlation with Y, a large one with Y^2; seeds change permutations, not the data."""
    rng = np.random.default_rng(1)
    y = rng.standard_normal((2000, 1))
    x = y**2 + 0.3 * y + 0.1 * rng.standard_normal((2000, 1))
    (cca, hsic) = judge(x, y, ["cca", "hsic"], seeds=range(3))
    assert cca.estimate == self_consistency(x, y, "cca", seed=7).estimate
    assert [relation.verdict for relation in cca.relations[:2]] == ["kept", "broken"]
    assert "raises the estimate" in cca.relations[1].meaning
    assert (hsic.estimate, hsic.relations) == (None, ())
    assert hsic.error is not None
    assert "laws of self-consistency" in hsic.error


# ---------------------------------------------------------------------------------------------------------------------
# The command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a table of correlated x and y, a label and a constant."""
    monkeypatch.chdir(tmp_path)
    x, y = gaussian_pairs()
    lines = [f"{a:.17g},{b:.17g},{'uv'[int(a > 0)]},1" for a, b in zip(x[:, 0], y[:, 0], strict=True)]
    (tmp_path / "data.csv").write_text("\n".join(["x,y,label,same", *lines]), encoding="utf-8")
    return tmp_path


WORDS = ("consistency", "data.csv", "--x", "x", "--y", "y", "--seeds", "2")


def test_the_same_numbers_in_every_format(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "--first-seed", "3", "--estimator", "cca"]
    assert cli.main([*words, "--format", "json", "--out", "out.json"]) == 0
    nats = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    assert (nats["units"], nats["seeds"]) == ("nats", [3, 4])
    (one,) = nats["estimators"]
    (expected,) = judge(*gaussian_pairs(), ["cca"], seeds=(3, 4))
    assert one["estimate"] == pytest.approx(expected.estimate, rel=1e-12)
    assert [law["value"] for law in one["laws"]] == pytest.approx(
        [relation.value for relation in expected.relations], abs=1e-12
    )
    assert [law["verdict"] for law in one["laws"]] == ["kept"] * 3
    assert cli.main([*words, "--format", "csv", "--units", "bits"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    scales = [1 / math.log(2), 1, 1]  # ratios have no unit
    for key in ("value", "sd", "off"):
        converted = [law[key] * scale for law, scale in zip(one["laws"], scales, strict=True)]
        assert [float(line[key]) for line in lines] == pytest.approx(converted, abs=1e-12)
    assert {line["units"] for line in lines} == {"bits"}
    assert cli.main(words) == 0
    head, first, *rest = capsys.readouterr().out.splitlines()
    assert head.split() == ["law", "found", "expected", "off", "by", "verdict", "meaning"]
    assert first == f"cca: I(X; Y) = {one['estimate']:.4f} nats"
    assert [line.split("  ")[0] for line in rest[:3]] == ["independence", "data processing", "additivity"]
    assert all(re.search(rf" [+]?{law['off']:.4f} +kept ", line) for law, line in zip(one["laws"], rest, strict=False))
    assert "data processing: I(X; [Y, h(Y)]) / I(X; Y)" in rest[-1]


@pytest.mark.usefixtures("folder")
def test_an_estimator_that_cannot_does_not_lose_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*WORDS, "--estimator", "hsic,cca"]) == 0
    printed = capsys.readouterr()
    assert "hsic: skipped\ncca: I(X; Y) = " in printed.out
    assert re.fullmatch(r"(2/2 seeds.*\n)?hsic: hsic estimates hsic; [^\n]+\n", printed.err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data.csv --x x", "one table needs --x COLUMNS and --y COLUMNS"),
        ("data.csv --x x --y z", "there is no column 'z'"),
        ("data.csv --x x --y same", "constant"),
        (
            "data.csv --x x --y label --estimator cca",
            "y column 'label' is text, so labels; labels beside numbers are accepted by ",
        ),
        ("data.csv --x x --y y --estimator hsic", "the laws of self-consistency are those of MI"),
        ("data.csv --x x --y y --estimator kgs", "unknown estimator 'kgs' (nearest: ksg)"),
        ("data.csv --x x --y y --seeds 0", "--seeds: '0' is not accepted; give a whole number >= 1"),
        ("none.csv --x x --y y", "there is no file 'none.csv'"),
        ("data.csv --x x --y y --out no/such.json", "no folder no"),
        ("", "argument FILE is missing"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_wrong_input_is_one_line(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["consistency", *words.split()]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert re.fullmatch(r"mibench: [^\n]+\n", printed.err)
