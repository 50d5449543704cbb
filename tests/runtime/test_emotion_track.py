"""Emotions over the time of a recording: what is read, what is refused, and what is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene import EmotionPoint, EmotionTrack
from emogene.contract.errors import BadInput, BadOption
from emogene.runtime.emotion_cues import EmotionCues
from tests.lawbook import assert_same_frames


def test_a_name_holds_from_the_start() -> None:
    track = EmotionTrack.of("happy")
    assert track.points == (EmotionPoint(0.0, "happy"),)
    assert track.opening.emotion == "happy" and track.changes == ()
    assert EmotionTrack.of(track) is track


def test_words_on_the_command_line() -> None:
    track = EmotionTrack.of("0:neutral, 2.5:happy@0.8,3:sad")
    assert track.points == (
        EmotionPoint(0.0, "neutral"),
        EmotionPoint(2.5, "happy", 0.8),
        EmotionPoint(3.0, "sad"),
    )
    assert track.emotions == ("neutral", "happy", "sad")
    assert [point.sample() for point in track.changes] == [40_000, 48_000]


def test_before_the_first_change_the_avatar_is_neutral() -> None:
    track = EmotionTrack.of("1:happy")
    assert track.opening == EmotionPoint(0.0, "neutral") and len(track.changes) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("hapy", "did you mean 'happy'"),
        ("0:happy,", "emotion, entry 2: expected SECONDS:NAME or SECONDS:NAME@INTENSITY, found ''"),
        ("0:happy,sad", "emotion, entry 2: expected SECONDS:NAME"),
        ("0:happy,1:sat", "emotion, entry 2: emotion: expected one of angry"),
        ("x:happy", "emotion, entry 1: time: expected a number, found 'x'"),
        ("-1:happy", "emotion, entry 1: time: expected seconds, 0 or more, found -1"),
        ("nan:happy", "emotion, entry 1: time: expected seconds"),
        ("inf:happy", "emotion, entry 1: time: expected seconds"),
        ("0:happy@2", "emotion, entry 1: intensity: expected a number from 0 to 1.5, found 2"),
        ("0:happy@", "emotion, entry 1: intensity: expected a number, found ''"),
        ("2:happy,1:sad", "entry 2, time: expected more than 2 s, the entry before, found 1 s"),
        ("1:happy,1:sad", "entry 2, time: expected more than 1 s"),
    ],
)
def test_words_that_are_refused(words: str, expected: str) -> None:
    with pytest.raises(BadOption) as refused:
        EmotionTrack.of(words)
    assert expected in str(refused.value)


TRACK = EmotionTrack(
    (EmotionPoint(0.0, "sad", 0.5), EmotionPoint(1.25, "happy", None, 2.0), EmotionPoint(4, "fear"))
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "track.json",
            '[{"time": 0, "emotion": "sad", "intensity": 0.5},'
            '{"time": 1.25, "emotion": "happy", "fade": 2}, {"time": 4, "emotion": "fear"}]',
        ),
        ("track.csv", "time,emotion,intensity,fade\n0,sad,0.5,\n1.25,happy,,2\n4,fear,,\n"),
        (
            "TRACK.CSV",
            "\ufeffemotion, time, fade, intensity\r\nsad,0,,.5\r\nhappy,1.25,2,\r\nfear,4,,",
        ),
    ],
)
def test_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert EmotionTrack.load(tmp_path / name) == TRACK


def test_columns_that_are_not_needed_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("time,emotion\n0,sad\n")
    assert EmotionTrack.load(tmp_path / "t.csv").points == (EmotionPoint(0.0, "sad"),)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("t.csv", "", "t.csv: line 1: expected the columns time, emotion, intensity, fade"),
        ("t.csv", "time,mood\n0,sad\n", "found time, mood"),
        ("t.csv", "time,emotion,time\n0,sad,1\n", "found time, emotion, time"),
        ("t.csv", "time,emotion\n", "t.csv: emotion track: expected 1 … 10000 changes, found 0"),
        ("t.csv", "time,emotion\n0,sad\n1,happy,3\n", "t.csv: line 3: expected 2 values"),
        ("t.csv", "time,emotion\n0\n", "t.csv: line 2: expected 2 values"),
        ("t.csv", "time,emotion\n0,sad\nsoon,happy\n", "t.csv: line 3: time: expected a number"),
        ("t.csv", "time,emotion\n0,sat\n", "t.csv: line 2: emotion: expected one of angry"),
        ("t.csv", "time,emotion\n1,sad\n0,sad\n", "t.csv: entry 2, time: expected more than 1 s"),
        ("t.csv", 'time,emotion\n0,"sad', "t.csv: unexpected end of data"),
        ("t.json", "", "t.json: Expecting value: line 1 column 1"),
        ("t.json", "[" * 100_000, "t.json: "),
        ("t.json", "{}", "t.json: emotion track: expected a list of changes, found dict"),
        ("t.json", "[1]", "t.json: entry 1: expected an object, found 1"),
        ("t.json", '[{"time": 0}]', "t.json: entry 1: missing emotion"),
        ("t.json", '[{"time": 0, "emotion": "sad", "x": 1}]', "t.json: entry 1: unknown x"),
        ("t.json", '[{"time": "0", "emotion": "sad"}]', "t.json: entry 1.time: expected float"),
        ("t.json", '[{"time": 1e999, "emotion": "sad"}]', "t.json: entry 1.time: expected float"),
        (
            "t.json",
            '[{"time": 0, "emotion": "sad", "fade": -1}]',
            "entry 1: fade",
        ),
        ("t.txt", "0:happy", "t.txt: expected an emotion track ending in .json or .csv"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput) as refused:
        EmotionTrack.load(tmp_path / name)
    assert expected in str(refused.value) and "\n" not in str(refused.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.csv: expected an emotion track, found No such"):
        EmotionTrack.load(tmp_path / "nowhere.csv")
    (tmp_path / "b.csv").write_bytes(b"time,emotion\n0,\xff\n")
    with pytest.raises(BadInput, match="found no UTF-8 text"):
        EmotionTrack.load(tmp_path / "b.csv")
    (tmp_path / "big.json").write_bytes(b" " * (5 << 20))
    with pytest.raises(BadInput, match="expected at most 4 MiB"):
        EmotionTrack.load(tmp_path / "big.json")


class _Noted:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def push(self, samples: NDArray[np.float32]) -> None:
        self.calls.append(len(samples))

    def set_emotion(
        self, emotion: str, intensity: float | None = None, over: float | None = None
    ) -> None:
        self.calls.append((emotion, intensity, over))


def test_changes_are_set_between_the_samples_they_stand_between() -> None:
    noted = _Noted()
    cues = EmotionCues(noted, EmotionTrack.of("0:sad,1:happy@0.8,2:fear,3:angry"), 0.5)
    for length in (10_000, 6_000, 30_000):
        cues.push(np.zeros(length, np.float32))
    happy, fear = ("happy", 0.8, None), ("fear", 0.5, None)
    assert noted.calls == [10_000, 6_000, happy, 16_000, fear, 14_000]
    assert [point.emotion for point in cues.waiting] == ["angry"]


def test_rendered_emotions_follow_the_track(
    avatar: emogene.Avatar, speech: NDArray[np.float32]
) -> None:
    words = "0:sad,0.5:happy@0.8,1:neutral"
    frames = list(avatar.render(speech[:24_000], words, seed=3, size=16))
    assert [f.emotion for f in frames] == ["sad"] * 13 + ["happy"] * 12 + ["neutral"] * 13
    cut = (speech[:24_000][k : k + 777] for k in range(0, 24_000, 777))
    assert_same_frames(list(avatar.render(cut, EmotionTrack.of(words), seed=3, size=16)), frames)
    plain = list(avatar.render(speech[:24_000], "sad", seed=3, size=16))
    assert (plain[8].image == frames[8].image).all()  # its window does not reach the change
    assert (plain[20].image != frames[20].image).any()


def test_a_fade_takes_the_time_the_track_says(
    avatar: emogene.Avatar, speech: NDArray[np.float32]
) -> None:
    def pictures(fade: float | None) -> list[NDArray[np.uint8]]:
        track = EmotionTrack((EmotionPoint(0.0, "sad"), EmotionPoint(0.4, "happy", fade=fade)))
        return [f.image for f in avatar.render(speech[:32_000], track, size=16)]

    slow, quick = pictures(1.0), pictures(0.0)
    differ = [k for k in range(50) if (slow[k] != quick[k]).any()]
    assert differ and min(differ) >= 8 and max(differ) <= 38  # the condition's window reaches on
