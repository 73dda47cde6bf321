"""Trials that crash, hang, eat memory or lie cost themselves and no other; a kill loses nothing that was stored."""

from __future__ import annotations

import collections
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from mibench.execution.child import _Prints
from mibench.execution.local import Limits, make_batches, resolve_jobs, resolve_threads, run_batches
from mibench.plan import Trial, make_task, make_trials
from mibench.registry import make_estimator
from mibench.rows.row import Row
from mibench.rows.store import Store
from mibench.runner import run_trials

FILE = Path(__file__).with_name("faulty.py")
LIMITS = Limits(jobs=2, timeout=3.0, memory=600 * 2**20)
EXPECTED = {
    "none": "ok",
    "print": "ok",
    "slow": "ok",
    "nan": "nonfinite",
    "raise": "error",
    "wrong-type": "error",
    "segfault": "crash",
    "exit": "crash",
    "kill": "crash",
    "hang": "timeout",
    "memory": "oom",
}


def planned(estimator: str, faults: dict[str, int]) -> list[Trial]:
    made = [make_estimator(f"{FILE}:{estimator}")]
    trials: list[Trial] = []
    for fault, count in faults.items():
        task = make_task(f"{FILE}:FaultyTask[fault={fault}]")
        trials += make_trials(made, [task], [100], range(count), "cpu")
    return sorted(trials, key=lambda trial: trial.run_key)  # faults and sound trials in one batch, in any order


@pytest.mark.parametrize(
    ("estimator", "counts"),
    [
        ("Faulty", dict.fromkeys(EXPECTED, 1) | {"none": 30, "nan": 2, "segfault": 2}),
        ("FaultyTogether", dict.fromkeys(EXPECTED, 1) | {"none": 6, "segfault": 2, "hang": 0}),
        ("FaultyTogether", {"hang": 1, "none": 2}),  # a batch that hangs is halved, each half with its own deadline
    ],
)
def test_each_fault_gets_its_status_and_harms_no_other_trial(
    estimator: str, counts: dict[str, int], tmp_path: Path
) -> None:
    trials = planned(estimator, counts)
    store = Store(tmp_path / "store.sqlite")
    rows = run_trials(trials, store, limits=LIMITS)
    found = collections.Counter((row["distribution"].partition("fault=")[2][:-1], row["status"]) for row in rows)
    assert found == {(fault, EXPECTED[fault]): count for fault, count in counts.items() if count}
    assert len(store.rows()) == len(trials)
    said = {"segfault": "signal 11", "exit": "status 3", "kill": "signal 9", "hang": "--timeout", "raise": "faulty.py:",
            "memory": "memory|llocate", "wrong-type": "returned float"}  # fmt: skip
    for row in rows:
        pattern = said.get(row["distribution"].partition("fault=")[2][:-1], "")
        assert re.search(pattern, row["error_text"] or "")
        assert row["truth"] == 0.0 or row["status"] in ("crash", "timeout", "oom")
        assert (row["estimate"] is not None) == (row["status"] == "ok")
    store.close()


def command(store: Path, seeds: int, tasks: Sequence[str]) -> list[str]:
    specs = ",".join(f"{FILE}:FaultyTask[{task}]" for task in tasks)
    options = ["--n", "100", "--seeds", str(seeds), "--jobs", "2", "--timeout", "5", "--memory", "600M"]
    return [sys.executable, "-m", "mibench", "run", "--estimator", f"{FILE}:Faulty", "--store", str(store),
            "--distribution", specs, "--format", "json", *options]  # fmt: skip


def stored(path: Path) -> list[Row]:
    if not path.exists():
        return []
    store = Store(path)
    rows = store.rows()
    store.close()
    return rows


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_200_trials_survive_kills_of_the_driver_a_child_and_a_server(tmp_path: Path) -> None:
    """180 sound but slow trials and 20 faulty ones, through a kill -9 of a child, of a server and of the driver."""
    path = tmp_path / "store.sqlite"
    slow = [f"fault=slow,seconds={0.05 + index / 1000}" for index in range(36)]
    arguments = command(path, 5, [*slow, "fault=segfault", "fault=hang", "fault=memory", "fault=nan"])
    driver = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watched = psutil.Process(driver.pid)
    wait_for(lambda: len(stored(path)) >= 20)

    def crashes() -> int:
        return sum(row["status"] == "crash" for row in stored(path))

    def servers_at_work() -> list[psutil.Process]:
        return [server for server in watched.children() if server.children()]

    wait_for(servers_at_work)
    servers_at_work()[0].children()[0].kill()
    wait_for(lambda: crashes() == 1)
    wait_for(servers_at_work)
    servers_at_work()[0].kill()
    wait_for(lambda: crashes() == 2)
    wait_for(lambda: len(stored(path)) >= 80)

    family = watched.children(recursive=True)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    before = {row["run_key"]: row for row in stored(path)}
    assert 80 <= len(before) < 180
    wait_for(lambda: not alive(family))  # nobody goes on without the driver

    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    rows = stored(path)
    assert [row["run_key"] for row in json.loads(done.stdout)["trials"]] == [
        trial.run_key for trial in all_trials(slow)
    ]
    assert len(rows) == len({row["run_key"] for row in rows}) == 200
    assert {row["attempt"] for row in rows} == {1}
    statuses = collections.Counter(row["status"] for row in rows)
    assert statuses == {"ok": 178, "crash": 2 + 5, "timeout": 5, "oom": 5, "nonfinite": 5}
    faults = {"segfault": "crash", "hang": "timeout", "memory": "oom", "nan": "nonfinite"}
    for row in rows:
        fault = row["distribution"].partition("fault=")[2].rstrip("]")
        assert row["status"] == faults.get(fault, row["status"])
    assert all(row == before[row["run_key"]] for row in rows if row["run_key"] in before)

    # What was killed from outside runs again when asked for, as a second attempt; what crashes by itself does again.
    subprocess.run([*arguments, "--retry", "crash"], capture_output=True, check=False)
    again = collections.Counter(row["status"] for row in stored(path) if row["attempt"] == 2)
    assert again == {"ok": 2, "crash": 5}


def all_trials(slow: Sequence[str]) -> list[Trial]:
    made = [make_estimator(f"{FILE}:Faulty")]
    faults = ["fault=segfault", "fault=hang", "fault=memory", "fault=nan"]
    tasks = [make_task(f"{FILE}:FaultyTask[{text}]") for text in [*slow, *faults]]
    return make_trials(made, tasks, [100], range(5), "cpu")


def test_interrupting_says_what_is_stored_and_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    arguments = command(path, 100, ["fault=slow"])
    driver = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(stored(path)) >= 5)
    family = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGINT)
    out, err = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert out == ""
    assert f"{len(stored(path))} of 100 trials are in {path}" in err
    assert "Traceback" not in err
    wait_for(lambda: not alive(family))


def test_batches_hold_like_trials_and_keep_all_jobs_busy() -> None:
    trials = planned("Faulty", {"none": 40}) + planned("FaultyTogether", {"none": 10})
    batches = make_batches(trials, jobs=2)
    assert sum(len(batch.trials) for batch in batches) == 50
    assert [len(batch.trials) for batch in batches] == [5] * 8 + [5] * 2
    assert all(len({type(trial.estimator) for trial in batch.trials}) == 1 for batch in batches)


def test_batches_that_train_together_fill_stacks_and_are_whole_on_a_gpu() -> None:
    trials = planned("FaultyTogether", {"none": 30})

    def sizes(jobs: int, device: str) -> list[int]:
        batches = make_batches([replace(trial, device=device) for trial in trials], jobs)
        return [len(batch.trials) for batch in batches]

    assert sizes(1, "cpu") == sizes(2, "cpu") == [8, 8, 8, 6]
    assert sizes(8, "cpu") == [4] * 7 + [2]
    assert sizes(1, "cuda") == [30]


def test_jobs_and_threads_share_the_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that may use 3 cores of a large machine runs 3 trials at once, not one a core of the machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 4, 6}, raising=False)
    trials = make_trials([make_estimator("cca")], [make_task("independent", 1)], [20], range(20), "cpu")
    assert resolve_jobs(Limits(), trials) == 3
    assert (resolve_threads(1), resolve_threads(2), resolve_threads(3), resolve_threads(8)) == (3, 1, 1, 1)


def test_leaving_the_loop_ends_the_children() -> None:
    trials = planned("Faulty", {"slow": 20})
    running = run_batches(make_batches(trials, 2), 2, LIMITS)
    next(running)
    family = psutil.Process().children(recursive=True)
    assert family
    running.close()
    assert not alive(family)


def test_endless_printing_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is passed on before a result ends though there is always more, and a line that never ends is cut."""
    reading, writing = os.pipe()
    prints = _Prints(reading, io.BytesIO())
    reads = itertools.count()

    def endless(_: int, size: int) -> bytes:
        assert next(reads) < 20, "it reads on and on"
        return b"x" * size

    monkeypatch.setattr(os, "read", endless)
    prints.finish()
    for _ in range(18):
        prints.read()
        assert len(prints.begun) < 1 << 20
    os.close(reading)
    os.close(writing)
