"""The documents are executed: Python and console blocks in order, in one empty folder for each document.

```python title="name.py"   is written to name.py      ```python    is executed, each block in a fresh process
```console                  each `$ command` is run; output that is shown below it must be its output, times apart
Other blocks, such as ```sh, are not touched.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mibench.interface import Context
from mibench.registry import make_distribution, make_estimator

ROOT = Path(__file__).parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]


@dataclass(frozen=True)
class Block:
    """A fenced block: where it starts, its language, the file it is to be saved as, its text."""

    line: int
    language: str
    title: str | None
    text: str


def blocks(document: str) -> Iterator[Block]:
    source = (ROOT / document).read_text(encoding="utf-8")
    fence = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
    for found in fence.finditer(source):
        yield Block(source[: found.start()].count("\n") + 1, found[1], found[2], found[3])


def write_titled(document: str, folder: Path) -> None:
    for block in blocks(document):
        if block.title is not None:
            (folder / block.title).write_text(block.text, encoding="utf-8")


def run(command: list[str], folder: Path) -> str:
    """Run a command in which `mibench` is the one of this checkout, installed or not."""
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
    return done.stdout


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """Each `$ command` of a console block with the lines of output that are shown below it."""
    first, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not first, f"line {block.line}: a console block starts with `$ `"
    return [(part.splitlines()[0], part.splitlines()[1:]) for part in parts]


def comparable(line: str) -> str:
    """A line of output without the width of its columns and without a time at its end."""
    return re.sub(r" [\d.]+ m?s$", "", " ".join(line.split()))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_examples_run_in_order(document: str, tmp_path: Path) -> None:
    write_titled(document, tmp_path)
    ran = 0
    for block in blocks(document):
        if block.language == "python" and block.title is None:
            run([sys.executable, "-c", block.text], tmp_path)
            ran += 1
        elif block.language == "console":
            for command, shown in commands(block):
                printed = run(["sh", "-c", f'mibench() {{ "$PYTHON" -m mibench "$@"; }}\n{command}'], tmp_path)
                assert printed.strip() or "--out" in command, f"{document}:{block.line} prints nothing: {command}"
                missing = set(map(comparable, shown)) - set(map(comparable, printed.splitlines()))
                assert not missing, f"{document}:{block.line} shows other output than this:\n{printed}"
                ran += 1
    assert ran >= 5


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_named_files_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        path = ROOT / (target or document)
        assert path.exists(), f"{document} links to {target}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    for name in re.findall(r"`((?:mibench|estimators|distributions|benchmarks|tests|results)/[\w./]+)`", text):
        assert (ROOT / name).exists() or name.endswith(".sqlite"), f"{document} names {name}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([\w-]+)", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= targets


# ---------------------------------------------------------------------------------------------------------------------
# The mathematics of the recipes


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """Write the files."""
    write_titled("CONTRIBUTING.md", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("dim_x", "dim_y", "rho"), [(1, 1, 0.0), (2, 2, 0.6), (1, 4, 0.9)])
def test_recipe_estimator_is_unbiased(recipes: Path, dim_x: int, dim_y: int, rho: float) -> None:
    """Over many small samples its mean is the truth; without the correction it is too large."""
    path, n, repeats = recipes / "unbiased_gaussian.py", 20, 1000
    rng = np.random.default_rng(1)
    truth = -0.5 * np.log(1 - rho**2)
    errors = np.empty((repeats, 2))
    made = [make_estimator(f"{path}:UnbiasedGaussian"), make_estimator(f"{path}:UnbiasedGaussian[correct=false]")]
    for row in errors:
        x, y = rng.normal(size=(n, dim_x)), rng.normal(size=(n, dim_y))
        y[:, 0] = rho * x[:, 0] + np.sqrt(1 - rho**2) * y[:, 0]
        row[:] = [one.estimate(x, y, Context()).value - truth for one in made]
    standard_error = errors.std(axis=0, ddof=1) / np.sqrt(repeats)
    assert abs(errors[:, 0].mean()) < 4 * standard_error[0]
    assert errors[:, 1].mean() > 4 * standard_error[1]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_recipe_that_trains_is_a_lower_bound_near_the_truth(recipes: Path, device: str) -> None:
    """For two pairs with correlation 0.8, and below log K where X is Y."""
    made = make_estimator(f"{recipes / 'two_way_infonce.py'}:TwoWayInfoNCE[max_steps=1000]")
    truth, values = -math.log(1 - 0.8**2), []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, noise = rng.standard_normal((2, 2000, 2))
        found = made.estimate(x, 0.8 * x + 0.6 * noise, Context(np.random.default_rng(seed), device=device))
        values.append(found.value)
    error = np.std(values, ddof=1) / 2
    assert truth - 0.1 - 4 * error < np.mean(values) < truth + 4 * error
    whole = made.estimate(x[:200], x[:200].copy(), Context(rng, device=device))
    assert 2 < whole.value < math.log(50)
    assert whole.warnings == ("within 1 nat of the ceiling 3.91",)


@pytest.mark.parametrize("shape", [0.5, 2.0, 20.0])
def test_recipe_distribution_has_its_truth(recipes: Path, shape: float) -> None:
    """The truth agrees with H(Y) - H(Y | X) by quadrature, which uses no pointwise mutual information."""
    from scipy import integrate, stats

    law = make_distribution(f"{recipes / 'waiting_time.py'}:WaitingTime", shape=shape)
    entropy_y = float(stats.lomax(shape).entropy())
    # Given X = x, Y is exponential with entropy 1 - log x.
    mean_log_rate, _ = integrate.quad(
        lambda t: t * np.exp(shape * t - np.exp(t) - math.lgamma(shape)), -100 / shape, 10, epsabs=1e-10, limit=200
    )
    conditional = 1 - mean_log_rate
    truth = law.ground_truth()
    assert truth is not None
    assert truth.value == pytest.approx(entropy_y - conditional, abs=1e-6)
    sample = law.sample(200_000, np.random.default_rng(2))
    assert sample.pmi is not None
    assert abs(sample.pmi.mean() - truth.value) < 4 * sample.pmi.std(ddof=1) / np.sqrt(len(sample.pmi))
