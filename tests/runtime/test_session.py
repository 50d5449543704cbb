"""Sessions: the law, many at once, misuse."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene.contract.errors import BadAudio, BadOption, SessionMisuse
from emogene.contract.units import frames_of
from emogene.runtime.profiles import LIVE, OFFLINE, Profile
from emogene.runtime.renderers import KEPT
from tests.lawbook import assert_same_frames, check_law

Samples = NDArray[np.float32]

SIZE = 16
"""Small pictures: the law is about their bits, not their beauty."""

SHORT_HOPS = replace(OFFLINE, name="short hops", hop=8, clip_seconds=1)
"""`OFFLINE` with borders so close that short audio crosses them all."""


@pytest.mark.parametrize(("profile", "examples"), [(OFFLINE, 40), (SHORT_HOPS, 40), (LIVE, 60)])
def test_the_law(avatar: emogene.Avatar, speech: Samples, profile: Profile, examples: int) -> None:
    check_law(
        lambda seed, emotion: avatar.session(emotion, seed=seed, profile=profile, size=SIZE),
        speech,
        examples=examples,
    )


def test_render_is_a_session(avatar: emogene.Avatar, speech: Samples) -> None:
    with avatar.session("sad", 0.7, seed=5, size=SIZE) as session:
        for start in range(0, len(speech), 777):
            session.push(speech[start : start + 777])
            assert session.pull() is None
        session.flush()
        assert session.ready == frames_of(len(speech))
        pulled = list(session)
    rendered = list(avatar.render(speech, "sad", 0.7, seed=5, size=SIZE))
    assert_same_frames(rendered, pulled)
    pieces = list(avatar.render(np.array_split(speech, 9), "sad", 0.7, seed=5, size=SIZE))
    assert_same_frames(pieces, pulled)


def test_frames_carry_their_sound_and_clock(avatar: emogene.Avatar, speech: Samples) -> None:
    cut = speech[:30_001]
    frames = list(avatar.render(cut, "happy", size=SIZE))
    assert len(frames) == 47 and frames[25].time == 1.0
    sound = np.concatenate([f.audio for f in frames])
    np.testing.assert_array_equal(sound[: len(cut)], cut)
    assert not sound[len(cut) :].any() and len(sound) == 47 * 640
    assert {f.emotion for f in frames} == {"happy"}
    assert all(f.image.shape == (SIZE, SIZE, 3) and f.image.dtype == np.uint8 for f in frames)
    assert all(f.samples_per_ray > 0 and f.render_seconds > 0 for f in frames)


def test_silence_is_idle_and_speech_is_not(avatar: emogene.Avatar, speech: Samples) -> None:
    idle = [f.idle for f in avatar.render(speech, size=SIZE)]
    assert idle[0] and idle[-1] and not any(idle[16:55])
    assert all(f.idle for f in avatar.render(np.zeros(9600, np.float32), size=SIZE))


def test_seed_emotion_and_intensity_matter(avatar: emogene.Avatar, speech: Samples) -> None:
    def last(emotion: str, intensity: float = 1.0, seed: int = 0) -> bytes:
        frames = avatar.render(speech[8000:14_400], emotion, intensity, seed, size=32)
        return b"".join(f.image.tobytes() for f in frames)

    plain = last("neutral")
    assert last("neutral", 1.5) == plain == last("happy", 0.0)
    different = {plain, last("happy"), last("sad"), last("happy", 0.5), last("neutral", seed=1)}
    assert len(different) == 5


@pytest.mark.parametrize("samples", [1, 639, 640, 641, 3200])
def test_very_short_speech(avatar: emogene.Avatar, speech: Samples, samples: int) -> None:
    frames = list(avatar.render(speech[9000 : 9000 + samples], size=SIZE))
    assert len(frames) == frames_of(samples)


def test_many_sessions_at_once(avatar: emogene.Avatar, speech: Samples) -> None:
    tasks = [(emotion, seed) for emotion in ("happy", "sad", "neutral") for seed in (0, 1)]
    expected = [list(avatar.render(speech[:16_000], e, seed=s, size=SIZE)) for e, s in tasks]
    found: dict[int, list[emogene.Frame]] = {}

    def work(number: int) -> None:
        emotion, seed = tasks[number]
        with avatar.session(emotion, seed=seed, size=SIZE) as session:
            for piece in np.array_split(speech[:16_000], 3 + number):
                session.push(piece)
            session.flush()
            found[number] = list(session)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, frames in enumerate(expected):
        assert_same_frames(found[number], frames)


def test_threads_do_not_change_the_frames(tiny_engines: Path, speech: Samples) -> None:
    made = []
    for threads in (1, 3):
        with emogene.open(tiny_engines, threads=threads) as avatar:
            made.append(list(avatar.render(speech[8000:24_000], "happy", size=SIZE)))
    assert_same_frames(*made)


def test_a_later_utterance_goes_on_where_the_first_ended(
    avatar: emogene.Avatar, speech: Samples
) -> None:
    with avatar.session(size=SIZE) as session:
        session.flush()  # nothing was pushed: nothing ends
        session.push(speech[:1000])
        session.flush()
        assert session.next_sample == 1280 and session.ready == 2
        session.flush()
        session.push(speech[:640])
        assert session.ready == 2
        session.flush()
        assert [f.index for f in session] == [0, 1, 2] and session.ready == 0
        assert session.pull() is None


def test_stored_audio_is_limited(avatar: emogene.Avatar, speech: Samples) -> None:
    profile = replace(OFFLINE, max_stored_seconds=1)
    with avatar.session(profile=profile, size=SIZE) as session:
        session.push(speech[:15_000])
        with pytest.raises(SessionMisuse, match=r"at most 1 s .* found 1\.2 s — flush and pull"):
            session.push(speech[:5000])
        session.push(speech[:1000])  # what was refused is not stored
        session.flush()
        with pytest.raises(SessionMisuse, match="at most 1 s"):
            session.push(speech[:640])
        assert len(list(session)) == 25
        session.push(speech[:640])
        session.flush()
        assert len(list(session)) == 1


def test_bad_pushes_store_nothing(avatar: emogene.Avatar, speech: Samples) -> None:
    with avatar.session(size=SIZE) as session:
        broken = speech[:100].copy()
        broken[7] = np.nan
        for bad in (broken, speech[:8].reshape(2, 4), [0.0, 0.1], "speech.wav", np.arange(5)):
            with pytest.raises(BadAudio):
                session.push(bad)  # type: ignore[arg-type]
        assert session.next_sample == 0
        session.push(np.zeros(0, np.float32))
        session.push((speech[:640] * 32767).astype(np.int16))
        session.push(speech[:640].astype(np.float64))
        assert session.next_sample == 1280


def test_closed_sessions_and_avatars_say_so(tiny_engines: Path, speech: Samples) -> None:
    avatar = emogene.open(tiny_engines, threads=1)
    session = avatar.session(size=SIZE)
    session.push(speech[:640])
    session.close()
    session.close()
    for misuse in (
        lambda: session.push(speech[:1]),
        session.pull,
        session.flush,
        lambda: session.set_emotion("sad"),
    ):
        with pytest.raises(SessionMisuse, match="a closed one — begin another"):
            misuse()
    avatar.close()
    avatar.close()
    with pytest.raises(SessionMisuse, match=r"avatar tiny: .* open it again"):
        avatar.session()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"emotion": "hapy"}, "did you mean 'happy'"),
        ({"intensity": 1.6}, "a number from 0 to 1.5"),
        ({"intensity": float("nan")}, "a number from 0 to 1.5"),
        ({"seed": -1}, "a whole number from 0"),
        ({"seed": True}, "a whole number from 0"),
        ({"size": True}, "pixels from 1 to 4096"),
        ({"profile": "online"}, "one of offline, live"),
        ({"size": 0}, "pixels from 1 to 4096"),
        ({"size": 5000}, "pixels from 1 to 4096"),
        ({"idle": "lenient"}, "one of tolerant, strict"),
    ],
)
def test_bad_options_are_refused_at_once(
    avatar: emogene.Avatar, speech: Samples, options: dict[str, object], message: str
) -> None:
    with pytest.raises(BadOption, match=message):
        avatar.render(speech, **options)  # type: ignore[arg-type]


def test_a_profile_must_stand_on_the_latents() -> None:
    for wrong in ({"hop": 6}, {"hop": 0}, {"overlap": 3}):
        with pytest.raises(BadOption, match="multiple of 4 frames"):
            replace(OFFLINE, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"clip_seconds": 0},
        {"max_stored_seconds": 0},
        {"temperature": float("nan")},
        {"temperature": -0.1},
        {"emotion_fade": -1},
    ],
)
def test_a_profile_with_values_that_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadOption, match=f"profile offline, {next(iter(wrong))}"):
        replace(OFFLINE, **wrong)


def test_a_session_ends_with_its_avatar(tiny_engines: Path, speech: Samples) -> None:
    avatar = emogene.open(tiny_engines, threads=1)
    session = avatar.session(size=SIZE)
    session.push(speech)
    session.flush()
    assert session.pull() is not None
    avatar.close()
    with pytest.raises(SessionMisuse, match="close sessions before their avatar"):
        session.pull()
    session.close()


def test_only_the_last_renderers_are_kept(tiny_engines: Path) -> None:
    with emogene.open(tiny_engines, threads=1) as avatar:
        made = [avatar.renderer(size) for size in range(8, 8 + KEPT + 1)]
        assert avatar.renderer(8 + KEPT) is made[-1]
        assert avatar.renderer(8) is not made[0]
