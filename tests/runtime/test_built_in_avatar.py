"""The avatar that ships: its frames, its files, and that its checkpoints give it again."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

import emogene
from emogene.contract.landmarks import LOWER_LIP_CENTRE, UPPER_LIP_CENTRE
from emogene.contract.measure import psnr
from emogene.contract.stages import AUDIO_TO_MOTION, HUBERT
from emogene.exporters.verify import verify_engine_directory
from emogene.runtime.loading import demo_directory, load_engine_directory
from emogene.runtime.profiles import OFFLINE
from emogene.runtime.speech.landmarks import UtteranceLandmarks
from emogene.runtime.speech.networks import SpeechNetworks
from tests.speech import spoken

from . import golden

LIKE_GOLDEN = 45.0
"""dB. Other processors round differently, which moves a pixel by one here and there (> 50 dB); a
wrong landmark, pose or colour is far below."""


def test_ten_golden_frames() -> None:
    kept = np.asarray(Image.open(golden.PICTURE))
    found = golden.render()
    assert found.shape == kept.shape == (golden.SIZE, golden.SIZE * golden.COUNT, 3)
    for number in range(golden.COUNT):
        columns = slice(golden.SIZE * number, golden.SIZE * (number + 1))
        likeness = psnr(found[:, columns], kept[:, columns])
        assert likeness >= LIKE_GOLDEN, f"frame {number}: {likeness:.1f} dB"


def test_every_stage_equals_the_reference() -> None:
    reports = verify_engine_directory(demo_directory())
    assert reports and all(report.passed for report in reports)


def test_its_size_is_bounded() -> None:
    package = Path(emogene.__file__).parent
    folders = (package / "runtime" / "data", package / "training" / "data")
    sizes = [p.stat().st_size for f in folders for p in f.rglob("*") if p.is_file()]
    assert sum(sizes) <= 24e6


def test_its_checkpoints_give_it_again(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("emogene-export"))
    for words in (["build-engines", "-o", "e"], ["verify", "e"]):
        done = subprocess.run(
            [program, *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    built = emogene.open(tmp_path / "e")
    with built, emogene.open() as shipped:
        assert built.manifest.checkpoint == shipped.manifest.checkpoint
        speech = spoken("Hello.", "en-us+f3")[:6400]
        pairs = zip(built.render(speech, size=96), shipped.render(speech, size=96), strict=True)
        assert all(psnr(a.image, b.image) >= LIKE_GOLDEN for a, b in pairs)


def test_emotions_change_the_picture() -> None:
    speech = spoken("We moved the boat away.", "en-gb-scotland+m3")[:16_000]
    with emogene.open() as avatar:
        neutral, *others = (
            [frame.image for frame in avatar.render(speech, emotion=name, size=96)]
            for name in ("neutral", *(n for n in emogene.EMOTIONS if n != "neutral"))
        )
    # The background and torso are the same; a face that did not change would be near infinity.
    assert all(psnr(np.stack(other), np.stack(neutral)) < 35.0 for other in others)


def test_the_mouth_moves_with_speech_and_rests_in_silence() -> None:
    loaded = load_engine_directory(None, 1)
    networks = SpeechNetworks(
        loaded.runners[HUBERT], loaded.runners[AUDIO_TO_MOTION], loaded.manifest.latent_width
    )

    def opening(samples: np.ndarray) -> np.ndarray:
        """Distance between the inner lips, head-space units, a frame."""
        points = UtteranceLandmarks(networks, samples, OFFLINE, first_latent=0, seed=0).hop(0)
        points = points.reshape(-1, 68, 3)
        gap = points[:, UPPER_LIP_CENTRE] - points[:, LOWER_LIP_CENTRE]
        return np.linalg.norm(gap, axis=1)

    with closing(loaded):
        speaking = opening(spoken("Ma ma ma ma ma ma ma.", "en-us+m2"))
        silent = opening(np.zeros(25 * 640, np.float32))
    # The vowel of "ma" opens the mouth by more than a centimetre; at rest the lips meet.
    assert speaking.max() > 0.1 and silent.max() < 0.02
    assert speaking.std() > 10 * silent.std()
