"""From rows to scores: pure functions of the raw rows, one for each trial (the last attempt), and of nothing else.

`cells` scores one estimator on one task, `ranks` and `paired_differences` compare estimators, `association` judges
measures of dependence that have no truth of their own. Every interval of a score has the level `LEVEL`.
"""

from __future__ import annotations

from mibench.scoring.cell import CELL, DEFAULT_RULE, LAW, LEVEL, METHOD, TASK, Solved, cells, summarise, wilson
from mibench.scoring.comparison import holm, paired_differences, ranks
from mibench.scoring.dependence import association

__all__ = [
    "CELL",
    "DEFAULT_RULE",
    "LAW",
    "LEVEL",
    "METHOD",
    "TASK",
    "Solved",
    "association",
    "cells",
    "holm",
    "paired_differences",
    "ranks",
    "summarise",
    "wilson",
]
