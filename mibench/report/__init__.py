"""Figures, tables and reports of what was measured; here is what there is, for a command line that loads none of it."""

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
# Score of a table -> what it shows; the last two have a line for each estimator, the others one for each task.
SCORES = {
    "mean": "mean estimate ± sd over seeds",
    "bias": "bias ± standard error",
    "rmse": "RMSE ± standard error (as of normal errors)",
    "sd": "sd over seeds ± standard error (as of normal estimates)",
    "efficiency": "efficiency, oracle RMSE / RMSE, ± bootstrap standard error",
    "solved": "tasks solved",
    "cost": "median CPU time of a trial",
    "summary": "each estimator over all its tasks",
    "dependence": "whether estimates grow with MI: rank correlation, AUC, saturation",
}
FORMATS = ("latex", "markdown", "html", "csv", "table")
AGAINST = ("n", "dim", "mi")  # what `scaling` may stand on
WIDTHS = {"single": 3.4, "double": 7.0}  # inches: one column or two of a paper
