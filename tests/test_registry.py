"""Registry: names, specifications and files become objects; whatever is wrong is one clear line."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from mibench import bibliography, registry
from mibench.interface import (
    Array,
    Context,
    Estimate,
    Estimator,
    EstimatorFacts,
    GroundTruth,
    InputError,
    JointDistribution,
    Sample,
    parameter,
    parameters_of,
)
from mibench.registry import (
    Catalogue,
    full_spec,
    make_distribution,
    make_estimator,
    parse_spec,
    register_estimator,
    split_list,
)

WORDS: dict[str, Any] = {"family": "test", "summary": "Nothing", "citation": "@misc{a, title = {A}}"}


@dataclass(frozen=True)
class Zero(Estimator):
    """Estimates nothing."""

    k: int = parameter(3, "a whole number", low=1, high=99)
    scale: float = parameter(1.0, "a number", low=0.0)
    mode: Literal["plain", "fast"] = parameter("plain", "a word")
    clip: bool = parameter(False, "a switch")
    limit: int | None = parameter(None, "a whole number or none")
    weights: tuple[float, ...] = parameter((1.0,), "numbers", low=0.0)
    text: str = parameter("abc", "any text")
    several: int | tuple[int, ...] = parameter(1, "a whole number or several", low=1, high=9)

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return Estimate(0.0)


ZERO = Zero()


@dataclass(frozen=True)
class Wrapper(Estimator):
    """Holds another estimator."""

    base: Estimator = field(default=ZERO, metadata={"doc": "estimator to wrap"})

    def estimate(self, x: Array, y: Array, context: Context) -> Estimate:
        return self.base.estimate(x, y, context)


@dataclass(frozen=True)
class Matrix(JointDistribution):
    """Needs a matrix."""

    covariance: tuple[tuple[float, ...], ...] = parameter(dataclasses.MISSING, "a matrix")
    dim_x: int = parameter(1, "columns of X", low=1)
    dim_y: int = parameter(1, "columns of Y", low=1)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        return Sample(rng.standard_normal((n, 1)), rng.standard_normal((n, 1)))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        return None


@pytest.fixture(autouse=True)
def _registered() -> None:
    """Register the classes above."""
    register_estimator(name="zero", aliases=("nought",), **WORDS)(Zero)
    register_estimator(name="wrapper", **WORDS)(Wrapper)
    registry.register_distribution(name="matrix", formula="none", **WORDS)(Matrix)


# ---------------------------------------------------------------------------------------------------------------------
# Specifications


def test_commas_inside_brackets_belong_to_the_parameters() -> None:
    assert split_list("ksg, infonce[a=1,b=2],x[c=(1,2),d=e[f=3,g=4]]") == [
        "ksg",
        "infonce[a=1,b=2]",
        "x[c=(1,2),d=e[f=3,g=4]]",
    ]
    assert split_list("a,,b,") == ["a", "b"]
    assert split_list("") == []


def test_a_specification_is_a_name_with_texts() -> None:
    spec = parse_spec(" zero[ k = 5 , weights=(1,2), base=wrapper[base=zero[k=2]] ] ")
    assert spec.name == "zero"
    assert spec.parameters == {"k": "5", "weights": "(1,2)", "base": "wrapper[base=zero[k=2]]"}
    assert parse_spec(str(spec)) == spec
    assert parse_spec("zero[]") == parse_spec("zero")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zero[k=3", "brackets do not match"),
        ("zero[k=3]x", "brackets do not match"),
        ("zero[k=(3]", "brackets do not match"),
        ("zero[k=3)]", "brackets do not match"),
        ("zero[k=3][k=4]", "brackets do not match"),
        ("zero[3]", "'3' in 'zero\\[3\\]' is no parameter; write name"),
        ("zero[k=]", "is no parameter"),
        ("zero[=3]", "is no parameter"),
        ("zero[k=3,k=4]", "parameter k is given twice"),
        ("[k=3]", "no name in"),
        ("", "no name in"),
    ],
)
def test_a_malformed_specification_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_spec(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zero", Zero()),
        ("nought", Zero()),
        ("zero[k=5]", Zero(k=5)),
        ("zero[k=5.0]", Zero(k=5)),
        ("zero[scale=2]", Zero(scale=2.0)),
        ("zero[scale=1e-3]", Zero(scale=0.001)),
        ("zero[scale=inf]", Zero(scale=float("inf"))),
        ("zero[mode=FAST]", Zero(mode="fast")),
        ("zero[clip=yes]", Zero(clip=True)),
        ("zero[clip=off]", Zero(clip=False)),
        ("zero[limit=none]", Zero(limit=None)),
        ("zero[limit=7]", Zero(limit=7)),
        ("zero[weights=(1,2)]", Zero(weights=(1.0, 2.0))),
        ("zero[weights=2]", Zero(weights=(2.0,))),
        ("zero[text=a=b]", Zero(text="a=b")),
        ("zero[several=4]", Zero(several=4)),
        ("zero[several=(4)]", Zero(several=(4,))),
        ("zero[several=(1, 4)]", Zero(several=(1, 4))),
        ("wrapper[base=zero[k=5,mode=fast]]", Wrapper(Zero(k=5, mode="fast"))),
    ],
)
def test_a_text_makes_an_object(text: str, expected: Estimator) -> None:
    assert make_estimator(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zreo", "unknown estimator 'zreo' (nearest: zero); `mibench list estimators` shows all"),
        (
            "zero[kk=3]",
            "zero has no parameter 'kk' (nearest: k); accepted: k, scale, mode, clip, limit, weights, text, several",
        ),
        ("zero[k=three]", "zero: parameter k = 'three' is not accepted; give whole number from 1 to 99"),
        ("zero[k=3.5]", "zero: parameter k = '3.5' is not accepted; give whole number from 1 to 99"),
        ("zero[k=none]", "zero: parameter k = 'none' is not accepted; give whole number from 1 to 99"),
        ("zero[k=0]", "zero: parameter k = 0 is out of range; give whole number from 1 to 99"),
        ("zero[k=100]", "zero: parameter k = 100 is out of range; give whole number from 1 to 99"),
        ("zero[scale=-1]", "zero: parameter scale = -1.0 is out of range; give number >= 0"),
        ("zero[scale=nan]", "zero: parameter scale = nan is not accepted; give number >= 0"),
        ("zero[scale=big]", "zero: parameter scale = 'big' is not accepted; give number >= 0"),
        ("zero[mode=slow]", "zero: parameter mode = 'slow' is not accepted; give one of plain, fast"),
        ("zero[clip=maybe]", "zero: parameter clip = 'maybe' is not accepted; give true or false"),
        ("zero[limit=x]", "zero: parameter limit = 'x' is not accepted; give whole number or none"),
        ("zero[weights=(1,-2)]", "zero: parameter weights = (1.0, -2.0) is out of range; give tuple of number >= 0"),
        ("zero[weights=(1,a)]", "zero: parameter weights = '(1,a)' is not accepted; give tuple of number >= 0"),
        (
            "zero[several=(1,10)]",
            "zero: parameter several = (1, 10) is out of range; "
            "give whole number from 1 to 9, or tuple of whole number from 1 to 9",
        ),
        (
            "zero[several=(1,2.5)]",
            "zero: parameter several = '(1,2.5)' is not accepted; "
            "give whole number from 1 to 9, or tuple of whole number from 1 to 9",
        ),
        ("wrapper[base=zreo]", "unknown estimator 'zreo' (nearest: zero); `mibench list estimators` shows all"),
        ("wrapper[base=zero[k=0]]", "zero: parameter k = 0 is out of range; give whole number from 1 to 99"),
    ],
)
def test_a_wrong_text_is_refused_with_what_is_accepted(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_estimator(text)
    assert str(caught.value) == message


def test_keywords_are_checked_like_texts_whatever_they_are_given_with() -> None:
    for spec in ("zero", Zero, Zero()):
        assert make_estimator(spec, k=5) == Zero(k=5)
        assert make_estimator(spec, weights=[1, 2]) == make_estimator(spec, weights=np.array([1, 2]))
        assert make_estimator(spec, k=np.int64(5), scale=np.float32(2)) == Zero(k=5, scale=2.0)
        with pytest.raises(InputError, match=r"has no parameter 'kk' \(nearest: k\); accepted: k, scale"):
            make_estimator(spec, kk=5)
        with pytest.raises(InputError, match="out of range"):
            make_estimator(spec, k=0)
        for wrong in ("3", True, 3.0, None):
            with pytest.raises(InputError, match="is not accepted; give whole number"):
                make_estimator(spec, k=wrong)
    assert make_estimator("zero[k=5]", k=6).k == 6  # type: ignore[attr-defined]
    assert make_estimator("wrapper", base="zero[k=5]") == Wrapper(Zero(k=5))


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(InputError, match=r"matrix needs covariance; write matrix\[covariance=...\]"):
        make_distribution("matrix")


def test_what_is_no_estimator_is_refused() -> None:
    wrongs: list[Any] = [Matrix(((1.0,),)), Matrix, 3, None]
    for wrong in wrongs:
        with pytest.raises(InputError, match="is no Estimator; give name"):
            make_estimator(wrong)


@pytest.mark.parametrize(
    "owner",
    [
        Zero(),
        Zero(5, 1e-9, "fast", True, 7, (0.1, 2.0, 1e300), "x[y]"),
        Zero(weights=()),
        Zero(several=(3, 1)),
        Zero(several=(3,)),
        Wrapper(Wrapper(Zero(k=9))),
    ],
)
def test_the_full_specification_makes_the_same_object(owner: Estimator) -> None:
    assert make_estimator(full_spec(owner)) == owner


def test_a_matrix_goes_through_text_arrays_and_files(tmp_path: Path) -> None:
    expected = Matrix(((1.0, 0.1), (0.1, 1.0)))
    assert make_distribution("matrix[covariance=((1,0.1),(0.1,1))]") == expected
    assert make_distribution("matrix", covariance=np.array([[1, 0.1], [0.1, 1]])) == expected
    assert make_distribution(full_spec(expected)) == expected
    np.save(tmp_path / "c.npy", np.array([[1, 0.1], [0.1, 1]]))
    np.savetxt(tmp_path / "c.csv", np.array([[1, 0.1], [0.1, 1]]), delimiter=",")
    assert make_distribution(f"matrix[covariance={tmp_path}/c.npy]") == expected
    assert make_distribution(f"matrix[covariance={tmp_path}/c.csv]") == expected
    with pytest.raises(InputError, match="cannot be read as a matrix"):
        make_distribution(f"matrix[covariance={tmp_path}/missing.npy]")
    with pytest.raises(InputError, match="is not accepted; give tuple of tuple of number"):
        make_distribution("matrix", covariance=[1, 2])


def test_equal_parameters_are_one_text() -> None:
    """A whole number for a float is that float: otherwise one trial would have two run keys."""
    assert full_spec(make_estimator("zero", scale=2)) == full_spec(make_estimator("zero[scale=2]"))
    assert full_spec(Zero(weights=(1, 2))) == full_spec(make_estimator("zero[weights=(1,2)]"))
    assert "limit=7," in full_spec(Zero(limit=7))


# ---------------------------------------------------------------------------------------------------------------------
# Names


def test_a_second_registration_of_a_name_is_refused() -> None:
    @dataclass(frozen=True)
    class Other(Zero):
        """Another one."""

    for words in ({"name": "zero"}, {"name": "nought"}, {"name": "other", "aliases": ("zero",)}, {"name": "cca"}):
        with pytest.raises(InputError, match="is registered already, by"):
            register_estimator(**words, **WORDS)(Other)
    register_estimator(name="zero", aliases=("nought",), **WORDS)(Zero)  # the same class again: no conflict


def test_only_estimators_are_registered_as_such() -> None:
    with pytest.raises(InputError, match="Matrix is registered as estimator but is no Estimator"):
        register_estimator(name="other", **WORDS)(Matrix)


def test_globs_expand_over_names_and_keep_the_parameters() -> None:
    assert registry.estimators.expand("*ero[k=5]") == ["zero[k=5]"]
    assert registry.estimators.expand("wrappe?") == ["wrapper"]
    assert {"cca", "zero", "wrapper"} <= set(registry.estimators.expand("*"))
    assert registry.estimators.expand("zero[text=*]") == ["zero[text=*]"]
    assert registry.estimators.expand("some*/file.py:Mine") == ["some*/file.py:Mine"]
    with pytest.raises(InputError, match=r"no estimator is named like 'nothing\*'"):
        registry.estimators.expand("nothing*")


def test_listing_imports_no_estimator_and_no_torch() -> None:
    code = (
        "import sys; from mibench import registry; "
        "names = list(registry.estimators.entries()) + list(registry.distributions.entries()); "
        "loaded = [m for m in sys.modules if m == 'torch' or m.startswith(('scipy', 'sklearn', 'pandas', "
        "'mibench.estimators.', 'mibench.distributions.'))]; "
        "assert 'cca' in names; sys.exit(str(loaded) if loaded else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_read_facts_are_the_decorated_ones() -> None:
    for catalogue in (registry.estimators, registry.distributions):
        for name, entry in catalogue._written.items():
            assert catalogue.find(name).facts == entry.facts


# ---------------------------------------------------------------------------------------------------------------------
# Files

OWN = """
from dataclasses import dataclass
from mibench.interface import Estimate, Estimator, parameter

@dataclass(frozen=True)
class Mine(Estimator):
    "My own estimator."
    k: int = parameter(3, "neighbours", low=1)

    def estimate(self, x, y, context):
        return Estimate(float(self.k))

class Abstract(Estimator):
    pass

class Plain(Mine):
    j: int = 4

number = 3
"""
FIVE_ARGUMENTS = """
    def unsupported(self, n, dim_x, dim_y, x_discrete, y_discrete):
        return None

"""
OLD_KINDS = """
from mibench.interface import JointDistribution

class Old(JointDistribution):
    dim_x = dim_y = 1
    y_discrete = (True,)

    def sample(self, n, rng):
        raise NotImplementedError

    def ground_truth(self, quantity="mi"):
        return None
"""


def test_an_object_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    mine = make_estimator(f"{file}:Mine[k=5]")
    assert mine.estimate(np.ones((2, 1)), np.ones((2, 1)), Context()).value == 5.0
    assert type(make_estimator(f"{tmp_path}/../{tmp_path.name}/own.py:Mine")) is type(mine)
    assert mine.facts.name == mine.label() == "Mine"
    assert mine.facts.summary == "My own estimator."
    assert full_spec(mine) == "Mine[k=5]"


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("", "own.py names no class; give path/to/file.py:Class, such as "),
        (":Mime", r"'Mime' is not in .*own.py \(nearest: Mine\)"),
        (":number", r"'number' is no Estimator in .*own.py"),
        (":Abstract", "Abstract does not define estimate"),
        (":Plain", "Plain has parameters but is no dataclass; add @dataclass"),
        (":Mine[j=3]", "Mine has no parameter 'j'"),
        (":Mine[k=0]", "Mine: parameter k = 0 is out of range"),
    ],
)
def test_a_wrong_object_of_a_file_is_one_clear_line(ending: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    with pytest.raises(InputError, match=message) as caught:
        make_estimator(f"{file}{ending}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError: No module named"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("1 / 0", "cannot be imported: ZeroDivisionError"),
        (
            "from mibench.registry import register_estimator\n"
            "from mibench.estimators.gaussian.cca import CCA\n"
            "@register_estimator(name='cca', family='own', summary='s', citation='c')\n"
            "class Mine(CCA): pass\n",
            "estimator 'cca' is registered already, by mibench.estimators.gaussian.cca.CCA; give yours another name",
        ),
        (OWN.replace(", context", ""), r"estimate\(self, x, y\); write `def estimate\(self, x, y, context\)`"),
        (
            OWN.replace("class Abstract", FIVE_ARGUMENTS + "class Abstract"),
            r"Mine defines unsupported\(self, n, dim_x, dim_y, x_discrete, y_discrete\); "
            r"write `def unsupported\(self, shape\)`",
        ),
        (
            OWN.replace(", context", ", *, context"),
            r"Mine defines estimate\(self, x, y, \*, context\); write",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        make_estimator(f"{file}:Mine")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"no file '.*missing\.py'; give path/to/file\.py:Object"):
        make_estimator(f"{tmp_path}/missing.py:Mine")


def test_a_distribution_that_says_its_kinds_as_formerly_is_refused(tmp_path: Path) -> None:
    """Else its labels would be taken for numbers."""
    (tmp_path / "old.py").write_text(OLD_KINDS)
    with pytest.raises(InputError, match=r"Old defines x_discrete or y_discrete; write `def sample_shape\(self, n\)`"):
        make_distribution(f"{tmp_path}/old.py:Old")


def test_two_files_are_two_modules(tmp_path: Path) -> None:
    """a/b.py and a_b.py once shared a module name."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text(OWN.replace("3, ", "30, "))
    (tmp_path / "a_b.py").write_text(OWN)
    ks = [make_estimator(f"{tmp_path}/{name}:Mine").k for name in ("a/b.py", "a_b.py")]  # type: ignore[attr-defined]
    assert ks == [30, 3]


def test_a_class_that_extends_a_registered_one_goes_by_its_own_name(tmp_path: Path) -> None:
    file = tmp_path / "extended.py"
    file.write_text("from mibench.estimators.gaussian.cca import CCA\nclass Mine(CCA):\n    'Mine.'\n")
    mine = make_estimator(f"{file}:Mine")
    assert (mine.label(), mine.facts.name, mine.facts.family) == ("Mine", "Mine", "own")
    assert mine.facts.invariances == make_estimator("cca").facts.invariances
    assert make_estimator("cca").label() == "cca"


# ---------------------------------------------------------------------------------------------------------------------
# Folders and entry points

REGISTERED = "from mibench.registry import register_estimator" + OWN.replace(
    "@dataclass", "@register_estimator(name='plugged', family='own', summary='s', citation='c')\n@dataclass", 1
)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install a package with an entry point; gives a function that reads the catalogue anew."""

    def install(value: str, **files: str) -> Catalogue[Estimator]:
        package = tmp_path / "mi_plugin_for_test"
        package.mkdir(exist_ok=True)
        for name, text in {"__init__": "raise ImportError('listing imported it')", **files}.items():
            (package / f"{name}.py").write_text(text)
        meta = tmp_path / "mi_plugin_for_test-1.dist-info"
        meta.mkdir(exist_ok=True)
        (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: mi-plugin-for-test\nVersion: 1\n")
        (meta / "entry_points.txt").write_text(f"[mibench.estimators]\nplugged = {value}\n")
        return Catalogue("estimator", Estimator, EstimatorFacts)  # type: ignore[type-abstract]

    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield install
    for module in [module for module in sys.modules if module.startswith("mi_plugin_for_test")]:
        del sys.modules[module]
    registry._loaded.pop(("mi_plugin_for_test.own", "Mine"), None)


@pytest.mark.parametrize("value", ["mi_plugin_for_test.own:Mine", "mi_plugin_for_test.own"])
def test_an_entry_point_is_listed_unimported_and_made(value: str, plugin: Any) -> None:
    catalogue = plugin(value, own=REGISTERED)
    assert catalogue.entries()["plugged"].facts.family == "own"
    assert not [module for module in sys.modules if module.startswith("mi_plugin_for_test")]
    with pytest.raises(InputError, match="estimator 'plugged' cannot be imported: listing imported it"):
        catalogue.make("plugged")
    assert plugin(value, __init__="", own=REGISTERED).make("plugged[k=7]").k == 7


def test_an_entry_point_that_names_nothing_is_said(plugin: Any) -> None:
    with pytest.warns(
        UserWarning, match=r"entry point plugged of mibench.estimators names .*own:Other, where no class"
    ):
        entries = plugin("mi_plugin_for_test.own:Other", own=REGISTERED).entries()
    assert "plugged" not in entries
    assert "cca" in entries


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            REGISTERED.replace("name='plugged'", "name='cca'"),
            "estimator 'cca' is registered twice, by mibench.estimators",
        ),
        (REGISTERED.replace("name='plugged'", "name='m' + 'e'"), "own.py:5: facts .* write them as literals"),
        (REGISTERED.replace("name='plugged', ", ""), r"own.py:5: register_estimator\(...\) lacks name$"),
        (
            REGISTERED.replace("family='own', summary='s', citation='c'", ""),
            r"own.py:5: register_estimator\(name='plugged'\) lacks family, summary, citation$",
        ),
        (REGISTERED.replace("citation='c'", "citation='c', suports=()"), r"knows no suports \(nearest: supports\)"),
        (REGISTERED + "def broken(:", "own.py:.* is no Python"),
    ],
)
def test_wrong_facts_are_one_clear_line(text: str, message: str, plugin: Any) -> None:
    with pytest.raises(InputError, match=message) as caught:
        plugin("mi_plugin_for_test.own:Mine", own=text).entries()
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------------------
# Descriptions


def test_parameters_describe_themselves() -> None:
    described = parameters_of(Zero)
    assert {name: info.accepted() for name, info in described.items()} == {
        "k": "whole number from 1 to 99",
        "scale": "number >= 0",
        "mode": "one of plain, fast",
        "clip": "true or false",
        "limit": "whole number or none",
        "weights": "tuple of number >= 0",
        "text": "text",
        "several": "whole number from 1 to 9, or tuple of whole number from 1 to 9",
    }
    assert described["k"].default == 3
    assert described["k"].doc == "a whole number"


def test_the_version_of_a_wrapper_names_the_wrapped_one() -> None:
    assert Wrapper(Wrapper(Zero())).version == "1/1/1"


def test_a_source_is_cited_by_its_key_or_in_full() -> None:
    assert registry.estimators.entries()["ksg"].facts.citation.startswith("@article{kraskov2004estimating,")
    both = bibliography.entries("kraskov2004estimating, czyz2023beyond")
    assert [line for line in both.splitlines() if line.startswith("@")] == [
        "@article{kraskov2004estimating,",
        "@inproceedings{czyz2023beyond,",
    ]
    assert bibliography.entries("@misc{own, title = {A}}") == "@misc{own, title = {A}}"
    assert bibliography.entries("nobody2024") == "nobody2024"


def test_a_full_specification_hangs_on_names_and_not_on_the_order_of_fields() -> None:
    student = registry.make_distribution("student[dof=3]")
    assert registry.full_spec(student) == "student[dim_x=5,dim_y=5,dof=3.0,pairs=none,rho=0.0]"
    assert (
        registry.full_spec(registry.make_distribution("asinh", base=student))
        == f"asinh[base={registry.full_spec(student)}]"
    )
