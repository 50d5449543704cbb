"""A small run of the live measurement: what it holds, and its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.live.__main__ import app
from benchmarks.live.windows import measure_windows, tried
from benchmarks.report import tables, told
from typer.testing import CliRunner

from emogene.contract import stages
from emogene.contract.weights import POSES
from emogene.runtime.loading import load_engine_directory
from emogene.runtime.profiles import LIVE
from emogene.runtime.speech.networks import SpeechNetworks
from tests.speech import spoken


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, tiny_engines: Path) -> dict[str, Any]:
    made = tmp_path_factory.mktemp("live") / "result.json"
    options = ["--engine-dir", tiny_engines, "-o", made, "--size", 16, "--minutes", 0.02]
    options += ["--count", 2]
    done = CliRunner().invoke(app, [str(option) for option in options])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(made.read_text())


def test_what_it_holds(result: dict[str, Any]) -> None:
    (chosen,) = (row for row in result["windows"] if row["chosen"])
    assert (chosen["left"], chosen["hop"], chosen["lookahead"]) == (LIVE.left, 4, 4)
    # By hand: 100 ms of hop on average, 4 frames of look-ahead, 140 samples of pitch window.
    assert chosen["waits_ms"] == 100 + 160 + 8.75 and chosen["lookahead_ms"] == 168.75
    first = result["first_frames"]
    # The first frame of a session cannot come before its hop, its look-ahead and 8.75 ms.
    assert first["opened"]["median"] > 320 - 20 and first["onsets"]["median"] > 200 - 20
    assert result["interruption"]["silent"] == 1
    assert all(row["idle"] and row["psnr"] > 20 for row in result["pictures"])


def test_its_tables(result: dict[str, Any]) -> None:
    for table in tables(result):
        assert table.rows and all(len(row) == len(table.header) for row in table.rows), table.title
    assert f"| **{LIVE.left}** | **4** |" in told(result)


def test_more_of_the_past_and_of_the_future_bring_faces_nearer() -> None:
    loaded = load_engine_directory(None, 1)
    networks = SpeechNetworks(
        *(loaded.runners[name] for name in (stages.HUBERT, stages.AUDIO_TO_MOTION)),
        loaded.manifest.latent_width,
    )
    wanted = [p for p in tried() if p.hop == 4 and p.overlap == LIVE.overlap]
    chosen = {(p.left, p.lookahead): p for p in wanted}
    places = [(10, 4), (LIVE.left, 4), (100, 8)]
    camera = loaded.manifest.camera.scaled(512)
    rows = measure_windows(
        networks, [spoken()], loaded.weights[POSES][0], camera, [chosen[p] for p in places]
    )
    drift = np.array([row.drift_px for row in rows])
    assert (np.diff(drift) < 0).all() and (drift > 0).all()
    assert rows[1].chosen and rows[1].drift_px <= 0.5 and rows[1].mouth_px > rows[1].drift_px
    loaded.close()
