"""Choices in training a head: each is another, and the renderer takes all of them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from benchmarks.head_training import ChoiceRow, choices, markdown
from benchmarks.timing import Timing

from emogene.kernels.fused import unsupported


def test_every_choice_differs_from_the_shipped_one_and_can_be_rendered() -> None:
    shipped, *others = choices()
    assert len({choice.folder for choice in (shipped, *others)}) == len(others) + 1
    for choice in others:
        assert choice.config != shipped.config, choice.name
        assert not unsupported(choice.config.network.field), choice.name


def test_other_tables_keep_everything_but_their_length() -> None:
    shipped, *others = choices()
    quarter = next(c for c in others if c.name == "tables quarter").config.network.field
    for grid, before in zip(quarter.surface, shipped.config.network.field.surface, strict=True):
        assert [level.scale for level in grid.levels] == [level.scale for level in before.levels]
        assert max(x.size for x in grid.levels) * 4 == max(x.size for x in before.levels)


def test_the_table_says_what_was_measured() -> None:
    row = ChoiceRow(
        "soft", "no losses", 32.4, 23.0, 3468, 0.0462, 4.34, Timing(11.8, 12.0, 13.0, 9)
    )
    assert markdown([row]).splitlines()[-1] == (
        "| soft: no losses | 11.8 | 4.34 | 32.4 | 23.0 | 4.6 % | 3,468 |"
    )
