"""The words that every part shares: shapes, and what a sample and a context say of one."""

from __future__ import annotations

import numpy as np
import pytest

from mibench.interface import Context, Kinds, Sample, Shape, are_discrete, kinds_of

C, D = kinds_of(1), kinds_of(1, discrete=True)


@pytest.mark.parametrize(
    ("x", "y", "z", "kind"),
    [
        (C, C, (), "continuous"),
        (C * 2, C, C, "continuous"),
        (D, D * 3, (), "discrete"),
        (C, D, (), "mixed"),
        (C + D, C, (), "mixed"),
        (C, C, D, "mixed"),
    ],
)
def test_the_kind_is_that_of_all_columns(x: Kinds, y: Kinds, z: Kinds, kind: str) -> None:
    shape = Shape(7, x, y, z)
    assert shape.kind == kind
    assert (shape.n, shape.dim_x, shape.dim_y, shape.dim_z) == (7, len(x), len(y), len(z))


def test_shapes_change_into_each_other() -> None:
    shape = Shape(7, C + D, C, D)
    assert shape.swapped() == Shape(7, C, C + D, D)
    assert shape.with_points(3) == Shape(3, C + D, C, D)
    assert Shape.continuous(7, 2, 1) == Shape(7, C * 2, C)
    assert are_discrete(shape.x).tolist() == [False, True]
    assert are_discrete(()).dtype == bool


def test_columns_are_continuous_unless_something_else_is_declared() -> None:
    x, y, declared = np.zeros((7, 2)), np.zeros((7, 1)), Shape(7, C + D, D)
    assert Sample(x, y).shape == Context().shape_of(x, y) == Shape.continuous(7, 2, 1)
    assert Sample(x, y, declared=declared).shape == Context(shape=declared).shape_of(x, y) == declared
