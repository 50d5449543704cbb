"""The same frames once more, from the log."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene import Frame
from emogene.contract.emotions import EMOTIONS
from emogene.contract.errors import BadInput, BadOutput, EmoGeneError
from emogene.runtime.live.driver import LiveDriver
from emogene.runtime.live.log import EVENTS, SAMPLES
from emogene.runtime.live.options import PERIOD, LiveOptions
from emogene.runtime.live.replay import replay
from tests.lawbook import assert_same_frames

from .conftest import MakeStage, OpenSession, Stage


def all_taken(here: Stage, frames: list[Frame]) -> None:
    while (frame := here.driver.pull(0)) is not None:
        frames.append(frame)


def spoken_into(
    here: Stage, speech: NDArray[np.float32], seed: int, ticks: int = 60
) -> list[Frame]:
    """Say and do things by chance; all frames that were made but the last."""
    chance, place, frames = np.random.default_rng(seed), 0, []
    for _ in range(ticks):
        for _ in range(chance.integers(0, 4)):
            what = chance.choice(
                ["push", "bytes", "emotion", "flush", "interrupt"], p=[0.4, 0.4, 0.1, 0.05, 0.05]
            )
            piece = speech[place : place + int(chance.integers(1, 900))]
            if what == "push":
                here.driver.push(piece)
            elif what == "bytes":
                here.driver.push(
                    (piece * 32_767).astype("<i2").tobytes()[: chance.integers(1, 900)]
                )
            elif what == "emotion":
                here.driver.set_emotion(
                    str(chance.choice(EMOTIONS)), float(chance.uniform(0, 1.5)), over=0.3
                )
            elif what == "flush":
                here.driver.flush()
            else:
                here.driver.interrupt()
            place = (place + len(piece)) % 30_000
        here.tick()
        all_taken(here, frames)
    here.clock.advance(PERIOD)
    all_taken(here, frames)
    return frames


@pytest.mark.parametrize(("seed", "rate"), [(0, 16_000), (1, 16_000), (2, 22_050)])
def test_a_session_replays_bit_for_bit(
    stage: MakeStage,
    open_session: OpenSession,
    avatar: emogene.Avatar,
    speech: NDArray[np.float32],
    tmp_path: Path,
    seed: int,
    rate: int,
) -> None:
    session = open_session(sample_rate=rate, emotion="angry", intensity=0.7, seed=seed)
    here = stage(session=session, log=tmp_path / "log")
    frames = spoken_into(here, speech, seed)
    here.driver.close()
    again = list(replay(tmp_path / "log", avatar))
    assert len(frames) >= 60 and 0 <= len(again) - len(frames) <= 2
    assert_same_frames(again[: len(frames)], frames)
    events = [json.loads(line) for line in (tmp_path / "log" / EVENTS).read_text().splitlines()]
    assert {e["kind"] for e in events[1:]} == {
        "push", "filler", "emotion", "flush", "interrupt", "end",
    }  # fmt: skip
    pushed = sum(e["count"] for e in events[1:] if e["kind"] == "push")
    assert (tmp_path / "log" / SAMPLES).stat().st_size == 4 * pushed


def test_frames_that_nobody_took_come_again_too(
    stage: MakeStage, avatar: emogene.Avatar, tmp_path: Path
) -> None:
    here = stage(LiveOptions(late="drop", queue=2), log=tmp_path / "log")
    here.driver.push(np.full(16_000, 0.1, np.float32))
    here.tick(20)
    last = here.driver.pull(0)
    here.driver.close()
    again = list(replay(tmp_path / "log", avatar))
    assert [f.index for f in again] == list(range(21)) and last is not None
    assert again[last.index].image.tobytes() == last.image.tobytes()


def test_a_log_that_was_cut_short_replays_up_to_the_cut(
    stage: MakeStage, avatar: emogene.Avatar, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    here = stage(log=log)
    frames = spoken_into(here, speech, 3, ticks=30)
    here.driver.close()
    events, samples = (log / EVENTS).read_bytes(), (log / SAMPLES).read_bytes()
    for part in (0.95, 0.5):
        (log / EVENTS).write_bytes(events[: int(len(events) * part)])
        again = list(replay(log, avatar))
        common = min(len(again), len(frames))
        assert common > 30 * part - 8
        if part == 0.95:
            assert_same_frames(again[:20], frames[:20])
    (log / EVENTS).write_bytes(events)
    (log / SAMPLES).write_bytes(samples[: len(samples) // 2])
    again = list(replay(log, avatar))
    assert 5 < len(again) <= len(frames) + 2


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        (0, "", "expected format 1, found None|line 1"),
        (0, "{}", "expected format 1, found None"),
        (0, '{"format": 2}', "expected format 1, found 2 — replay it with the version"),
        (
            0,
            '{"format": 1}',
            "line 1: expected a line of a live log, found Header: missing session",
        ),
        (3, "{", "line 4: expected a line of a live log"),
        (3, "[]", "line 4: expected a line of a live log"),
        (3, '{"kind": "run", "frame": 0, "sample": 0}', "line 4: .*kind: expected one of"),
        (3, '{"kind": "filler", "frame": 0, "sample": 1280, "count": 1e9}', "line 4: .*count"),
        (3, '{"kind": "filler", "frame": 0, "sample": 1280, "count": 99999999}', "line 4: .*count"),
        (3, '{"kind": "flush", "frame": 0, "sample": 7}', "frame 0 and sample 7 before: flush"),
        (3, '{"kind": "flush", "frame": 9, "sample": 1280}', "frame 9 and sample 1280"),
    ],
)
def test_what_is_no_log_is_refused_by_line(
    stage: MakeStage, avatar: emogene.Avatar, tmp_path: Path, line: int, text: str, expected: str
) -> None:
    here = stage(log=tmp_path / "log")
    here.driver.close()
    lines = (tmp_path / "log" / EVENTS).read_text().splitlines()
    lines[line] = text
    (tmp_path / "log" / EVENTS).write_text("\n".join(lines) + "\n")
    with pytest.raises(BadInput, match=expected) as refused:
        list(replay(tmp_path / "log", avatar))
    assert "\n" not in str(refused.value)


def test_places_that_are_refused(
    stage: MakeStage, open_session: OpenSession, avatar: emogene.Avatar, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"nowhere/events\.jsonl: expected a file of a live log"):
        replay(tmp_path / "nowhere", avatar)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(BadOutput, match="expected an empty folder for the log"):
        LiveDriver(open_session(), log=tmp_path / "full")
    with pytest.raises(BadOutput, match="its folder does not exist"):
        LiveDriver(open_session(), log=tmp_path / "nowhere" / "log")


def test_the_log_of_another_avatar_is_refused(
    stage: MakeStage, avatar: emogene.Avatar, tmp_path: Path
) -> None:
    here = stage(log=tmp_path / "log")
    here.driver.close()
    path = tmp_path / "log" / EVENTS
    path.write_text(path.read_text().replace(avatar.manifest.digest, "0" * 64))
    with pytest.raises(EmoGeneError, match="found one of another"):
        replay(tmp_path / "log", avatar)
