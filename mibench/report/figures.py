"""How every figure looks, and how it is written: the same picture gives the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from mibench.interface import InputError

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

COLUMN = 3.4  # inches: one column of a two-column paper
# Okabe and Ito's colours, which people with any colour vision tell apart.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
DENSITY = LinearSegmentedColormap.from_list("density", ["#E3EEF5", SKY, BLUE, "#00263B"])

STYLE: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that all machines draw the same
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "legend.fontsize": 6,
    "pdf.fonttype": 42,  # TrueType: text stays text
    "ps.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "mibench",
}
# Dates and program names would change the bytes.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Date": None, "Creator": None},
}


def check_path(path: Path) -> None:
    """Find out before the work whether a figure can be written there."""
    if path.suffix.lower() not in _METADATA:
        raise InputError(f"{path} is no picture that can be written; give a file that ends in .png, .pdf or .svg")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(f"{path} cannot be written: give a file in a folder that exists")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as .png, .pdf or .svg."""
    check_path(path)
    with mpl.rc_context(STYLE):
        try:
            figure.savefig(path, dpi=300, metadata=_METADATA[path.suffix.lower()])
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from error
