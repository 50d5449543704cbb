"""``emogene-eval`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emogene.evaluation import commands
from emogene.evaluation.commands import app
from emogene.evaluation.probes.networks import LANDMARK_FILE, PIXEL_FILE
from emogene.evaluation.probes.train import ProbeConfig, train_probes
from emogene.runtime.command_line import exit_code

from .conftest import LITTLE
from .test_avatar import ASKED_FOR
from .test_video import picture, write


@pytest.fixture
def little(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little material of a coarse head, from the cache that all tests share."""
    monkeypatch.setattr(commands, "_material", lambda frames, size, minutes: LITTLE)
    monkeypatch.setenv("EMOGENE_CACHE", str(cache.parent))


def test_json_is_one_object_with_what_was_asked_for(
    tiny_engines: Path, little: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(app, ["--json", "--engine-dir", str(tiny_engines), "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert set(ASKED_FOR) <= set(found)
    assert "rendering" in err  # what it does is said elsewhere


def test_tables_writes_three_files_and_the_page(
    tiny_engines: Path, little: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- figures: begin -->\n<!-- figures: end -->\n")
    arguments = ["tables", "-o", str(tmp_path / "out"), "--page", str(page)]
    assert exit_code(app, [*arguments, "--engine-dir", str(tiny_engines), "--threads", "1"]) == 0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"tables.md", "figures.json", "contact_sheet.jpg"}
    assert "Table III" in page.read_text()


def test_a_video_beside_the_true_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    true = write(tmp_path / "true.mp4", [picture(k) for k in range(6)])
    other = write(tmp_path / "other.mp4", [picture(k, 10) for k in range(6)])
    arguments = ["--video", str(other), "--reference", str(true), "--emotion", "sad"]
    assert exit_code(app, [*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 27 < found["psnr"] < 30 and found["frames"] == 6
    assert exit_code(app, arguments) == 0
    out = capsys.readouterr().out
    assert "psnr" in out and "left out: fid: needs an Inception" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--video", "v.mp4"], "--reference: expected the true video beside --video"),
        (["--reference", "r.mp4"], "--reference: expected --video beside it"),
        (["--emotion", "sad"], "--emotion: expected --video beside it"),
        (["--video", "v.mp4", "--reference", "r.mp4"], "v.mp4: expected a video file"),
        (["--video", "v.mp4", "--reference", "r.mp4", "--emotion", "glad"], "one of angry"),
        (["--engine-dir", "nowhere"], "nowhere"),
        (["--frames", "1"], "--frames: expected at least 6"),
        (["--size", "2"], "--size: expected at least 16"),
        (["--minutes", "0"], "--minutes: expected more than 0"),
        (["tables", "-o", "t", "--method", "Wav2Lip=a.mp4"], "expected NAME=VIDEO:REFERENCE"),
        (["tables"], "--output"),
        (["--size", "64", "tables", "-o", "t"], "--size: expected options after the command's"),
        (["probes", "--work", "nowhere"], "nowhere/sync/network"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(app, arguments) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
    assert said in line


def test_probes_learn_and_are_written_whole(material, tmp_path: Path) -> None:
    little = ProbeConfig(pictures=24, size=32, faces=2400, epochs=2, landmark_steps=150)
    report = train_probes(material.rig, little, tmp_path, lambda said: None)
    assert report["landmarks"] > 0.9  # of eight emotions
    sizes = [(tmp_path / name).stat().st_size for name in (LANDMARK_FILE, PIXEL_FILE)]
    assert sum(sizes) < 1_000_000
