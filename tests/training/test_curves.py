"""Learning curves as pictures: what is drawn, what is left out, and that files stay whole."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emogene.training.curves import _by_unit, draw_curve, draw_sheet, read_table

CURVE = "step,cpu_s,wall_s,loss,kl\n"


def stage(folder: Path, rows: int = 40, scores: bool = True) -> Path:
    folder.mkdir(parents=True)
    lines = [f"{10 * k},{k}.0,{k}.1,{math.exp(-k / 9)},{0.1 - k / 100}\n" for k in range(1, rows)]
    (folder / "curve.csv").write_text(CURVE + "".join(lines))
    if scores:
        lines = [f"{50 * k},1,1,{20 + k},{18 + k},{0.1 * k},{1e-3 / k}\n" for k in range(1, 6)]
        header = "step,cpu_s,wall_s,head_db,mouth_db,accuracy,mse\n"
        (folder / "scores.csv").write_text(header + "".join(lines))
    return folder


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def colours(image: np.ndarray) -> int:
    """Pixels that are no shade of grey: the lines."""
    return int((np.ptp(image, axis=2) > 60).sum())


def test_a_stage_has_a_panel_for_every_unit(tmp_path: Path) -> None:
    bare, scored = stage(tmp_path / "bare", scores=False), stage(tmp_path / "scored")
    assert draw_curve(bare) and draw_curve(scored)
    narrow, wide = picture(bare / "curve.png"), picture(scored / "curve.png")
    assert wide.shape[1] == pytest.approx(4 * narrow.shape[1], abs=4)
    assert colours(wide) > colours(narrow) > 200
    assert _by_unit(read_table(scored / "scores.csv")) == {
        "dB": ["head_db", "mouth_db"],
        "share": ["accuracy"],
        "error": ["mse"],
    }


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    assert not draw_curve(tmp_path)
    (tmp_path / "curve.csv").write_text("")
    assert not draw_curve(tmp_path)
    (tmp_path / "curve.csv").write_text(CURVE)
    assert not draw_curve(tmp_path)
    assert draw_sheet(tmp_path, ("vae",)) == ()
    assert [entry.name for entry in tmp_path.iterdir()] == ["curve.csv"]


def test_rows_being_written_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text(CURVE + "1,1,1,0.5,0.1\n2,1,1,0.4,0.2\n3,1,1")
    table = read_table(tmp_path / "curve.csv")
    assert table.steps == (1.0, 2.0)
    assert table.columns == {"loss": (0.5, 0.4), "kl": (0.1, 0.2)}
    assert draw_curve(tmp_path)


def test_the_sheet_shows_every_stage_there_is(tmp_path: Path) -> None:
    stage(tmp_path / "hubert", scores=False)
    draw_sheet(tmp_path, ("hubert", "vae", "head"))
    one = picture(tmp_path / "curves.png")
    stage(tmp_path / "head")
    assert draw_sheet(tmp_path, ("hubert", "vae", "head")) == ("hubert", "head")
    two = picture(tmp_path / "curves.png")
    assert two.shape[0] == pytest.approx(2 * one.shape[0], abs=4)
    assert colours(two) > colours(one)
