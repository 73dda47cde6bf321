"""The words of `mibench plot`, apart from what loads matplotlib."""

from __future__ import annotations

# Kind -> what it shows. The function of a kind has its name, in the module of its name.
KINDS = {
    "heatmap": "signed error of every estimator on every task",
    "bias-variance": "bias against standard deviation, with arcs of the same RMSE",
    "scaling": "estimate and RMSE against n, dimension or MI",
    "staircase": "estimates along steps of MI",
    "calibration": "nominal against empirical coverage of intervals",
    "pareto": "RMSE against CPU seconds",
    "estimates": "mean estimates beside truth and oracle, a panel for each task",
    "learning": "training and validation curves of trials",
    "samples": "what a distribution looks like; needs --distribution",
}
AGAINST = ("n", "dim", "mi")  # what `scaling` may stand on
WIDTHS = {"single": 3.4, "double": 7.0}  # inches: one column or two of a paper
