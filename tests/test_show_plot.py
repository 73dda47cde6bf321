"""`mibench show`: what it says of truths, and the pictures it draws."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mibench.cli import main
from mibench.interface import Array, GroundTruth, JointDistribution, Sample, Shape, parameter
from mibench.registry import make_distribution
from mibench.report import figures, samples


@dataclass(frozen=True)
class Table(JointDistribution):
    """Two labels."""

    dim_x = 1
    dim_y = 1

    def sample_shape(self, n: int) -> Shape:
        """Labels."""
        return Shape(n, ("discrete",), ("discrete",))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """X in {1, 2, 5}, Y = X or 9."""
        x = rng.choice([1.0, 2.0, 5.0], (n, 1))
        return Sample(x, np.where(rng.random((n, 1)) < 0.25, 9.0, x), declared=self.sample_shape(n))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """Nobody asks."""
        return None


@dataclass(frozen=True)
class Labels(JointDistribution):
    """A label and a vector."""

    dim_x = 1
    dim_y = 2

    def sample_shape(self, n: int) -> Shape:
        """A label, and numbers."""
        return Shape(n, ("discrete",), ("continuous", "continuous"))

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """X in {0, 1}, Y normal around X."""
        x = rng.integers(0, 2, (n, 1)).astype(float)
        return Sample(x, x + rng.standard_normal((n, 2)), declared=self.sample_shape(n))

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """Nobody asks."""
        return None


@dataclass(frozen=True)
class Images(JointDistribution):
    """Noise of 3 x 4 pixels."""

    dim_x = 12
    dim_y = 12
    image_shape = (3, 4)

    def sample(self, n: int, rng: np.random.Generator) -> Sample:
        """X noise, Y the same."""
        x = rng.random((n, 12))
        return Sample(x, x.copy())

    def ground_truth(self, quantity: str = "mi") -> GroundTruth | None:
        """Infinite."""
        return None


@dataclass(frozen=True)
class Scaled(Table):
    """A parameter that has no default, and no example of it."""

    scale: float = parameter(MISSING, "unused")


def words(figure: Figure) -> str:
    """All titles and texts of a figure."""
    return "\n".join([text.get_text() for text in figure.findobj(mpl.text.Text)])


def joint_axes(figure: Figure) -> Axes:
    """The large plot of the first columns."""
    return next(axes for axes in figure.get_axes() if (axes.get_xlabel(), axes.get_ylabel()) == ("$x_1$", "$y_1$"))


def shown_arrays(figure: Figure) -> list[Array]:
    """What its images show."""
    return [np.asarray(image.get_array()) for axes in figure.get_axes() for image in axes.images]


# ---------------------------------------------------------------------------------------------------------------------
# Words


def test_show_says_the_truth_with_its_error_and_the_other_quantities(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "gaussian-sparse[dim_x=1,dim_y=1,rho=0.8]"]) == 0
    said = capsys.readouterr().out
    assert "truth      0.510826 nats (closed form) at 1 x 1" in said
    assert "cs-qmi 0.336472 nats" in said
    assert "sliced-mi 0.510826 nats (quadrature, error below 1e-6)" in said
    assert "wasserstein-2 0.649839 in the units of the data (closed form)" in said
    assert "Gel'fand" in said
    assert main(["show", "contaminated[base=gaussian-sparse]"]) == 0
    said = capsys.readouterr().out
    assert "truth      0.635759 nats (quadrature, error below 1e-6) at 5 x 5" in said
    assert "cs-qmi" not in said


# ---------------------------------------------------------------------------------------------------------------------
# Pictures


def test_picture_marks_the_mutual_information_and_the_negative_pairs() -> None:
    figure = samples.picture(make_distribution("gaussian-sparse"), "a title", n=2000)
    said = words(figure)
    assert "a title, 5 × 5" in said
    assert "MI = 1.0217 nats" in said
    assert "% negative" in said
    (profile,) = [axes for axes in figure.get_axes() if axes.get_xlabel() == "pointwise MI (nats)"]
    assert any(np.allclose(np.asarray(line.get_xdata()), 1.0216512) for line in profile.lines)
    bars = [patch for patch in profile.patches if isinstance(patch, mpl.patches.Rectangle) and patch.get_height() > 0]
    red = [bar for bar in bars if bar.get_facecolor()[:3] == to_rgb(figures.RED)]
    assert red
    assert all(bar.get_x() + bar.get_width() < 1e-9 for bar in red)
    assert sum(bar.get_height() for bar in bars if bar not in red) >= 0.99 * 50_000


def test_picture_shows_every_pair_of_the_first_columns() -> None:
    figure = samples.picture(make_distribution("gaussian-dense", dim_x=1, dim_y=3), n=500)
    labels = {axes.get_xlabel() for axes in figure.get_axes()} | {axes.get_ylabel() for axes in figure.get_axes()}
    assert {"$x_1$", "$y_1$", "$y_2$"} <= labels
    assert "$x_2$" not in labels


def test_picture_of_two_labels_is_their_table() -> None:
    drawn = Table().sample(500, np.random.default_rng(0))
    (table,) = shown_arrays(samples.picture(Table(), n=500))
    levels_x, levels_y = [1, 2, 5], [1, 2, 5, 9]
    expected = [[((drawn.x == x) & (drawn.y == y)).mean() for x in levels_x] for y in levels_y]
    assert np.allclose(np.nan_to_num(table), expected)


def test_picture_of_a_label_and_a_number_keeps_the_labels_apart() -> None:
    figure = samples.picture(Labels(), n=500)
    dots = np.asarray(joint_axes(figure).lines[0].get_xdata())
    assert ((np.abs(dots) <= 0.3) | (np.abs(dots - 1) <= 0.3)).all()


def test_picture_of_images_shows_x_above_its_y() -> None:
    drawn = Images().sample(500, np.random.default_rng(0))
    shown = shown_arrays(samples.picture(Images(), n=500))
    assert len(shown) == 12
    for index in range(6):
        assert np.array_equal(shown[index], drawn.x[index].reshape(3, 4))
        assert np.array_equal(shown[6 + index], shown[index])


def test_a_name_that_needs_parameters_is_drawn_by_its_example(tmp_path: Path) -> None:
    drawn, example = tmp_path / "a.png", tmp_path / "b.png"
    assert main(["show", "half-cube", "--plot", str(drawn)]) == 0
    assert main(["show", "half-cube[base=gaussian-sparse]", "--plot", str(example)]) == 0
    assert drawn.read_bytes() == example.read_bytes()


@pytest.mark.parametrize("spec", ["student[dof=0.1]", "independent[dim_x=1,dim_y=1]", "gaussian-sparse[mi=40]"])
def test_pictures_of_extremes_warn_of_nothing(spec: str, tmp_path: Path) -> None:
    figures.save(samples.picture(make_distribution(spec), n=500), tmp_path / "a.png")


def test_heavy_tails_leave_the_bulk_to_see() -> None:
    """The quartiles of points without a mean take a tenth of the picture, less the margins, or more."""
    law = make_distribution("student", dof=0.2, dim_x=1, dim_y=1)
    low, high = joint_axes(samples.picture(law, n=5000)).get_xlim()
    first, third = np.quantile(law.sample(5000, np.random.default_rng(0)).x, [0.25, 0.75])
    assert low < first < third < high
    assert third - first > (high - low) / 12


# ---------------------------------------------------------------------------------------------------------------------
# Files


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_files_are_the_same_bytes_in_every_process(suffix: str, tmp_path: Path) -> None:
    here, there = tmp_path / f"here{suffix}", tmp_path / f"there{suffix}"
    settings = dict(mpl.rcParams)
    assert main(["show", "additive-uniform", "--plot", str(here)]) == 0
    assert dict(mpl.rcParams) == settings
    command = [sys.executable, "-m", "mibench", "show", "additive-uniform", "--plot", str(there)]
    subprocess.run(command, check=True, capture_output=True)
    assert here.read_bytes() == there.read_bytes()
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
    assert here.read_bytes().startswith(starts[suffix])


def test_pdf_embeds_truetype_fonts(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    figures.save(samples.picture(make_distribution("additive-uniform"), n=500), path)
    assert b"/FontFile2" in path.read_bytes()
    assert b"/Type3" not in path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gaussian-sparse", "--plot", "a.jpg"], "a.jpg is no picture that can be written; give a file that ends in"),
        (["gaussian-sparse", "--plot", "nowhere/a.png"], "nowhere/a.png cannot be written"),
        (["ksg", "--plot", "a.png"], "--plot draws a distribution; ksg is an estimator"),
        ([f"{__file__}:Scaled", "--plot", "a.png"], "Scaled needs scale"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["show", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
