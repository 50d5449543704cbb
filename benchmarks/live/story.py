"""A live session as it happened: what it was told, and every frame as it was shown."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

import emogene
from emogene.contract.data import Float32, Frame
from emogene.contract.landmarks import LOWER_LIP_CENTRE, UPPER_LIP_CENTRE
from emogene.contract.units import FRAMES_PER_SECOND, SAMPLE_RATE
from emogene.runtime.audio.load import load
from emogene.runtime.loading import load_engine_directory
from emogene.runtime.poses.rotation import angle_between
from emogene.training.demo.head.camera import project

from ..recorded import WatchedAvatar

CHUNK = SAMPLE_RATE // 50
"""Samples a push: a microphone's 20 ms."""

SPEAKS, SMILES, INTERRUPTED, ENDS = 1.2, 2.4, 3.8, 6.0
"""Seconds after the start at which the sample begins, the emotion changes, the speaker is
interrupted, and nothing more is pushed."""

EMOTION, FADE = "happy", 0.8
"""What it changes to, and within how many seconds."""


@dataclass(frozen=True)
class Story:
    """Frames of one session on a clock.

    Attributes:
        frames: all that were shown.
        shown: (F,) seconds at which each was taken, since the driver began.
        turned: (F,) degrees the head turned since the frame before; 0 for the first.
        opened: (F,) pixels at 512² between the inner lips.
        told: seconds at which the speech began, the emotion was changed, and it was interrupted.
    """

    frames: list[Frame]
    shown: NDArray[np.float64]
    turned: NDArray[np.float64]
    opened: NDArray[np.float64]
    told: dict[str, float]

    @property
    def answers(self) -> dict[str, tuple[int, float]]:
        """For all it was told, the first frame that shows it, and milliseconds until then."""
        sounding = [bool(frame.audio.any()) for frame in self.frames]
        after = [at > self.told["interrupt"] for at in self.shown]
        firsts = {
            "speech": sounding.index(True),
            "emotion": [frame.emotion == EMOTION for frame in self.frames].index(True),
            "interrupt": [
                late and not loud for late, loud in zip(after, sounding, strict=True)
            ].index(True),
        }
        return {
            name: (frame, 1e3 * (self.shown[frame] - self.told[name]))
            for name, frame in firsts.items()
        }


def tell(size: int, threads: int) -> Story:
    """Run the story on the built-in avatar, in real time."""
    with WatchedAvatar(load_engine_directory(None, threads), threads) as avatar:
        session = avatar.session(profile="live", size=size)
        watched = avatar.watched
        assert watched is not None
        # The first frames of a process start its kernels' threads.
        with avatar.session(profile="live", size=size) as other:
            other.push(np.zeros(SAMPLE_RATE, np.float32))
            list(other)
        frames, shown = [], []
        told: dict[str, float] = {}
        with emogene.LiveDriver(session) as driver:
            began = time.monotonic()
            speaker = threading.Thread(target=_speak, args=(driver, began, told))
            speaker.start()
            for frame in driver:
                frames.append(frame)
                shown.append(time.monotonic() - began)
            speaker.join()
        moments = watched.moments
        camera = avatar.manifest.camera.scaled(512)
    poses = [moment.pose.astype(np.float64) for moment in moments]
    turns = [angle_between(b[:, :3], a[:, :3]) for a, b in itertools.pairwise(poses)]
    faces = np.concatenate([moment.condition.landmarks for moment in moments])
    lips = project(faces[:, [UPPER_LIP_CENTRE, LOWER_LIP_CENTRE]], moments[0].pose, camera)[..., :2]
    opened = np.linalg.norm(lips[:, 0] - lips[:, 1], axis=-1)
    return Story(frames, np.array(shown), np.degrees([0.0, *turns]), opened.astype(float), told)


def _speak(driver: emogene.LiveDriver, began: float, told: dict[str, float]) -> None:
    """A microphone: 20 ms of sound every 20 ms, with the sample in its middle."""
    sample = load(str(files("emogene.runtime") / "data" / "sample.wav"))
    said = np.resize(sample, round((INTERRUPTED - SPEAKS) * SAMPLE_RATE))
    for number in range(round(ENDS * SAMPLE_RATE / CHUNK)):
        moment = number * CHUNK / SAMPLE_RATE
        time.sleep(max(0.0, began + moment - time.monotonic()))
        if moment >= SMILES and "emotion" not in told:
            told["emotion"] = time.monotonic() - began
            driver.set_emotion(EMOTION, over=FADE)
        if moment >= INTERRUPTED and "interrupt" not in told:
            told["interrupt"] = time.monotonic() - began
            driver.interrupt()
        first = number * CHUNK - round(SPEAKS * SAMPLE_RATE)
        piece: Float32 = said[first : first + CHUNK] if 0 <= first < len(said) else said[:0]
        if len(piece) and "speech" not in told:
            told["speech"] = time.monotonic() - began
        driver.push(np.pad(piece, (0, CHUNK - len(piece))))
    driver.end_input()


def chosen(story: Story, count: int) -> list[int]:
    """At most ``count`` frames that tell it: most of them around what it was told."""
    answers = {name: frame for name, (frame, _) in story.answers.items()}
    fade, last = round(FADE * FRAMES_PER_SECOND), len(story.frames) - 1
    by_weight = [
        last,
        *(answers["interrupt"] + k for k in (-1, 0, 1, 3, 6, 20)),
        *(answers["emotion"] + k * fade // 4 for k in (-1, 1, 2, 3, 5)),
        *(answers["speech"] + k for k in (-12, -1, 5, 12, 20)),
    ]
    there = dict.fromkeys(min(max(0, frame), last) for frame in by_weight)
    return sorted(list(there)[:count])
