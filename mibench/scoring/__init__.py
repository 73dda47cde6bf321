"""From rows to scores: pure functions of the raw rows, one for each trial (the last attempt), and of nothing else.

`cells` scores one estimator on one task, `summaries` each over all its tasks; `ranks` and `paired_differences` compare
estimators, `association` judges measures of dependence that have no truth of their own. Every interval of a score has
the level `LEVEL`.
"""

from __future__ import annotations

from mibench.scoring.cell import DEFAULT_RULE, LEVEL, Scores, Solved, cells, records, summarise, wilson
from mibench.scoring.comparison import holm, paired_differences, ranks
from mibench.scoring.dependence import Order, association, orders
from mibench.scoring.summary import Measured, Summary, best_of, by_quantity, having_all, measured, summaries

__all__ = [
    "DEFAULT_RULE",
    "LEVEL",
    "Measured",
    "Order",
    "Scores",
    "Solved",
    "Summary",
    "association",
    "best_of",
    "by_quantity",
    "cells",
    "having_all",
    "holm",
    "measured",
    "orders",
    "paired_differences",
    "ranks",
    "records",
    "summaries",
    "summarise",
    "wilson",
]
