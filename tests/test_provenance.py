"""The hash of the code follows what computes an estimate, wherever it stands, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import mibench
from mibench import provenance
from mibench.interface import Estimator, InputError
from mibench.provenance import code_hash, environment, read_again
from mibench.registry import make_distribution, make_estimator

ROOT = Path(mibench.__file__).parents[1]


# ---------------------------------------------------------------------------------------------------------------------
# What is registered


PROBE = """
from mibench.provenance import code_hash
from mibench.registry import make_distribution, make_estimator
made = [make_estimator(name) for name in ("ksg", "ksg[k=5]", "cca", "gaussian-copula")]
made += [make_distribution(name) for name in ("gaussian-sparse", "half-cube[base=gaussian-sparse]", "independent")]
print(*map(code_hash, made))
"""
NAMES = ("ksg", "ksg-5", "cca", "gaussian-copula", "gaussian-sparse", "half-cube", "independent")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source, to be changed."""
    copy = tmp_path_factory.mktemp("clone")
    for folder in ("mibench", "estimators", "distributions"):
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def unchanged(clone: Path) -> dict[str, str]:
    return hashes(clone)


def hashes(clone: Path) -> dict[str, str]:
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=clone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(NAMES, done.stdout.split(), strict=True))


@pytest.mark.parametrize(
    ("changed", "affected"),
    [
        ("estimators/neighbors/ksg.py", {"ksg", "ksg-5"}),
        ("estimators/neighbors/search.py", {"ksg", "ksg-5"}),
        ("estimators/margins.py", {"ksg", "ksg-5", "gaussian-copula"}),
        ("estimators/gaussian/cca.py", {"cca"}),
        ("estimators/gaussian/canonical.py", {"cca", "gaussian-copula"}),
        ("estimators/binning/binning.py", set()),
        ("distributions/gaussian.py", {"gaussian-sparse", "half-cube"}),
        ("distributions/pairs.py", {"gaussian-sparse", "half-cube"}),
        ("distributions/transforms.py", {"half-cube"}),
        ("distributions/student.py", set()),
        ("mibench/rows/store.py", set()),
    ],
)
def test_a_change_reaches_what_uses_it(
    changed: str, affected: set[str], clone: Path, unchanged: dict[str, str]
) -> None:
    path = clone / changed
    text = path.read_text(encoding="utf-8")
    assert unchanged["ksg"] == unchanged["ksg-5"]  # parameters are in the run key
    path.write_text(text + "\n# changed\n", encoding="utf-8")
    after = hashes(clone)
    path.write_text(text, encoding="utf-8")
    assert {name for name in NAMES if unchanged[name] != after[name]} == affected


def test_hashes_are_those_of_another_checkout_with_other_line_ends(clone: Path) -> None:
    here = {"ksg": code_hash(make_estimator("ksg")), "cca": code_hash(make_estimator("cca"))}
    path = clone / "estimators/neighbors/ksg.py"
    text = path.read_bytes()
    path.write_bytes(text.replace(b"\n", b"\r\n"))
    there = hashes(clone)
    path.write_bytes(text)
    assert {name: there[name] for name in here} == here


@pytest.mark.parametrize("name", ["loop.py", "networks.py", "splits.py", "devices.py"])
def test_the_training_engine_counts_where_it_is_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make_estimator(spec) for spec in ("infonce", "ksg")]
    read_again()
    trained, computed = map(code_hash, made)
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda one: read_bytes(one) + b"#" * (one.match(f"training/{name}")))
    read_again()
    assert code_hash(made[0]) != trained
    assert code_hash(made[1]) == computed
    read_again()


def test_a_wrapped_distribution_counts() -> None:
    bases = ("gaussian-sparse", "student", "asinh[base=student]")
    laws = [make_distribution(f"half-cube[base={base}]") for base in bases]
    assert len({code_hash(law) for law in laws}) == 3
    assert code_hash(make_estimator("ksg"), laws[0]) != code_hash(make_estimator("ksg"), laws[1])


# ---------------------------------------------------------------------------------------------------------------------
# A file of the user's own

OWN = """
from dataclasses import dataclass
{imports}
from mibench.interface import Estimate, Estimator

@dataclass(frozen=True)
class Mine(Estimator):
    def estimate(self, x, y, context):
        return Estimate({value})
"""


def own_hash(path: Path) -> str:
    read_again()
    return code_hash(make_estimator(f"{path}:Mine"))


@pytest.mark.parametrize(
    ("imports", "files"),
    [
        ("", []),
        ("import own_helper", ["own_helper.py"]),
        ("from own_helper import thing", ["own_helper.py", "own_deeper.py"]),
        ("from own_package.module import thing", ["own_package/module.py"]),
        ("import own_package", ["own_package/__init__.py", "own_package/module.py"]),
    ],
)
def test_files_beside_the_own_file_count(
    imports: str, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    contents = {
        "own_helper.py": "from own_deeper import thing\n",
        "own_deeper.py": "thing = 1\n",
        "own_package/__init__.py": "from .module import thing\n",
        "own_package/module.py": "thing = 1\n",
        "own_stranger.py": "thing = 1\n",
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    path = tmp_path / "own.py"
    path.write_text(OWN.format(imports=imports, value=1))
    first = own_hash(path)
    for name in files:
        (tmp_path / name).write_text(contents[name] + "# changed\n")
        assert own_hash(path) != first, name
        (tmp_path / name).write_text(contents[name])
    (tmp_path / "own_stranger.py").write_text("thing = 2\n")
    assert own_hash(path) == first
    path.write_text(OWN.format(imports=imports, value=2))
    assert own_hash(path) != first
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def test_data_files_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights beside the own file, and beside a module that it imports: one byte of them is another code."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    path, helper, weights = tmp_path / "own.py", tmp_path / "own_helper.py", tmp_path / "weights.bin"
    path.write_text('DATA_FILES = ("weights.bin", "folder/more.bin")\n' + OWN.format(imports="", value=1))
    (tmp_path / "folder").mkdir()
    for own, data in ((path, weights), (path, tmp_path / "folder/more.bin"), (helper, tmp_path / "helper.bin")):
        if own is helper:
            path.write_text(OWN.format(imports="import own_helper", value=1))
            helper.write_text('DATA_FILES = ("helper.bin",)\n')
        for name in ("weights.bin", "folder/more.bin", "helper.bin"):
            (tmp_path / name).write_bytes(b"0123\r\n")
        first = own_hash(path)
        assert own_hash(path) == first
        data.write_bytes(b"0124\r\n")
        assert own_hash(path) != first
        data.write_bytes(b"0123\n")
        assert own_hash(path) != first, "bytes, not lines"
        data.unlink()
        with pytest.raises(InputError, match=rf"^{own} reads \S*{data.name}, which cannot be read beside it: No such"):
            own_hash(path)
    del sys.modules["own_helper"]


@pytest.mark.parametrize("value", ['"weights.bin"', "(1,)", "tuple(names)"])
def test_data_files_are_a_literal(value: str, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"names = ()\nDATA_FILES = {value}\n" + OWN.format(imports="", value=1))
    with pytest.raises(InputError, match=r"give DATA_FILES as a literal, such as"):
        own_hash(path)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    """Twice within a second and of one length: Python's bytecode cache would not notice."""
    path = tmp_path / "own.py"
    x = [[0.0], [1.0]]
    for value in (1, 2, 3):
        path.write_text(OWN.format(imports="", value=value))
        made = make_estimator(f"{path}:Mine")
        assert made.estimate(x, x, None).value == value  # type: ignore[arg-type]
    assert type(make_estimator(f"{path}:Mine")) is type(made)
    assert not (tmp_path / "__pycache__").exists()


def test_a_registered_class_that_is_extended_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "from dataclasses import dataclass\nfrom mibench.estimators.neighbors.ksg import KSG\n"
        "@dataclass(frozen=True)\nclass Mine(KSG):\n    pass\n"
    )
    first = own_hash(path)
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda one: read_bytes(one) + b"#" * (one.name == "search.py"))
    assert own_hash(path) != first


# ---------------------------------------------------------------------------------------------------------------------
# Scripts, notebooks and what was typed: no file to read

SCRIPT = """
from dataclasses import dataclass
import numpy as np
from mibench.estimators.gaussian.canonical import canonical_correlations
from mibench.interface import Estimate, Estimator, parameter

SCALE = 2.0
UNUSED = 1

def helper(x):
    return deeper(x) * SCALE

def deeper(x):
    return np.mean(x) + 1

@dataclass(frozen=True)
class Mine(Estimator):
    k: int = parameter(3, "neighbours")
    def estimate(self, x, y, context):
        if "a" in {"a", "b", "c", "d"}:
            return Estimate(sum(helper(part) for part in (x, y)))
        return Estimate(canonical_correlations(x, y))
"""


def live_hash(source: str) -> str:
    """The hash of a class whose module is in no file, as in a notebook."""
    module = types.ModuleType("own_notebook")
    sys.modules["own_notebook"] = module
    try:
        exec(compile(source, "<cell>", "exec", dont_inherit=True), vars(module))
        made: Estimator = module.Mine()
        read_again()
        return code_hash(made)
    finally:
        del sys.modules["own_notebook"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE = 2.0", "SCALE = 3.0"),
        ("np.mean(x) + 1", "np.mean(x) + 2"),
        ("np.mean(x)", "np.median(x)"),
        ("deeper(x) * SCALE", "deeper(x) / SCALE"),
        ("helper(part)", "deeper(part)"),
        ("(x, y))", "(y, x))"),
        ('parameter(3,', "parameter(4,"),
        ('"c", "d"}', '"c", "e"}'),
    ],
)  # fmt: skip
def test_the_code_that_is_used_counts(old: str, new: str) -> None:
    assert old in SCRIPT
    assert live_hash(SCRIPT.replace(old, new)) != live_hash(SCRIPT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("UNUSED = 1", "UNUSED = 2"),
        ("def deeper", "\n\n# a comment\ndef deeper"),
        ("np.mean(x) + 1", "np.mean(x)  +  1"),
    ],
)
def test_the_rest_of_a_script_does_not_count(old: str, new: str) -> None:
    assert old in SCRIPT
    assert live_hash(SCRIPT.replace(old, new)) == live_hash(SCRIPT)


def test_the_machinery_that_a_script_uses_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    first = live_hash(SCRIPT)
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda one: read_bytes(one) + b"#" * (one.name == "canonical.py"))
    assert live_hash(SCRIPT) != first


def test_a_scripts_hash_is_the_same_in_every_process(tmp_path: Path) -> None:
    """A script is run again and resumes: by its file, from standard input and with -c."""
    text = SCRIPT + "\nfrom mibench.provenance import code_hash\nprint(code_hash(Mine()))\n"
    path = tmp_path / "script.py"
    path.write_text(text)
    commands = [[str(path)], [str(path)], ["-"], ["-c", text]]
    found = [
        subprocess.run([sys.executable, *arguments], input=text, capture_output=True, text=True, check=True, cwd=ROOT,
                       env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}).stdout
        for seed, arguments in enumerate(commands)
    ]  # fmt: skip
    assert len(set(found)) == 1
    assert len(found[0]) > 10


# ---------------------------------------------------------------------------------------------------------------------
# Where it ran


def test_the_environment_says_what_ran_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/some/where/mibench", "run", "--estimator", "ksg[k=3]"])
    found = environment(2, 4, "a GPU")
    assert set(found) == {
        "mibench", "git_revision", "git_dirty", "python", "platform", "libraries", "cpu", "cores", "gpu", "threads",
        "jobs", "command",
    }  # fmt: skip
    assert (found["mibench"], found["threads"], found["jobs"], found["gpu"]) == (mibench.__version__, 2, 4, "a GPU")
    assert found["command"] == "mibench run --estimator 'ksg[k=3]'"
    assert {"numpy", "scipy", "torch"} <= found["libraries"].keys()
    assert found["libraries"]["numpy"]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment(2, 4, "a GPU") == found


def test_no_git_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "mibench" / "provenance.py"))
    found = environment(1, 1, None)
    assert found["git_revision"] is None
    assert found["git_dirty"] is None
