"""Where an exception comes from."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest

from mibench.failures import place_of
from mibench.interface import Array, Context, Estimate, Estimator
from mibench.testing import check_estimator


def test_the_place_is_in_ones_own_code_even_where_a_library_raises() -> None:
    for action in (lambda: np.linalg.cholesky(-np.eye(2)), lambda: json.loads("{")):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            action()
        line = inspect.getsourcelines(action)[1]
        assert place_of(caught.value) == f"test_failures.py:{line}"


def test_code_of_no_file_has_a_place_too() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        exec("1 / 0")
    assert place_of(caught.value).startswith("test_failures.py:")


class Singular(Estimator):
    """Raises inside a library."""

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(float(np.linalg.cholesky(-np.eye(2))[0, 0]))


class Forgets(Estimator):
    """Says that it bounds from below, and leaves it out of the estimate; draws from torch's own state."""

    bound = "lower"

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        import torch

        return Estimate(float(torch.randn(())), diagnostics={"n": len(x)})


def test_checks_say_where_and_what_to_write() -> None:
    with pytest.raises(AssertionError) as caught:
        check_estimator(Singular)
    assert "raises LinAlgError: Matrix is not positive definite (test_failures.py:" in str(caught.value)
    with pytest.raises(AssertionError) as caught:
        check_estimator(Forgets)
    lines = str(caught.value).splitlines()
    found = {line.partition(":")[0].removeprefix("Forgets-"): line.partition(": ")[2] for line in lines[1:]}
    assert found["result"] == "bound 'none', declared 'lower'; give Estimate bound=self.bound"
    assert found["determinism"].startswith("the same seed gives two estimates: value ")
    assert "diagnostics" not in found["determinism"]  # which are equal
    assert found["global-random-state"].endswith("inside `with torch.random.fork_rng():`")
