"""The wheel installs one name and everything in it, the constraints pin everything, the documents name one version."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mibench

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
CODE_LINKS = ["mibench/estimators", "mibench/distributions"]
DATA_LINKS = [f"mibench/data/{path.name}" for path in (ROOT / "mibench/data").iterdir() if path.is_symlink()]


def packages_in(folder: Path, prefix: str) -> set[str]:
    """Names of the packages in a folder, itself included; symlinks are not followed."""
    return {
        ".".join([prefix, *Path(path).relative_to(folder).parts])
        for path, _, files in os.walk(folder)
        if "__init__.py" in files
    }


def test_package_list_is_what_the_folders_hold() -> None:
    expected = packages_in(ROOT / "mibench", "mibench")
    expected |= packages_in(ROOT / "estimators", "mibench.estimators")
    expected |= packages_in(ROOT / "distributions", "mibench.distributions")
    expected |= {link.replace("/", ".") for link in DATA_LINKS}
    assert sorted(SETUPTOOLS["packages"]) == sorted(expected)


@pytest.mark.parametrize("folder", ["mibench", "estimators", "distributions"])
def test_every_folder_with_modules_is_a_package(folder: str) -> None:
    bare = {path.parent for path in (ROOT / folder).rglob("*.py") if not (path.parent / "__init__.py").exists()}
    assert not bare, "modules in a folder without __init__.py would be missing from the wheel"


def test_links_are_committed_and_match_the_package_folders() -> None:
    links = [*CODE_LINKS, *DATA_LINKS]
    assert {"mibench/data/suites", "mibench/data/reference"} <= set(links)
    listed = subprocess.run(["git", "ls-files", "-s", *links], cwd=ROOT, capture_output=True, text=True, check=True)
    modes = {line.split("\t")[1]: line.split()[0] for line in listed.stdout.splitlines()}
    assert modes == dict.fromkeys(links, "120000")
    for link in links:
        target = SETUPTOOLS["package-dir"][link.replace("/", ".")]
        assert os.readlink(ROOT / link) == os.path.relpath(target, Path(link).parent)
        assert (ROOT / link).is_dir()


def test_documents_and_code_name_one_version() -> None:
    version = PYPROJECT["project"]["version"]
    assert mibench.__version__ == version
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [version]
    assert re.findall(r"^cff-version: (.*)$", citation, re.MULTILINE) == ["1.2.0"]
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_constraints_are_exact_and_complete() -> None:
    """Everything that `pip install -e '.[dev]'` brings is pinned; what a parent pins itself needs no second pin."""
    pinned = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            found = re.fullmatch(r"([A-Za-z0-9_.-]+)==([0-9][0-9.]*)", line)
            assert found, f"{line!r} is no plain pin"
            pinned[canonicalize_name(found[1])] = found[2]
    project = PYPROJECT["project"]
    waiting = [Requirement(line) for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]]
    seen: set[str] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        assert name in pinned, f"{name} is not pinned"
        assert wanted.specifier.contains(pinned[name]), f"{wanted} excludes the pinned {pinned[name]}"
        if name not in seen:
            seen.add(name)
            for line in importlib.metadata.requires(name) or []:
                child = Requirement(line)
                by_parent = any(part.operator == "==" for part in child.specifier)
                if not by_parent and (child.marker is None or child.marker.evaluate({"extra": ""})):
                    waiting.append(child)


# ---------------------------------------------------------------------------------------------------------------------
# The wheel, built from the source distribution, without a network


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build in a copy, because setuptools leaves its traces beside the source."""
    copy = tmp_path_factory.mktemp("source") / "a checkout"
    junk = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "*.sqlite*")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=junk)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


@pytest.fixture(scope="module")
def site(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    (wheel,) = dist.glob("*.whl")
    words = ["install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", *words, str(wheel)], check=True)
    return target


def run_installed(site: Path, *words: str) -> str:
    """Run Python away from the checkout, with the installed wheel before everything else."""
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, *words], cwd=site.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_wheel_holds_one_name_and_every_file(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in inside} == {"mibench", f"mibench-{mibench.__version__}.dist-info"}
    expected = {
        path.relative_to(ROOT).as_posix()
        for folder in ["mibench", *CODE_LINKS, *DATA_LINKS]
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".typed", ".toml", ".bib", ".j2", ".gz", ".json"}
    }
    assert {name for name in inside if name.startswith("mibench/")} == expected


def test_source_distribution_holds_the_documents(dist: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        inside = {name.partition("/")[2] for name in opened.getnames()}
    documents = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md"}
    assert documents | {"pyproject.toml", "constraints.txt"} <= inside
    others = [name for name in inside if name not in ("results", "results/reference")]
    others = [name for name in others if not name.startswith("results/reference/")]
    assert not [name for name in others if name.startswith(("tests", "results", "."))]


LISTING = """
import importlib.resources, json, mibench
from mibench import registry, suites
from mibench.rows import reference, select
rows = importlib.resources.files("mibench.data") / "reference"
core = importlib.resources.files("mibench.data") / "suites" / "core.toml"
print(json.dumps({
    "place": mibench.__file__,
    "core": core.read_text(encoding="utf-8"),
    "files": {path.name: len(path.read_bytes()) for path in rows.iterdir()},
    "rows": len(select.select(select.Filters(keep_stale=True), shipped=True)[0]),
    "environments": list(reference.environments()),
    "suites": suites.names(),
    "estimators": registry.estimators.names(),
    "distributions": registry.distributions.names(),
    "made": type(registry.make_estimator("cca")).__module__,
}))
"""


def test_installed_wheel_finds_its_data_and_its_objects(site: Path) -> None:
    from mibench import registry, suites
    from mibench.rows import reference, select

    found = json.loads(run_installed(site, "-c", LISTING))
    assert Path(found.pop("place")).is_relative_to(site)
    assert found == {
        "core": (ROOT / "benchmarks/suites/core.toml").read_text(encoding="utf-8"),
        "files": {path.name: path.stat().st_size for path in (ROOT / "results/reference").iterdir()},
        "rows": len(select.select(select.Filters(keep_stale=True), shipped=True)[0]),
        "environments": list(reference.environments()),
        "suites": suites.names(),
        "estimators": registry.estimators.names(),
        "distributions": registry.distributions.names(),
        "made": "mibench.estimators.gaussian.cca",
    }


def test_installed_wheel_runs(site: Path) -> None:
    assert mibench.__version__ in run_installed(site, "-m", "mibench", "--version")
