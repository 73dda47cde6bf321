"""Common checks for estimators and distributions: everything registered passes them, and yours can too.

    import pytest
    from mibench.testing import estimator_checks

    @pytest.mark.parametrize("check", estimator_checks("my_file.py:Mine"), ids=str)
    def test_mine(check):
        check()

Without pytest, `check_estimator("my_file.py:Mine")` runs them all and says which ones fail.
"""

from __future__ import annotations

from mibench.testing.checks import Check, NotApplicable, Outcome
from mibench.testing.distributions import check_distribution, distribution_checks
from mibench.testing.estimators import check_estimator, estimator_checks

__all__ = [
    "Check",
    "NotApplicable",
    "Outcome",
    "check_distribution",
    "check_estimator",
    "distribution_checks",
    "estimator_checks",
]
