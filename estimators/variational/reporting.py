"""What an estimate says about its training: diagnostics, curves, warnings; and the average over folds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from mibench.interface import Bound, Estimate
from mibench.training.loop import Curve, Fit
from mibench.training.networks import Network

CURVE_POINTS = 200
FAR_OUT = 20.0  # standard deviations; 10,000 normal values reach 4


def reported(estimate: Estimate, fit: Fit[Network], bound: Bound, training_value: float, farthest: float) -> Estimate:
    """The estimate with the diagnostics and the warnings of its training."""
    diagnostics = {
        "steps": fit.steps,
        "best_step": fit.best_step,
        "ended": fit.ended,
        "training_value": training_value,
        "validation_value": fit.best_value,
        "training_curve": _thinned(fit.training),
        "validation_curve": _thinned(fit.validation),
    }
    warnings = list(estimate.warnings)
    if fit.ended == "diverged":
        warnings.append(f"training diverged by step {fit.steps}; the best weights before that were used")
    elif fit.ended == "budget":
        warnings.append(f"training had not converged after max_steps = {fit.steps}")
    if farthest > FAR_OUT:
        warnings.append(
            f"a value lies {farthest:.0f} standard deviations from its column's mean: such tails hide the rest of "
            "the data from the critic, with margins=normal they do not"
        )
    return dataclasses.replace(
        estimate, diagnostics=estimate.diagnostics | diagnostics, warnings=tuple(warnings), bound=bound
    )


def averaged(folds: Sequence[Estimate]) -> Estimate:
    """The mean over folds; diagnostics become lists over the folds, the curves those of the first fold to end."""
    if len(folds) == 1:
        return folds[0]
    diagnostics: dict[str, Any] = {"fold_values": [fold.value for fold in folds]}
    for name, value in folds[0].diagnostics.items():
        is_curve = name.endswith("_curve")
        diagnostics[name] = value if is_curve else [fold.diagnostics[name] for fold in folds]
    value = math.fsum(fold.value for fold in folds) / len(folds)
    warnings = dict.fromkeys(warning for fold in folds for warning in fold.warnings)
    return dataclasses.replace(folds[0], value=value, diagnostics=diagnostics, warnings=tuple(warnings))


def _thinned(curve: Curve) -> list[list[float]]:
    return [[step, value] for step, value in curve[:: math.ceil(len(curve) / CURVE_POINTS) or 1]]
