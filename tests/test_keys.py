"""Rows of earlier versions: found under their keys, with the same data and random streams, whatever parameters came."""

from __future__ import annotations

import csv
import functools
import gzip
import hashlib
import json
import shutil
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from mibench.cli import main
from mibench.distributions.gaussian import GaussianSparse
from mibench.estimators.gaussian.cca import CCA
from mibench.estimators.neighbors.ksg import KSG
from mibench.interface import (
    Estimator,
    InputError,
    Interval,
    JointDistribution,
    parameter,
    parameter_named,
    parameters_of,
)
from mibench.plan import Trial, make_task
from mibench.registry import full_spec, make_distribution, make_estimator, parameter_values, stored_estimator
from mibench.rows import reference
from mibench.rows.select import Filters, select

FIXTURES = Path(__file__).with_name("fixtures")
STORE, ROWS = FIXTURES / "store-0.1.sqlite", FIXTURES / "rows-0.1.csv.gz"
# A digest of the keys and streams of each file of reference rows, as version 0.1 computed them.
DIGESTS = FIXTURES / "streams-0.1.json"

task_of = functools.cache(make_task)


def read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def trial_of(row: dict[str, str]) -> Trial:
    """The trial whose row it is, made from the row alone."""
    estimator = stored_estimator(row["estimator"], row["params"])
    assert estimator is not None
    task = task_of(row["distribution"], int(row["dim_x"]), int(row["dim_y"]))
    interval = Interval(row["interval"], float(row["level"])) if row["interval"] else None
    return Trial(estimator, task, int(row["n"]), int(row["seed"]), row["device"], interval)


def of_this_version(row: dict[str, str], trial: Trial) -> bool:
    stored = row["estimator_version"], row["distribution_version"]
    return stored == (trial.estimator.version, trial.task.distribution.version)


def state(sequence: np.random.SeedSequence) -> tuple[int, ...]:
    return tuple(sequence.generate_state(8).tolist())


# ---------------------------------------------------------------------------------------------------------------------
# Rows of version 0.1


def test_rows_of_an_earlier_version_are_found_under_their_keys() -> None:
    rows = [(row, trial_of(row)) for row in read(ROWS)]
    assert len(rows) == 96
    same = [(row, trial) for row, trial in rows if of_this_version(row, trial)]
    assert [row["run_key"] for row, _ in same] == [trial.run_key for _, trial in same]
    assert [json.loads(row["params"]) for row, _ in same] == [
        json.loads(json.dumps(parameter_values(trial.estimator))) for _, trial in same
    ]


@pytest.mark.parametrize("path", reference.files(), ids=lambda path: path.name.partition(".")[0])
def test_reference_rows_keep_their_keys_their_data_and_their_random_streams(path: Path) -> None:
    name = path.name.partition(".")[0]
    found = digest(path)
    if found is None:
        pytest.skip(f"{name} or a distribution has another version than its rows")
    assert found == json.loads(DIGESTS.read_text())[name]


def digest(path: Path) -> str | None:
    """Digest of the sorted keys and streams of a file of rows; None if some are of another version."""
    lines = []
    for row in read(path):
        trial = trial_of(row)
        if not of_this_version(row, trial):
            return None
        lines.append([trial.run_key, state(trial.data_seed()), state(trial.estimator_seed())])
    return hashlib.sha256(json.dumps(sorted(lines)).encode()).hexdigest()


@pytest.fixture(params=["store", "file"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Where old rows lie: an option of the command line and its value."""
    if request.param == "file":
        return "--rows", str(ROWS)
    return "--store", str(shutil.copy(STORE, tmp_path / "old.sqlite"))


def test_selection_reads_old_rows(source: tuple[str, str]) -> None:
    option, path = source
    where = {"rows_file": path} if option == "--rows" else {"store": path}
    assert len(select(Filters(keep_stale=True), **where)[0]) == 96  # type: ignore[arg-type]
    chosen, _ = select(Filters(estimators=["ksg[k=3]"], distributions=["gaussian-sparse"], keep_stale=True), **where)  # type: ignore[arg-type]
    assert {row["estimator"] for row in chosen} == {"ksg"}
    assert {row["params"]["k"] for row in chosen} == {3}


def test_tables_and_reports_show_old_rows(
    source: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", *source, "--keep-stale", "--format", "csv"]) == 0
    assert "ksg" in capsys.readouterr().out
    assert main(["report", *source, "--keep-stale", "--out", str(tmp_path / "report.html")]) == 0
    assert "gaussian-sparse" in (tmp_path / "report.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------------------
# Parameters that are later than rows, or renamed


@dataclass(frozen=True)
class Later(KSG):
    """One more parameter than rows hold."""

    ties: Literal["spread", "keep"] = parameter("spread", "what becomes of ties", later=True)


@dataclass(frozen=True)
class Renamed(KSG):
    """Another name for a word that a parameter takes."""

    norm: Literal["largest", "euclidean"] = parameter("largest", "distance", was={"largest": "maximum"})  # type: ignore[assignment]


@dataclass(frozen=True)
class Before(CCA):
    """One parameter."""

    k: int = parameter(3, "neighbours")


@dataclass(frozen=True)
class After(CCA):
    """The same under a new name."""

    neighbors: int = parameter(3, "neighbours", formerly="k")


@dataclass(frozen=True)
class LaterLaw(GaussianSparse):
    """One more parameter than rows hold."""

    shift: float = parameter(0.0, "added to X", later=True)


Later.facts = Renamed.facts = KSG.facts
Before.facts = After.facts = CCA.facts
LaterLaw.facts = GaussianSparse.facts


def trial_with(estimator: Estimator, law: JointDistribution | None = None) -> Trial:
    return Trial(estimator, make_task(law or GaussianSparse()), 100, 3, "cpu")


def streams(made: Trial) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    return made.run_key, state(made.data_seed()), state(made.estimator_seed())


@pytest.mark.parametrize("kind", [Later, Renamed])
def test_a_later_or_renamed_parameter_at_its_default_keeps_keys_and_streams(kind: type[KSG]) -> None:
    assert streams(trial_with(kind())) == streams(trial_with(KSG()))
    assert parameter_values(kind(k=5)) == parameter_values(KSG(k=5))
    assert full_spec(kind()) == full_spec(KSG())


def test_a_renamed_parameter_or_word_keeps_keys_and_streams() -> None:
    for old, new in ((KSG(norm="euclidean"), Renamed(norm="euclidean")), (Before(k=4), After(neighbors=4))):
        assert streams(trial_with(old)) == streams(trial_with(new))


def test_a_later_parameter_that_is_not_at_its_default_is_another_trial() -> None:
    key, data, stream = streams(trial_with(Later(ties="keep")))
    assert key != trial_with(KSG()).run_key
    assert data == state(trial_with(KSG()).data_seed())
    assert stream != state(trial_with(KSG()).estimator_seed())
    assert parameter_values(Later(ties="keep"))["ties"] == "keep"


def test_a_later_parameter_of_a_distribution_keeps_the_data() -> None:
    for wrap in (lambda law: law, lambda law: make_distribution("asinh", base=law)):
        same, other = wrap(LaterLaw()), wrap(LaterLaw(shift=1.0))
        assert streams(trial_with(KSG(), same)) == streams(trial_with(KSG(), wrap(GaussianSparse())))
        assert state(trial_with(KSG(), other).data_seed()) != state(trial_with(KSG(), same).data_seed())


OWN = """
from dataclasses import dataclass
from typing import Literal
from mibench.interface import Estimate, Estimator, parameter

@dataclass(frozen=True)
class Mine(Estimator):
    "My own estimator."
    neighbors: int = parameter(3, "neighbours", low=1, formerly="k")
    margins: Literal["none", "normal"] | float = parameter("none", "margins", was={"none": "raw"})
    ties: Literal["spread", "keep"] = parameter("spread", "ties", later=True)

    def estimate(self, x, y, context):
        return Estimate(float(self.neighbors))
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """An estimator whose parameters have been renamed."""
    (tmp_path / "mine.py").write_text(OWN)
    return f"{tmp_path}/mine.py:Mine"


def test_former_names_and_words_are_accepted_and_stored(mine: str) -> None:
    made = make_estimator(f"{mine}[neighbors=5]")
    assert make_estimator(f"{mine}[k=5,margins=RAW]") == made
    assert make_estimator(mine, k=5, margins="raw") == make_estimator(made, k=5) == made
    assert type(made)(5, "raw") == made  # type: ignore[call-arg]
    assert made.margins == "none"  # type: ignore[attr-defined]
    assert parameter_values(made) == {"k": 5, "margins": "raw"}
    assert full_spec(made) == "Mine[k=5,margins=raw]"
    assert parameter_values(make_estimator(f"{mine}[ties=keep,margins=2]")) == {"k": 3, "margins": 2.0, "ties": "keep"}
    assert parameter_named(type(made), "k") == parameters_of(type(made))["neighbors"]
    with pytest.raises(InputError, match="Mine: parameter neighbors is given twice, once as k"):
        make_estimator(f"{mine}[neighbors=5,k=5]")
    with pytest.raises(InputError, match=r"parameter neighbors = 0 is out of range; give whole number >= 1"):
        make_estimator(f"{mine}[k=0]")


def test_selection_finds_old_rows_by_what_came_later(mine: str, tmp_path: Path) -> None:
    common = {"distribution": "gaussian-sparse", "dim_x": 2, "dim_y": 2, "n": 9, "status": "ok", "quantity": "mi"}
    rows = [
        {**common, "estimator": "Mine", "params": params, "seed": seed, "estimate": 0.0}
        for seed, params in enumerate(
            ({"k": 3, "margins": "raw"}, {"k": 3, "margins": "raw", "ties": "keep"}, {"k": 4, "margins": "normal"})
        )
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))

    def seeds(inside: str) -> list[int]:
        chosen, _ = select(Filters(estimators=[mine + inside]), rows_file=tmp_path / "rows.json")
        return sorted(row["seed"] for row in chosen)

    assert seeds("[ties=spread]") == [0, 2]
    assert seeds("[ties=keep]") == [1]
    assert seeds("[margins=none]") == seeds("[margins=raw]") == [0, 1]
    assert seeds("[k=4]") == seeds("[neighbors=4]") == seeds("[neighbors=4,ties=spread]") == [2]


def test_wrong_declarations_are_refused() -> None:
    with pytest.raises(TypeError, match="a later parameter needs a default"):
        parameter(MISSING, "needed", later=True)

    @dataclass(frozen=True)
    class Swapped(KSG):
        """A word that is old and new."""

        norm: Literal["maximum", "euclidean"] = parameter("maximum", "", was={"euclidean": "maximum"})

    @dataclass(frozen=True)
    class Twice(KSG):
        """A name that is old and new."""

        radius: float = parameter(1.0, "", formerly="k")

    for wrong, message in ((Swapped, "is no new word and its old one"), (Twice, "k is a parameter, and the former")):
        with pytest.raises(TypeError, match=message):
            parameters_of(wrong)


if __name__ == "__main__":  # where the reference rows themselves are made anew
    DIGESTS.write_text(json.dumps({path.name.partition(".")[0]: digest(path) for path in reference.files()}, indent=1))
