"""Everything registered passes the common checks. A new estimator or distribution is checked without being named here.

`QUICK` makes training short enough to check; `EXPECTED` lists checks that are known to fail, with their reasons.
"""

from __future__ import annotations

from typing import Any

import pytest

from mibench import registry
from mibench.testing import Check, distribution_checks, estimator_checks

QUICK: dict[str, dict[str, Any]] = {
    "ba": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "density-ratio": {"max_steps": 300, "validate_every": 25, "hidden": 32},
    "doe": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "dv": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "flo": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "infonce": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "interpolated": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "jsd": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "l1out": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "mine": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "nwj": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "sliced": {"slices": 16},
    "smile": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "tuba": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "vclub": {"max_steps": 100, "validate_every": 25, "hidden": 32},
    "wasserstein": {"max_steps": 100, "validate_every": 25, "hidden": 32},
}
EXPECTED: dict[str, dict[str, str]] = {}

ESTIMATORS = [
    check
    for name in registry.estimators.entries()
    for check in estimator_checks(name, expected_failures=EXPECTED.get(name, {}), **QUICK.get(name, {}))
]
DISTRIBUTIONS = [
    check
    for name in registry.distributions.entries()
    for check in distribution_checks(name, expected_failures=EXPECTED.get(name, {}))
]


@pytest.mark.parametrize("check", ESTIMATORS, ids=str)
def test_estimator(check: Check[Any]) -> None:
    check()


@pytest.mark.parametrize("check", DISTRIBUTIONS, ids=str)
def test_distribution(check: Check[Any]) -> None:
    check()


def test_expectations_name_what_exists() -> None:
    known = {*registry.estimators.entries(), *registry.distributions.entries()}
    assert {*QUICK, *EXPECTED} <= known
