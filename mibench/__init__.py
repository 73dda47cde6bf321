"""mibench: how far is a mutual-information estimate from the truth?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mibench import losses
    from mibench.execution.runner import run
    from mibench.interface import Context, Estimate, Estimator, GroundTruth, InputError, JointDistribution, Sample
    from mibench.owndata.estimation import estimate
    from mibench.profiles import PMIProfile, pmi_profile
    from mibench.registry import make_distribution, make_estimator, register_distribution, register_estimator

__version__ = "0.1.0"

# Public names by module, imported at first use so that `import mibench` costs next to nothing.
_PUBLIC = {
    "mibench.owndata.estimation": ("estimate",),
    "mibench.interface": (
        "Context",
        "Estimate",
        "Estimator",
        "GroundTruth",
        "InputError",
        "JointDistribution",
        "Sample",
    ),
    "mibench.profiles": ("PMIProfile", "pmi_profile"),
    "mibench.registry": ("make_distribution", "make_estimator", "register_distribution", "register_estimator"),
    "mibench.execution.runner": ("run",),
}
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = [
    "Context",
    "Estimate",
    "Estimator",
    "GroundTruth",
    "InputError",
    "JointDistribution",
    "PMIProfile",
    "Sample",
    "estimate",
    "losses",
    "make_distribution",
    "make_estimator",
    "pmi_profile",
    "register_distribution",
    "register_estimator",
    "run",
]


def __getattr__(name: str) -> object:
    if name == "losses":
        return importlib.import_module("mibench.losses")
    if name not in _HOME:
        raise AttributeError(f"module 'mibench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
