"""Figures show the numbers of their rows: what is drawn is compared with numbers worked out here."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from scipy.stats import binomtest

import mibench
from mibench.cli import main
from mibench.interface import InputError
from mibench.report import KINDS, WIDTHS, drawing, figures, pareto, staircase
from mibench.rows.files import to_csv
from mibench.rows.row import COLUMNS, Row
from mibench.rows.units import BITS
from mibench.scoring import Solved

SINGLE = WIDTHS["single"]


def row(estimator: str, task: str = "gaussian-sparse", estimate: float | None = 1.0, **columns: Any) -> Row:
    """A row as the store gives it; without an estimate it failed, and knows no truth."""
    ok = estimate is not None
    made: dict[str, Any] = {
        "estimator": estimator, "distribution": task, "estimate": estimate, "params": {}, "estimator_version": "1",
        "distribution_version": "1", "dim_x": 2, "dim_y": 2, "n": 100, "seed": 0, "device": "cpu", "quantity": "mi",
        "bound": "none", "status": "ok" if ok else "error", "truth": 1.0 if ok else None,
        "truth_se": 0.0 if ok else None, "oracle": 1.05 if ok else None, "wall_s": 0.2, "cpu_s": 0.1,
        "diagnostics": {}, "warnings": [], "run_key": "k", "attempt": 1, "code": "c",
        "created_utc": "now", "environment": "here",
    }  # fmt: skip
    return cast("Row", {**dict.fromkeys(COLUMNS), **made, **columns})


def draw(kind: str, rows: Sequence[Row], width: float = SINGLE, **words: Any) -> tuple[Figure, str]:
    drawn = drawing.draw(kind, rows, width, **words)
    drawn.figure.draw_without_rendering()
    return drawn.figure, drawn.caption


def axes_of(figure: Figure) -> Axes:
    return figure.get_axes()[0]


def names_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in np.column_stack([line.get_xdata(), line.get_ydata()])]


def bars(axes: Axes) -> list[tuple[list[tuple[float, float]], list[list[float]]]]:
    """Points of each series with error bars, and the ends of its bars."""
    found = []
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, lines = container.lines
        assert isinstance(line, Line2D)
        segments: list[Any] = lines[0].get_segments()
        vertical = segments and segments[0][0, 0] == segments[0][1, 0]
        found.append((points(line), [[float(end[1 if vertical else 0]) for end in one] for one in segments]))
    return found


def seeds(
    estimator: str, estimates: Sequence[float | None], task: str = "gaussian-sparse", **columns: Any
) -> list[Row]:
    """One row for each estimate, each of its own seed."""
    return [row(estimator, task, value, **{**columns, "seed": seed}) for seed, value in enumerate(estimates)]


# ---------------------------------------------------------------------------------------------------------------------
# What is drawn


def heatmap_cells(axes: Axes) -> dict[tuple[int, int], tuple[Rectangle, str]]:
    """The patch and the number of each cell, by column and row."""
    cells = {}
    for patch in axes.patches:
        if isinstance(patch, Rectangle) and patch.get_fill():
            place = (round(patch.get_x() + 0.5), round(patch.get_y() + 0.5))
            texts = [text.get_text() for text in axes.texts if np.allclose(text.get_position(), place)]
            cells[place] = (patch, "".join(texts))
    return cells


def test_heatmap_shows_signed_errors_and_hatches_failures() -> None:
    rows = [
        *seeds("low", [0.5, 0.7], "one"), *seeds("low", [1.0, 1.0], "two"),
        *seeds("high", [1.2, 1.0, None], "one"), *seeds("high", [None, None], "two"),
        *seeds("other", [3.0, 3.0], "one", quantity="dsmi", truth=None, truth_se=None, oracle=None),
        *seeds("other", [None, None], "two", quantity="dsmi"),
        *seeds("silent", [3.0, 3.0], "one", quantity="dsmi", truth=None, truth_se=None, oracle=None),
        *seeds("silent", [None, None], "two", status="skipped"), *seeds("mute", [None], "two", status="skipped"),
        *seeds("half", [1.0, 1.0], "one"),
    ]  # fmt: skip
    figure, caption = draw("heatmap", rows)
    axes = axes_of(figure)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "two"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["low", "high", "other", "half"]
    cells = heatmap_cells(axes)
    assert {place: text for place, (_, text) in cells.items()} == {
        (0, 0): "−0.40", (1, 0): "0.00", (0, 1): "+0.10\n2/3", (1, 1): "error", (0, 2): "no truth",
        (1, 2): "error", (0, 3): "0.00",
    }  # fmt: skip
    assert {place for place, (patch, _) in cells.items() if patch.get_hatch()} == {(0, 1), (1, 1), (1, 2)}
    (absent,) = axes.lines
    assert np.asarray(absent.get_xydata()).tolist() == [[1, 3]]
    assert "x: not run" in caption
    assert "not drawn, without a truth or a task that they support: silent, mute" in caption
    colours = {place: to_rgb(patch.get_facecolor()) for place, (patch, _) in cells.items()}
    assert colours[0, 0] == pytest.approx(to_rgb("#003F66"), abs=0.01)  # the largest error has the end of the scale
    assert colours[1, 0] == pytest.approx((1, 1, 1), abs=0.02)
    assert colours[0, 1][0] > colours[0, 1][2]  # red: above the truth
    assert len(set(colours[1, 1])) == 1  # grey
    assert "4 estimators on 2 tasks" in caption
    assert "n = 100; dimensions 2 × 2; 2 to 3 seeds; hatched: trials failed" in caption
    bar = figure.get_axes()[1]
    assert bar.get_xlim() == pytest.approx((-0.4, 0.4))


def test_heatmap_puts_whichever_is_more_on_its_rows_and_bounds_its_colours() -> None:
    tasks = [f"task-{number}" for number in range(4)]
    rows = [one for task in tasks for one in seeds("a", [1.1, 1.2], task)]
    figure, _ = draw("heatmap", [*rows, *seeds("b", [1e6, 1e6], "task-0")])
    axes = axes_of(figure)
    assert [label.get_text() for label in axes.get_yticklabels()] == tasks
    assert heatmap_cells(axes)[1, 0][1] == "+1e6"
    assert figure.get_axes()[1].get_xlim()[1] == pytest.approx(1.0, abs=0.2)  # nats, and an arrow for what is beyond


def test_heatmap_too_narrow_for_numbers_says_so() -> None:
    rows = [one for a, t in itertools.product(range(30), range(30)) for one in seeds(f"e{a:02}", [1.1], f"t{t:02}")]
    figure, caption = draw("heatmap", rows)
    assert not axes_of(figure).texts
    assert "too narrow for numbers" in caption
    with pytest.raises(InputError, match=r"30 columns do not fit into 3.4 inches; name fewer, or --width double"):
        draw(
            "heatmap",
            [
                {**one, "estimator": f"a-name-that-leaves-very-little-room-for-so-many-cells-{one['estimator']}"}
                for one in rows
            ],
        )


def test_heatmap_with_many_columns_has_shorter_numbers() -> None:
    """30 estimators on more tasks, named as those of a suite: a figure of two columns."""
    tasks = [f"spiral-normal_cdf-multinormal-sparse-25-25-2-{mi}.0, 25 × 25" for mi in range(10, 46)]
    errors = [-0.124, 0.001, -0.998, 2.26, -12.4, 8.19e5]
    rows = [one for a, task in enumerate(tasks[7:]) for one in seeds(f"e{a:02}", [1.0], task)]
    rows += [one for task, error in zip(tasks, errors, strict=False) for one in seeds("wild", [1 + error], task)]
    figure, caption = draw("heatmap", [*rows, *seeds("wild", [None], tasks[6], status="timeout")], WIDTHS["double"])
    axes = axes_of(figure)
    assert "too narrow" not in caption
    assert "grey: no truth, or no trial left" in caption
    labels = [label.get_text() for label in axes.get_yticklabels()]
    cells = heatmap_cells(axes)
    column = [label.get_text() for label in axes.get_xticklabels()].index("wild")
    shown = [cells[column, labels.index(task)][1] for task in tasks[:7]]
    assert shown == ["−.12", "0", "−1.0", "+2.3", "−12", "+8e5", "–"]
    pitch = np.diff(axes.transData.transform([(0, 0), (1, 0)])[:, 0])
    assert max(text.get_window_extent().width for text in axes.texts) < pitch
    assert min(float(text.get_fontsize()) for text in axes.texts) >= 3.6


def test_long_names_fit_at_the_resolution_of_a_saved_picture(tmp_path: Path) -> None:
    """Text is a little wider there than in the coarse pixels of a screen."""
    tasks = [f"spiral-normal_cdf-multinormal-sparse-25-25-2-{mi}.0, 25 × 25" for mi in range(9)]
    drawn = drawing.draw("heatmap", [row(name, task) for name in "ab" for task in tasks], WIDTHS["double"])
    figures.save(drawn.figure, tmp_path / "heatmap.png")
    drawn.figure.set_dpi(300)
    assert min(label.get_window_extent().x0 for label in axes_of(drawn.figure).get_yticklabels()) >= 0


def test_a_long_legend_leaves_its_room_to_the_axes() -> None:
    rows = [one for place in range(40) for one in seeds(f"estimator-{place}", [1.1 + place, 1.3 + place])]
    few, _ = draw("pareto", rows[:4])
    many, _ = draw("pareto", rows)
    assert axes_of(many).bbox.height == pytest.approx(axes_of(few).bbox.height, rel=0.1)


def test_bias_variance_of_one_task_keeps_the_sign() -> None:
    rows = [*seeds("a", [0.6, 0.8], oracle=1.2), *seeds("b", [1.0, 1.4], oracle=1.2)]
    figure, _ = draw("bias-variance", rows)
    lines = {line.get_label(): points(line) for line in axes_of(figure).lines}
    assert lines["a"] == [pytest.approx((-0.3, 0.1 * 2**0.5))]
    assert lines["b"] == [pytest.approx((0.2, 0.2 * 2**0.5))]
    assert lines["oracle"] == [pytest.approx((0, 0.2))]
    assert names_of(figure) == ["a", "b", "oracle"]


def test_bias_variance_over_tasks_is_a_root_mean_square_and_arcs_have_one_radius() -> None:
    rows = [
        *seeds("a", [0.6, 0.8], "one", oracle=1.3), *seeds("a", [1.4, 1.4], "two", oracle=0.6),
        *seeds("b", [1.0, 1.4], "one", oracle=1.3), *seeds("b", [None, 1.0], "two", oracle=0.6),
    ]  # fmt: skip
    figure, caption = draw("bias-variance", rows)
    axes = axes_of(figure)
    lines = {str(line.get_label()): line for line in axes.lines}
    expected = (((0.3**2 + 0.4**2) / 2) ** 0.5, (0.02 / 2) ** 0.5)
    assert points(lines["a"]) == [pytest.approx(expected)]
    assert "b" not in lines
    assert "left out, without a score on every task: b" in caption
    assert points(lines["oracle"]) == [pytest.approx((0, ((0.3**2 + 0.4**2) / 2) ** 0.5))]
    radii = [np.hypot(*np.transpose(points(line))) for line in axes.lines if len(points(line)) > 2]
    assert len(radii) >= 3
    assert all(np.ptp(radius) < 1e-9 for radius in radii)
    ticks = axes.get_xticks()
    assert {round(float(radius[0]), 9) for radius in radii} >= {
        round(t, 9) for t in ticks if 0 < t <= axes.get_xlim()[1]
    }


def test_bias_variance_names_what_is_far_outside() -> None:
    rows = [*seeds("a", [0.6, 0.8]), *seeds("b", [1.0, 1.4]), *seeds("wild", [90.0, 130.0])]
    figure, _ = draw("bias-variance", rows)
    assert names_of(figure) == ["a", "b", "wild (RMSE 110, outside)", "oracle"]  # sqrt(109^2 + 800), in two digits
    assert axes_of(figure).get_xlim()[1] < 1


def test_scaling_against_n() -> None:
    rows = [
        *seeds("a", [0.5, 0.7], n=100, oracle=1.3),
        *seeds("a", [0.8, 1.0], n=1000, oracle=1.1),
        *seeds("b", [1.0], n=100),
    ]
    figure, caption = draw("scaling", rows)
    left, right = figure.get_axes()
    means, spreads = bars(left)[0]
    (first, _), last = means
    assert means == [pytest.approx((first, 0.6)), pytest.approx((1000, 0.9))]
    assert bars(left)[1][0] == [pytest.approx((100**2 / first, 1.0))]  # as far from 100 to the other side
    assert last[0] == pytest.approx(1000)  # where nobody else is
    assert 90 < first < 100
    half = 0.1 * 2**0.5
    assert spreads == [pytest.approx([0.6 - half, 0.6 + half]), pytest.approx([0.9 - half, 0.9 + half])]
    drawn = [points(line) for line in right.lines]
    assert [pytest.approx((100, 0.3)), pytest.approx((1000, 0.1))] in drawn  # the oracle's limit
    assert [pytest.approx((first, 0.17**0.5)), pytest.approx((1000, 0.02**0.5))] in drawn
    assert [(100, 1.0), (1000, 1.0)] in [points(line) for line in left.lines]
    assert (left.get_xscale(), right.get_xscale(), right.get_yscale()) == ("log", "log", "log")
    assert names_of(figure) == ["a", "b", "truth", "oracle"]
    assert "against n on gaussian-sparse" in caption
    assert "at the same n estimates stand beside each other" in caption


def test_scaling_keeps_the_estimators_of_one_place_in_order_and_near_it() -> None:
    """Also where there are many of them, and on a linear axis (a place at 0)."""
    names = [f"e{place:02}" for place in range(24)]
    for task, truths in (("staircase", (2.0, 4.0, 10.0)), ("gaussian-dense", (0.0, 0.5, 1.0))):
        rows = [
            one
            for name in names
            for truth in truths
            for one in seeds(name, [truth], f"{task}-{truth:g}" if task == "staircase" else f"{task}[mi={truth}]",
                             truth=truth)
        ]  # fmt: skip
        figure, _ = draw("scaling", rows, against="mi")
        found = np.array([[x for x, _ in line] for line, _ in bars(figure.get_axes()[0])])
        assert (np.diff(found, axis=0) > 0).all()
        assert (found.max(axis=0)[:-1] < found.min(axis=0)[1:]).all()
        assert found.mean(axis=0) == pytest.approx(truths, abs=1e-9)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("places", [[{"dim_x": 1, "dim_y": 1}, {"dim_x": 5, "dim_y": 5}, {"dim_x": 64, "dim_y": 64}],
                                    [{"n": 100}, {"n": 10_000}]])  # fmt: skip
def test_scaling_keeps_the_markers_of_eight_estimators_apart(width: str, places: list[dict[str, Any]]) -> None:
    """By where they are on the page: all have the same estimates."""
    rows = [row(name, estimate=1.0 + seed, seed=seed, **place) for name in "abcdefgh" for place in places
            for seed in range(2)]  # fmt: skip
    figure, _ = draw("scaling", rows, WIDTHS[width])
    for axes in figure.get_axes():
        lines = [line for line in axes.get_lines() if line.get_marker() != "None"]
        found = np.array([axes.transData.transform(np.asarray(line.get_xydata()))[:, 0] for line in lines])
        widest = max(line.get_markersize() for line in lines) * figure.dpi / 72
        assert len(lines) == 8
        assert np.diff(found, axis=0).min() > widest
        assert (found.max(axis=0)[:-1] < found.min(axis=0)[1:]).all()
        ticks = [text.get_text() for text in axes.get_xticklabels()]
        assert ticks == [str(next(iter(place.values()))) for place in places]


def test_scaling_lets_what_is_far_off_leave_the_panel_and_says_so() -> None:
    rows = [
        *seeds("near", [0.8, 1.0], n=100), *seeds("near", [0.9, 1.1], n=1000), *seeds("wild", [-20.0, -30.0], n=100),
        *seeds("wild", [1.2, None], n=1000), *seeds("silent", [None, None], n=100),
    ]  # fmt: skip
    figure, caption = draw("scaling", rows)
    low, high = figure.get_axes()[0].get_ylim()
    assert 0 < low < 0.9 - 0.1 * 2**0.5  # the truth is 1
    assert 1.2 < high < 1.5
    assert "; estimates outside: wild; " in caption
    assert "; left out, failed trials: wild 1 of 4, silent 2 of 2; " in caption
    assert "silent" not in names_of(figure)
    with pytest.raises(InputError, match="no cell has an estimate"):
        draw("scaling", seeds("silent", [None]))


def test_scaling_against_dimension_and_mi_joins_tasks_that_differ_in_nothing_else() -> None:
    by_dim = [
        *seeds("a", [0.5], dim_x=2, dim_y=2),
        *seeds("a", [0.4], "gaussian-sparse[dim_x=8,dim_y=8]", dim_x=8, dim_y=8),
    ]
    figure, caption = draw("scaling", by_dim)
    assert bars(figure.get_axes()[0])[0][0] == [(2, 0.5), (8, 0.4)]
    assert "against dim on gaussian-sparse;" in caption
    by_mi = [
        *seeds("a", [0.5], "staircase-2", truth=2.0), *seeds("a", [0.4], "staircase-4", truth=4.0),
        *seeds("a", [0.1], "staircase-cubed-2", truth=2.0), *seeds("a", [0.2], "staircase-cubed-4", truth=4.0),
        *seeds("a", [0.3], "independent", truth=0.0),
    ]  # fmt: skip
    figure, _ = draw("scaling", by_mi, against="mi")
    left = figure.get_axes()[::2]
    assert [axes.get_title(loc="left") for axes in left] == [
        "gaussian-sparse[pairs=20]",
        "cube[base=gaussian-sparse[pairs=20]]",
    ]
    assert [bars(axes)[0][0] for axes in left] == [[(2, 0.5), (4, 0.4)], [(2, 0.1), (4, 0.2)]]


def test_staircase_puts_estimates_on_their_steps() -> None:
    rows = [
        one
        for mi, low in ((2, 1.0), (10, 3.0), (4, 2.0))
        for one in seeds("a", [low, low + 0.2], f"staircase-{mi}", truth=float(mi))
    ]
    figure, _ = draw("staircase", [*rows, *seeds("b", [4.0, 4.0], "staircase-4", truth=4.0)])
    (axes,) = figure.get_axes()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "10"]
    truth = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert points(truth) == [(0, 2), (1, 4), (2, 10), (3, 10)]
    (first, spreads), (second, _) = bars(axes)
    assert [y for _, y in first] == pytest.approx([1.1, 2.1, 3.1])
    assert [int(x) for x, _ in first] == [0, 1, 2]
    assert spreads[0] == pytest.approx([1.1 - 0.02**0.5, 1.1 + 0.02**0.5])
    assert [int(x) for x, _ in second] == [1]


def test_training_staircase_smooths_and_shows_its_ceiling() -> None:
    values = np.sin(np.arange(300.0)) + np.arange(300) / 100
    values[17] = np.nan
    curve = list(zip(range(0, 600, 2), values.tolist(), strict=True))
    with mpl.rc_context(figures.STYLE):
        drawn = staircase.training_staircase(
            {"a": curve, "b": curve[:5]}, [(0, 2.0), (300, 4.0)], SINGLE, ceilings={"a": 4.85}, window=21
        )
    axes, second = drawn.figure.get_axes()[:2]
    raw, smooth, truth, ceiling = [points(line) for line in axes.lines]
    assert np.array_equal(np.array(raw), np.array(curve), equal_nan=True)
    for place in (0, 5, 17, 150, 299):
        around = values[max(0, place - 10) : place + 11]
        assert smooth[place][1] == pytest.approx(np.nanmean(around))
    assert truth == [(0, 2), (300, 4), (598, 4)]
    assert {y for _, y in ceiling} == {4.85}
    assert len(second.lines) == 3
    assert "truth, 2, 4 nats" in drawn.caption
    with pytest.raises(InputError, match="needs a curve"):
        staircase.training_staircase({}, [(0, 2.0)], SINGLE)


def test_calibration_counts_what_the_intervals_hold() -> None:
    """Of a's 80% intervals 5 of 8 hold the truth, over two tasks; its interval of the share is Wilson's."""

    def some(name: str, hits: Sequence[bool], task: str, level: float, method: str = "subsample") -> list[Row]:
        ends = [(0.9, 1.1) if hit else (1.2, 1.4) for hit in hits]
        return [
            row(name, task, 1.0, seed=i, low=low, high=high, level=level, interval=method)
            for i, (low, high) in enumerate(ends)
        ]

    rows = [
        *some("a", [True, True, False, True], "one", 0.8), *some("a", [True, False, True, False], "two", 0.8),
        *some("a", [True] * 4, "one", 0.95), *some("b", [False] * 5, "one", 0.8),
        *seeds("c", [1.0, 1.1]),
    ]  # fmt: skip
    figure, caption = draw("calibration", rows)
    assert names_of(figure) == ["a", "b"]
    (shares, ends), (other, zero) = bars(axes_of(figure))
    assert [y for _, y in shares] == [5 / 8, 1.0]
    assert [x for x, _ in shares] == pytest.approx([0.8, 0.95], abs=0.02)
    assert [y for _, y in other] == [0.0]
    for (low, high), (held, total) in zip([*ends, *zero], [(5, 8), (4, 4), (0, 5)], strict=True):
        expected = binomtest(held, total).proportion_ci(0.9, method="wilson")
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-4)
    assert "Coverage of subsample intervals, 2 tasks together" in caption
    figure, _ = draw("calibration", [*rows, *some("a", [True], "one", 0.8, "jackknife")])
    assert names_of(figure) == ["a, subsample", "b, subsample", "a, jackknife"]


def test_pareto_shows_cost_and_error_and_the_front() -> None:
    rows = [
        *seeds("quick", [0.5, 0.5], cpu_s=0.001), *seeds("slow", [0.9, 0.9], cpu_s=10.0),
        *seeds("worse", [0.4, 0.4], cpu_s=1.0), row("slow", seed=2, estimate=0.9, cpu_s=30.0),
    ]  # fmt: skip
    figure, caption = draw("pareto", rows)
    axes = axes_of(figure)
    lines = {str(line.get_label()): points(line) for line in axes.lines}
    assert lines["quick"] == [pytest.approx((0.001, 0.5))]
    assert lines["slow"] == [pytest.approx((10.0, 0.1))]
    assert lines["worse"] == [pytest.approx((1.0, 0.6))]
    edge = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    assert points(edge) == [pytest.approx((0.001, 0.5)), pytest.approx((10.0, 0.1))]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "RMSE against the CPU time of a trial" in caption


def test_front_is_what_nothing_beats() -> None:
    some = np.random.default_rng(0).integers(0, 12, (60, 2)).astype(float)
    best = {tuple(p) for p in some if not any((q <= p).all() and (q < p).any() for q in some)}
    found = pareto.front(some)
    assert {tuple(p) for p in found} == best
    assert len(found) == len(best)
    assert (np.diff(found[:, 0]) > 0).all()


def test_estimates_beside_the_truth_and_the_oracle() -> None:
    rows = [*seeds("a", [0.6, 0.8], oracle=1.2), *seeds("b", [None, None]), *seeds("wild", [50.0, 70.0])]
    figure, _ = draw("estimates", rows)
    axes = axes_of(figure)
    ((means, spreads),) = bars(axes)
    assert means == [pytest.approx((0.7, 0))]
    assert spreads == [pytest.approx([0.7 - 0.02**0.5, 0.7 + 0.02**0.5])]
    assert [text.get_text() for text in axes.texts] == ["does not run here", "60 ▶"]
    band = next(patch for patch in axes.patches if isinstance(patch, Rectangle))
    assert (band.get_x(), band.get_width()) == pytest.approx((0.95, 0.1))  # the oracle of wild, the least
    assert any(points(line)[0][0] == 1.0 == points(line)[-1][0] for line in axes.lines)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "wild"]


def test_estimates_have_room_for_their_bars() -> None:
    figure, _ = draw("estimates", [*seeds("low", [-0.9, 0.1]), *seeds("high", [1.2, 2.2])])
    left, right = axes_of(figure).get_xlim()
    assert left <= -0.4 - 0.5**0.5
    assert right >= 1.7 + 0.5**0.5


def test_learning_shows_the_curves_of_every_seed() -> None:
    curves = [
        {"training_curve": [[0, s], [50, 1.0 + s]], "validation_curve": [[0, 0.0], [50, 0.5 + s]]} for s in (0.0, 0.25)
    ]
    rows = [row("a", seed=seed, diagnostics=curve) for seed, curve in enumerate(curves)]
    figure, caption = draw("learning", [*rows, row("without")])
    (axes,) = figure.get_axes()
    drawn = [points(line) for line in axes.lines]
    assert drawn[:4] == [
        [(0, 0.0), (50, 1.0)], [(0, 0.0), (50, 0.5)], [(0, 0.25), (50, 1.25)], [(0, 0.0), (50, 0.75)],
    ]  # fmt: skip
    assert {y for _, y in drawn[4]} == {1.0}
    assert names_of(figure) == ["training", "validation", "truth"]
    assert "curves of a; n = 100" in caption
    assert "seeds 0, 1" in caption


# ---------------------------------------------------------------------------------------------------------------------
# Names, looks


def test_labels_tell_parameters_versions_and_stale_rows_apart() -> None:
    rows = [
        *seeds("a", [1.0, 1.1], params={"k": 3, "m": 1}), *seeds("a", [1.0, 1.1], params={"k": 5, "m": 1}),
        *seeds("b", [1.0, 1.1]), *seeds("b", [1.0, 1.1], estimator_version="2"),
        *seeds("c", [1.0, 1.1], stale=True), *seeds("c", [1.0, 1.2]),
    ]  # fmt: skip
    figure, caption = draw("pareto", rows)
    assert names_of(figure) == ["a[k=3]", "a[k=5]", "b v1", "b v2", "c†", "c"]
    assert caption.endswith("†: rows made by other code.")


def test_an_interval_asked_for_is_no_second_estimator() -> None:
    plain = seeds("a", [0.5, 0.7, 0.9])
    asked = seeds("a", [0.5, 0.7], interval="subsample", level=0.9, low=0.0, high=1.0)
    figure, caption = draw("bias-variance", [*asked, *plain])
    assert names_of(figure) == ["a", "oracle"]
    assert "3 seeds" in caption


def test_estimators_look_different_in_colour_and_in_grey() -> None:
    looks = [figures.look(place) for place in range(60)]
    assert len({(one["color"], one["marker"], str(one["linestyle"])) for one in looks}) == 60
    for one, other in itertools.combinations(looks[:5], 2):
        assert one["color"] != other["color"]
        assert one["marker"] != other["marker"]
        assert one["linestyle"] != other["linestyle"]
    assert {to_hex(colour).upper() for colour in figures.COLOURS} == {
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
    }  # fmt: skip


def drawn_texts(figure: Figure) -> list[mpl.text.Text]:
    """Texts that are on the page: of the ticks, those within the view."""
    ticks, hidden = set(), set()
    for axes in figure.get_axes():
        for axis, place in ((axes.xaxis, 0), (axes.yaxis, 1)):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                ticks |= {tick.label1, tick.label2}
                slack = 1e-9 * (high - low)
                if not low - slack <= tick.label1.get_position()[place] <= high + slack:
                    hidden |= {tick.label1, tick.label2}
        if not axes.axison:
            hidden |= {*axes.get_xticklabels(which="both"), *axes.get_yticklabels(which="both")}
    texts: list[Any] = figure.findobj(mpl.text.Text)
    return [text for text in texts if text.get_text() and text.get_visible() and text not in hidden]


def example_rows() -> list[Row]:
    """Rows from which every kind can be drawn: long names, failures, intervals, curves, two n, two MI."""
    names = ("binning-quantile", "gaussian-copula", "kl", "ksg", "with-a-rather-long-name")
    rng = np.random.default_rng(0)
    curve = {"training_curve": [[0, 0.0], [100, 1.0]], "validation_curve": [[0, 0.0], [100, 0.8]]}
    rows = []
    for (place, name), task, n, seed in itertools.product(
        enumerate(names), ("staircase-2", "staircase-10", "half-cube[base=gaussian-sparse]"), (100, 10_000), range(3)
    ):
        truth = {"staircase-2": 2.0, "staircase-10": 10.0}.get(task, 1.0)
        estimate = None if place == 3 and n == 100 and seed == 0 else truth - 0.1 * place + rng.normal() / n**0.5
        more = (
            {"low": estimate - 0.1, "high": estimate + 0.1, "level": 0.9, "interval": "subsample"} if estimate else {}
        )
        known = {"truth": truth, "oracle": truth + rng.normal() / n**0.5, "truth_se": 0.0} if estimate else {}
        rows.append(
            row(
                name,
                task,
                estimate,
                n=n,
                seed=seed,
                cpu_s=10.0**-place * n,
                diagnostics=curve if place == 2 else {},
                **more,
                **known,
            )
        )
    return rows


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "samples"])
def test_no_text_is_cut_off_or_covers_another(kind: str, width: str) -> None:
    figure, _ = draw(kind, example_rows(), WIDTHS[width])
    assert figure.get_figwidth() == WIDTHS[width]
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn_texts(figure)]
    page = figure.bbox.padded(1.0)
    for name, box in boxes:
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, f"{name!r} leaves the page"
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, f"{name!r} leaves the page"
    pairs = itertools.combinations([(name, box.padded(-0.5)) for name, box in boxes], 2)
    assert [(one, other) for (one, a), (other, b) in pairs if a.overlaps(b)] == []


# ---------------------------------------------------------------------------------------------------------------------
# Files and the command line


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(to_csv(example_rows()), encoding="utf-8")
    return path


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "samples"])
def test_pdf_embeds_truetype_fonts_only(kind: str, rows_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    assert main(["plot", kind, "--rows", str(rows_file), "--out", str(path), "--keep-stale"]) == 0
    content = path.read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", content)
    assert box is not None
    assert float(box[1]) == pytest.approx(SINGLE * 72)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_same_rows_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    """In another process, and from rows that were written in another order."""
    rows, paths = example_rows(), []
    for number, order in enumerate((rows, rows[::-1])):
        source, path = tmp_path / f"{number}.csv", tmp_path / f"{number}{suffix}"
        source.write_text(to_csv(order), encoding="utf-8")
        command = ["plot", "heatmap", "--rows", str(source), "--out", str(path), "--keep-stale"]
        settings = dict(mpl.rcParams)
        if number:
            subprocess.run([sys.executable, "-m", "mibench", *command], check=True, capture_output=True)
        else:
            assert main(command) == 0
            assert dict(mpl.rcParams) == settings
        paths.append(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("kind", ["staircase", "bias-variance", "heatmap"])
def test_a_figure_drawn_again_has_the_same_bytes(kind: str, tmp_path: Path) -> None:
    """The layout's solver goes by addresses in memory, which differ even within a process."""
    path, found = tmp_path / "a.svg", set()
    for _ in range(3):
        figures.save(drawing.draw(kind, example_rows(), SINGLE).figure, path)
        found.add(path.read_bytes())
    assert len(found) == 1


def test_plot_prints_the_file_and_the_caption(
    rows_file: Path, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", "pareto", "--rows", str(rows_file), "--n", "10000", "--width", "double", "--keep-stale"]) == 0
    said = capsys.readouterr()
    path, caption = said.out.splitlines()
    assert path == "pareto.pdf"
    assert "n = 10000; dimensions 2 × 2; 3 seeds" in caption
    assert caption.endswith((f"mibench {mibench.__version__}.", "†: rows made by other code."))
    assert (empty_folder / "pareto.pdf").read_bytes().startswith(b"%PDF")


def test_samples_draws_one_distribution(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.png"
    assert main(["plot", "samples", "--distribution", "additive-uniform", "--width", "double", "--out", str(path)]) == 0
    assert "Points of additive-uniform, 1 × 1" in capsys.readouterr().out
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("heatmp", "unknown 'heatmp' (nearest: heatmap); accepted: heatmap, bias-variance, scaling"),
        ("", "argument kind is missing"),
        ("heatmap --out a.jpg", "a.jpg is no picture that can be written; give a file that ends in .png, .pdf or .svg"),
        ("heatmap --out no/a.png", "no/a.png cannot be written"),
        ("heatmap --width triple", "--width: unknown 'triple'"),
        ("heatmap --against n", "--against is for scaling, not for heatmap"),
        ("pareto --solved 0.05,5%,0.1", "--solved is for heatmap, not for pareto"),
        ("heatmap --solved 5%", "--solved: '5%' is not accepted; give nats of error"),
        ("calibration --units bits", "--units bits is not for calibration"),
        ("scaling --against dims", "--against: unknown 'dims' (nearest: dim); accepted: n, dim, mi"),
        ("scaling --n 100 --against n", "two values or more of n; there is n 100"),
        ("scaling --against dim", "two values or more of dim; there is dim 2"),
        ("staircase --distribution staircase-2", "tasks that differ in their MI alone"),
        ("calibration --estimator ksg --distribution staircase-2 --seeds 1 --n 100", "no row has an interval"),
        ("learning --estimator ksg", "no trial has a training or validation curve"),
        ("bias-variance --seeds 1", "needs two seeds or more"),
        ("heatmap --estimator ksg --seeds 1 --n 100", "no cell has a bias"),
        ("heatmap --estimator kgs", "unknown estimator 'kgs' (nearest: ksg)"),
        ("heatmap --distribution staircase-3", "unknown distribution 'staircase-3'"),
        ("heatmap --n 7", "no row for --n 7"),
        ("samples", "samples draws one distribution, not 0; give --distribution NAME"),
        ("samples --distribution gausian-sparse", "unknown distribution 'gausian-sparse' (nearest: gaussian-sparse)"),
    ],
)
def test_wrong_input_is_said_in_one_line(
    arguments: str, message: str, rows_file: Path, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", *arguments.split(), "--rows", str(rows_file), "--keep-stale"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.splitlines()[-1].startswith("mibench: ")
    assert not list(empty_folder.iterdir())


def test_without_a_store_nothing_is_made(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", "heatmap"]) == 2
    assert "there is no store results/mibench.sqlite" in capsys.readouterr().err
    assert not list(empty_folder.iterdir())


def drawn_numbers(figure: Figure) -> list[float]:
    """What the lines with error bars and the plain ones show, axes by axes."""
    return [y for axes in figure.get_axes() for line in axes.lines for _, y in points(line)]


@pytest.mark.parametrize("kind", ["scaling", "staircase", "estimates", "learning", "pareto", "bias-variance"])
def test_bits_are_nats_over_log_2(kind: str) -> None:
    """The axes say so, and what stands on them in nats is 1 / log 2 times as far up in bits."""
    rows = [one for one in example_rows() if one["distribution"] == "staircase-2" or kind != "estimates"]
    words = {"against": "mi"} if kind == "scaling" else {}
    nats, _ = draw(kind, rows, WIDTHS["double"], **words)
    bits, _ = draw(kind, rows, WIDTHS["double"], units="bits", **words)
    names = [[text.get_text() for text in drawn_texts(figure)] for figure in (nats, bits)]
    assert [name.replace("(nats)", "(bits)") for name in names[0] if "nats" in name] == [
        name for name in names[1] if "bits" in name
    ]
    assert any("(bits)" in name for name in names[1])
    assert not any("nats" in name for name in names[1])
    if kind in ("scaling", "learning", "staircase"):
        assert drawn_numbers(bits) == pytest.approx([y * BITS for y in drawn_numbers(nats)])


def test_heatmap_in_bits_and_by_another_rule() -> None:
    rows = [*seeds("a", [1.2, 1.2], "one"), *seeds("a", [1.0, 1.0], "two")]
    figure, caption = draw("heatmap", rows, units="bits", rule=Solved(0.3, 0.0, 0.1))
    cells = heatmap_cells(axes_of(figure))
    assert cells[0, 0][1] == f"+{0.2 / np.log(2):.2f}"
    assert "Bias (mean − truth, bits)" in caption
    assert "bold: solved, |mean - truth| <= max(0.3 nats, 0%), sd <= 0.1 nats, no failed trial" in caption
    bold = {text.get_text() for text in axes_of(figure).texts if text.get_fontweight() == "bold"}
    assert bold == {f"+{0.2 / np.log(2):.2f}", "0.00"}
    figure, _ = draw("heatmap", rows)
    assert {text.get_text() for text in axes_of(figure).texts if text.get_fontweight() == "bold"} == {"0.00"}


def test_a_distance_has_no_unit_on_its_axes() -> None:
    rows = seeds("a", [1.5, 1.4], quantity="wasserstein")
    for units in ("nats", "bits"):
        figure, _ = draw("estimates", rows, units=units)
        assert axes_of(figure).get_xlabel() == "MI"


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"unknown figure 'heatmaps' \(nearest: heatmap\)"):
        drawing.draw("heatmaps", [row("a")], SINGLE)


def test_titles_stay_inside_the_figure() -> None:
    for inches in WIDTHS.values():
        with mpl.rc_context(figures.STYLE):
            figure, grid = figures.panels(inches, 4, 1.35, 1.6)
            for axes in grid:
                figures.set_title(axes, "contaminated[base=gaussian-sparse,scale=0.75] of a long-named-law, n = 10000")
                axes.set_ylabel("objective (nats)")
            figure.canvas.draw()
        for axes in grid:
            box = axes.title.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1
