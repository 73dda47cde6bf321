"""A kind of work that is no trial: batched, run in supervised children and blamed by the same rules."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from mibench.execution.batches import Batch, Running, blame, make_batches
from mibench.execution.local import run_batches
from mibench.execution.work import Limits, Result, Runnable

LIMITS = Limits(jobs=2, timeout=4.0, memory=400 * 2**20)


@dataclass(frozen=True)
class Square(Runnable):
    """A number to be squared; it is its own runnable."""

    number: int
    fault: str = "none"
    together: bool = False
    device: str = "cpu"

    @property
    def key(self) -> str:
        return f"{self.number}{self.fault}{self.together}"

    @property
    def group(self) -> tuple[bool, str]:
        return self.together, self.device

    @property
    def modules(self) -> frozenset[str]:
        return frozenset({__name__})

    def runnable(self) -> Square:
        return self

    def run(self, threads: int) -> Result:
        if self.fault == "raise":
            raise ValueError("as told")
        if self.fault == "crash":
            ctypes.string_at(0)
        if self.fault == "hang":
            time.sleep(1000)
        if self.fault == "memory":
            hoard = []
            while True:
                hoard.append(bytearray(1 << 24))
        return {"status": "ok", "square": self.number**2, "threads": threads, "process": os.getpid()}


@dataclass(frozen=True)
class Forgetful(Square):
    """Gives all but the last result of its batch."""

    def run_together(self, batch: Sequence[Square], threads: int) -> Iterator[tuple[int, Result]]:
        yield from ((index, one.run(threads)) for index, one in enumerate(batch[:-1]))


def outcomes(works: Sequence[Square]) -> dict[str, Result]:
    found: dict[str, Result] = {}
    for ended in run_batches(make_batches(works, 2), 2, LIMITS):
        for key, result in ended:
            assert key not in found
            found[key] = result
    return found


@pytest.mark.parametrize("together", [False, True])
def test_each_fault_is_blamed_on_its_own_work(together: bool) -> None:
    expected = {"raise": "error", "crash": "crash", "memory": "oom", "hang": "timeout"}
    if together:
        del expected["hang"]  # a batch has the time of all its works, so that halving takes long
    works = [Square(number, together=together) for number in range(6)]
    works[3:3] = [Square(number, fault, together) for number, fault in enumerate(expected)]
    found = outcomes(works)
    for work in works:
        result = found.pop(work.key)
        assert result["status"] == expected.get(work.fault, "ok")
        if result["status"] == "ok":
            assert (result["square"], result["threads"]) == (work.number**2, 1)
            assert result["process"] != os.getpid()
        else:
            said = {"raise": "as told (test_work.py:", "crash": "signal 11", "hang": "--timeout", "memory": ""}
            assert said[work.fault] in result["error_text"]
    assert not found


def test_a_batch_that_ends_early_is_halved_until_one_is_blamed() -> None:
    found = outcomes([Forgetful(number, together=True) for number in range(12)])  # two batches
    assert [result["status"] for result in found.values()].count("ok") == 10
    wrong = {result["error_text"] for result in found.values() if result["status"] == "error"}
    assert wrong == {"its batch ended without a result for it"}


# ---------------------------------------------------------------------------------------------------------------------
# Batches and blame, without any process


def numbers(batches: Sequence[Batch]) -> list[list[str]]:
    return [[work.key.partition("none")[0] for work in batch.works] for batch in batches]


def running(count: int, *, together: bool, finished: Sequence[int] = (), begun: int | None = None) -> Running:
    made = Running(Batch(tuple(Square(number, together=together) for number in range(count))))
    for index in finished:
        assert made.finish(index).key.startswith(str(index))
    if begun is not None:
        made.begin(begun)
    return made


@pytest.mark.parametrize("together", [False, True])
def test_nobody_is_blamed_once_all_have_results(together: bool) -> None:
    assert running(2, together=together, finished=[0, 1], begun=1).close() == (None, [])


def test_the_work_that_had_begun_is_blamed_and_the_rest_runs_again() -> None:
    guilty, again = running(5, together=False, finished=[0], begun=1).close()
    assert guilty == Square(1)
    assert numbers(again) == [["2", "3", "4"]]
    assert running(2, together=False, finished=[0], begun=1).close() == (Square(1), [])


@pytest.mark.parametrize(("together", "begun"), [(True, None), (False, None), (False, 0)])
def test_where_nobody_can_be_blamed_yet_the_rest_is_halved(together: bool, begun: int | None) -> None:
    """It died with all at work, before the first had begun, or between two works."""
    guilty, again = running(6, together=together, finished=[0], begun=begun).close()
    assert guilty is None
    assert numbers(again) == [["1", "2"], ["3", "4", "5"]]
    alone, again = running(2, together=together, finished=[0], begun=begun).close()
    assert (alone, again) == (Square(1, together=together), [])


def test_bisection_finds_one_bad_work_of_a_batch_that_runs_together() -> None:
    """Seven works are no multiple of two; the sixth kills every batch that it is in."""
    bad, waiting, ended = 5, [Batch(tuple(Square(number, together=True) for number in range(7)))], []
    runs = 0
    while waiting:
        batch, runs = waiting.pop(), runs + 1
        made = Running(batch)
        if all(work.key != Square(bad, together=True).key for work in batch.works):
            ended += [made.finish(index) for index in range(len(batch.works))]
        guilty, again = made.close()
        waiting += again
        assert guilty in (None, Square(bad, together=True))
    assert len(ended) == 6
    assert runs == 7  # 7 -> 3, 4 -> 2, 2 -> 1, 1


def test_each_verdict_is_a_result_in_words() -> None:
    assert blame("timeout", "", 2.0, 0)["error_text"] == "no result after 2 s (--timeout)"
    assert blame("oom", "", 2.0, 3 << 20)["error_text"] == "used more than 3 MiB (--memory)"
    assert blame("crash", "killed", 2.0, 0) == {
        "status": "crash", "error_type": "crash", "error_text": "killed", "batch_size": 1,
    }  # fmt: skip
    assert blame("done", "", 2.0, 0)["status"] == "error"


def test_groups_are_never_mixed_and_a_gpu_gets_its_group_whole() -> None:
    works = [Square(number, together=number % 2 == 0, device="cuda") for number in range(40)]
    batches = make_batches(works, jobs=2)
    assert all(len({work.group for work in batch.works}) == 1 for batch in batches)
    assert sorted(len(batch.works) for batch in batches if batch.together) == [20]
    assert sorted(len(batch.works) for batch in batches if not batch.together) == [2, 3, 3, 3, 3, 3, 3]
    assert batches[0].modules == {__name__}
