"""A video to prepare, and what a good detector finds in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emogene.contract.units import SAMPLES_PER_FRAME
from emogene.runtime.command_line import exit_code
from emogene.training.commands import app
from tests.speech import spoken

from .recordings import HEIGHT, WIDTH, projected, speaking, turning

FRAMES = 100
WORDS = ("The boat was there.", "She had your dark suit.", "Do not ask me to carry it.")


def voice(text: str, frames: int) -> np.ndarray:
    said = spoken(text)[: frames * SAMPLES_PER_FRAME]
    return np.pad(said, (0, frames * SAMPLES_PER_FRAME - len(said)))


def seen(frames: int, seed: int) -> np.ndarray:
    """(F, 68, 2) what a good detector finds of a face in a blank recording."""
    points = projected(speaking(frames, seed), turning(frames, seed))
    return points + np.random.default_rng(seed).normal(0, 0.1, points.shape).astype(np.float32)


def person(frames: int) -> list[np.ndarray]:
    """Masks: a disc for the head above a block for the shoulders."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    shown = (np.hypot(row - 58, column - WIDTH / 2) < 28) | ((row > 88) & (abs(column - 80) < 40))
    return [np.repeat(np.where(shown, 255, 0).astype(np.uint8)[..., None], 3, 2)] * frames


@dataclass(frozen=True)
class Videos:
    """A folder with ``me.mp4``, ``mask.mp4`` and ``landmarks.npz``."""

    folder: Path
    hubert: Path

    def prepare(self, *arguments: str, source: str = "me.mp4", data: str = "data") -> int:
        """The exit code of ``prepare video`` with the landmarks and masks there."""
        words = ["prepare", "video", str(self.folder / source), "-o", str(self.folder / data)]
        brought = ["--landmarks", str(self.folder / "landmarks.npz")]
        masks = ["--masks", str(self.folder / "mask.mp4"), "--size", "64"]
        hubert = ["--hubert", str(self.hubert)]
        return exit_code(app, [*words, *brought, *masks, *hubert, *arguments])

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def report(self) -> dict:
        return json.loads((self.data / "report.json").read_text())
