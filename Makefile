# Every target sets up what it needs first: a virtual environment in .venv with the pinned versions of constraints.txt.
# Variables: PYTHON (which interpreter makes .venv), JOBS (processes for tests and trials), ARGS (more words for
# `mibench run` or pytest, e.g. `make test ARGS="-k ksg"`).
PYTHON ?= python3
JOBS ?= 2
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest -q

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow lint format bench figures clean

help:
	@echo "make run        benchmark three quick estimators on the core suite, about a minute"
	@echo "make test       the quick tests"
	@echo "make test-slow  the long statistical tests and the packaging tests"
	@echo "make lint       ruff and mypy"
	@echo "make format     let ruff rewrite what it can"
	@echo "make bench      speed benchmarks"
	@echo "make figures    draw the pictures of the README and write results/bmi*.md, from the reference rows and two small runs"
	@echo "make clean      remove .venv and everything else that was built"

setup: $(READY)

# The stamp is the last step: an interrupted set-up is done again.
$(READY): pyproject.toml constraints.txt
	@echo "Setting up .venv (a few minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mibench needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --progress-bar off --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(READY)
	$(BIN)/python -m mibench run --estimator ksg,cca,gaussian-copula --dim 5 --n 2000 --seeds 5 --jobs $(JOBS) $(ARGS)
	@echo "Stored in results/mibench.sqlite. README.md says how to read the table; source .venv/bin/activate gives you the command mibench."

test: $(READY)
	$(PYTEST) -n $(JOBS) -m "not slow" $(ARGS)

test-slow: $(READY)
	$(PYTEST) -n $(JOBS) -m slow $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	$(PYTEST) benchmarks --benchmark-enable --benchmark-columns=min,median,stddev,rounds $(ARGS)

# A few estimators of different families where a figure of all of them would be crowded.
SOME := cca,density-ratio,doe,gaussian-copula,infonce,ksg,mine,smile
PLOT := $(BIN)/python -m mibench plot
SMALL := $(BIN)/python -m mibench run --store build/figures.sqlite --jobs $(JOBS) --distribution 'gaussian-sparse,half-cube[base=gaussian-sparse]'
figures: $(READY)
	$(PLOT) estimates --reference --suite core --dim 5 --n 10000 --estimator binning,cca,gaussian-copula,infonce,ksg,mine --width double --out results/figures/core-dim5.png
	$(BIN)/python -m mibench table --reference --suite bmi --n 10000 --score summary --out results/bmi.md
	$(BIN)/python -m mibench table --reference --suite bmi --n 1000 --score summary --out results/bmi-1000.md
	$(PLOT) heatmap --reference --suite bmi --n 10000 --width double --out results/figures/heatmap.png
	$(PLOT) bias-variance --reference --suite bmi --n 10000 --estimator $(SOME) --out results/figures/bias-variance.png
	$(PLOT) pareto --reference --suite bmi --n 10000 --estimator $(SOME),compressed,gmm --out results/figures/pareto.png
	$(PLOT) scaling --reference --suite core --n 10000 --against dim --estimator $(SOME) --width double --out results/figures/scaling.png
	$(PLOT) staircase --reference --suite staircase --n 10000 --estimator $(SOME) --width double --out results/figures/staircase.png
	$(PLOT) samples --distribution '1v1-AI' --out results/figures/samples.png
	@# Reference rows have neither intervals nor curves: these two are drawn from small runs of their own.
	for level in 0.2 0.4 0.6 0.8 0.95; do $(SMALL) --estimator binning,cca,gaussian-copula,ksg --dim 1 --n 500 --seeds 40 --interval subsample --level $$level || exit 1; done
	$(PLOT) calibration --store build/figures.sqlite --n 500 --interval subsample --out results/figures/calibration.png
	$(SMALL) --estimator infonce --dim 5 --n 2000 --seeds 3
	$(PLOT) learning --store build/figures.sqlite --estimator infonce --n 2000 --out results/figures/learning.png

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .benchmarks
