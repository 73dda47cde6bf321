"""From rows to scores: pure functions of the raw rows, one for each trial (the last attempt), and of nothing else.

`cells` scores one estimator on one task, `ranks` and `paired_differences` compare estimators, `association` judges
measures of dependence that have no truth of their own. Every interval of a score has the level `LEVEL`.
"""

from __future__ import annotations

from mibench.scoring.cell import CELL, LAW, LEVEL, METHOD, TASK, cells, solved_rule, summarise, wilson
from mibench.scoring.comparison import holm, paired_differences, ranks
from mibench.scoring.dependence import association

__all__ = [
    "CELL",
    "LAW",
    "LEVEL",
    "METHOD",
    "TASK",
    "association",
    "cells",
    "holm",
    "paired_differences",
    "ranks",
    "solved_rule",
    "summarise",
    "wilson",
]
