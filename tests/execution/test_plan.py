"""Trials: keys that are the same everywhere, paired data streams, and the size and MI that are asked for."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import FAULTY

from mibench.distributions.gaussian import GaussianSparse
from mibench.estimators.neighbors.ksg import KSG
from mibench.execution.plan import Trial, make_trials
from mibench.interface import InputError
from mibench.registry import make_estimator
from mibench.tasks import make_task, suite_tasks


def trial(
    estimator: str = "ksg", task: str = "gaussian-sparse", n: int = 100, seed: int = 0, device: str = "cpu"
) -> Trial:
    return Trial(make_estimator(estimator), make_task(task), n, seed, device)


# ---------------------------------------------------------------------------------------------------------------------
# Keys


def test_the_key_is_the_same_in_every_process() -> None:
    """A changed key orphans every stored row: the literal is what stores hold."""
    code = (
        "from mibench.execution.plan import *; from mibench.registry import *; from mibench.tasks import *;"
        "print(Trial(make_estimator('ksg[k=4]'), make_task('contaminated[base=gaussian-sparse,fraction=0.1]'), 7, 3,"
        "'cpu').run_key)"
    )
    keys = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        keys.add(done.stdout.strip())
    assert keys == {trial("ksg[k=4]", "contaminated[fraction=0.1,base=gaussian-sparse]", 7, 3).run_key}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (trial(), trial("ksg[k=3]")),
        (trial("ksg[k=5,margins=normal]"), trial("ksg[margins=normal,k=5]")),
        (trial(task="gaussian-sparse[rho=0.5,dim_x=3]"), trial(task="gaussian-sparse[dim_x=3, rho=0.50]")),
        (trial(task="student[dof=3]"), trial(task="student[dof=3.0]")),
        (trial(task="half-cube[base=gaussian-sparse]"), trial(task="half-cube[base=gaussian-sparse[dim_x=5]]")),
    ],
)
def test_equal_trials_have_equal_keys_and_streams(one: Trial, other: Trial) -> None:
    assert one.run_key == other.run_key
    assert one.data_seed().generate_state(4).tolist() == other.data_seed().generate_state(4).tolist()
    assert one.estimator_seed().generate_state(4).tolist() == other.estimator_seed().generate_state(4).tolist()


def test_each_part_of_a_trial_changes_its_key() -> None:
    made = trial()
    others = [
        trial("ksg[k=4]"),
        trial("cca"),
        trial(task="gaussian-dense"),
        trial(task="gaussian-sparse[rho=0.7]"),
        trial(task="half-cube[base=gaussian-sparse]"),
        trial(n=101),
        trial(seed=1),
        trial(device="cuda"),
    ]
    assert len({made.run_key, *(other.run_key for other in others)}) == len(others) + 1


@pytest.mark.parametrize("part", [KSG, GaussianSparse])
@pytest.mark.parametrize("task", ["gaussian-sparse", "half-cube[base=gaussian-sparse]"])
def test_a_new_version_is_a_new_trial(part: type, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = trial(task=task)
    key, stream = before.run_key, state(before.data_seed())
    monkeypatch.setattr(part, "facts", dataclasses.replace(part.facts, version="next"))  # type: ignore[attr-defined]
    after = trial(task=task)
    assert after.run_key != key
    assert (state(after.data_seed()) == stream) == (part is KSG)


# ---------------------------------------------------------------------------------------------------------------------
# Randomness


def state(sequence: np.random.SeedSequence) -> tuple[int, ...]:
    return tuple(sequence.generate_state(8).tolist())


def test_estimators_share_the_data_and_nothing_else_does() -> None:
    made = trial()
    assert state(made.data_seed()) == state(trial("cca").data_seed()) == state(trial(device="cuda").data_seed())
    others = [trial(seed=1), trial(n=101), trial(task="gaussian-dense"), trial(task="gaussian-sparse[rho=0.7]")]
    assert len({state(one.data_seed()) for one in [made, *others]}) == 5


def test_the_estimator_stream_depends_on_estimator_and_seed_only() -> None:
    made = trial()
    same = [trial(n=101), trial(task="gaussian-dense"), trial(device="cuda")]
    assert {state(one.estimator_seed()) for one in same} == {state(made.estimator_seed())}
    others = [trial(seed=1), trial("cca"), trial("ksg[k=4]")]
    assert len({state(one.estimator_seed()) for one in [made, *others]}) == 4


def test_data_and_estimator_streams_are_uncorrelated() -> None:
    """2000 seeds, one normal number from each stream: the correlation has a standard error of 1/sqrt(2000) = 0.022."""
    pairs = np.array(
        [
            [np.random.default_rng(stream).standard_normal() for stream in (one.data_seed(), one.estimator_seed())]
            for one in (trial(seed=seed) for seed in range(2000))
        ]
    )
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 4 / math.sqrt(2000)
    assert abs(np.corrcoef(pairs[:-1, 0], pairs[1:, 0])[0, 1]) < 4 / math.sqrt(2000)


def test_planning_leaves_the_global_random_state_alone() -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    trial().data_seed()
    make_trials([make_estimator("ksg")], suite_tasks("core")[0], [100], range(2), "cpu")
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]  # noqa: NPY002


# ---------------------------------------------------------------------------------------------------------------------
# Crossing


def test_a_trial_that_is_named_twice_is_planned_once() -> None:
    made = [make_estimator("ksg"), make_estimator("ksg[k=3]"), make_estimator("cca")]
    tasks = [make_task("gaussian-sparse"), make_task("gaussian-sparse[dim_x=5,dim_y=5]"), make_task("independent")]
    trials = make_trials(made, tasks, [100, 100, 200], [0, 1], "cpu")
    assert len(trials) == len({one.run_key for one in trials}) == 2 * 2 * 2 * 2
    assert {one.task.name for one in trials} == {"gaussian-sparse", "independent"}
    assert len(make_trials(made[:1], tasks[:1], [100, 200], [0, 1, 2], "cpu")) == 6


def test_two_codes_under_one_name_are_refused(tmp_path: Path) -> None:
    source = FAULTY.read_text(encoding="utf-8")
    (tmp_path / "same.py").write_text(source, encoding="utf-8")
    (tmp_path / "other.py").write_text(source.replace("x[2:, 0].mean()", "x[2:, 0].max()"), encoding="utf-8")
    task, one, same, other = (
        make_task("independent"),
        *(make_estimator(f"{path}:Faulty") for path in (FAULTY, tmp_path / "same.py", tmp_path / "other.py")),
    )
    assert len(make_trials([one, same], [task], [100], [0], "cpu")) == 1
    with pytest.raises(InputError, match="one name"):
        make_trials([one, other], [task], [100], [0], "cpu")


def test_the_device_is_that_of_the_estimator() -> None:
    for name, device in (("cca", "cpu"), ("ksg", "cuda")):
        trials = make_trials([make_estimator(name)], [make_task("student")], [9], [0], "cuda")
        assert {one.device for one in trials} == {device}


def test_facts_echo_names_as_given() -> None:
    facts = trial("ksg", " gaussian-sparse[ rho=0.50 ]").facts()
    assert facts["distribution"] == "gaussian-sparse[ rho=0.50 ]"
    assert facts["estimator"] == "ksg"
    assert facts["params"]["k"] == 3
    assert (facts["dim_x"], facts["dim_y"], facts["n"], facts["seed"]) == (5, 5, 100, 0)


def test_what_an_estimator_declines_is_planned_with_its_reason() -> None:
    reason = trial("ksg[k=10]", n=10).skip
    assert reason is not None
    assert "10" in reason
    assert trial("ksg[k=9]", n=10).skip is None
