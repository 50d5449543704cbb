"""The work behind ``emogene-run``."""

from __future__ import annotations

import importlib.resources
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..contract.data import Float32
from ..contract.emotions import NEUTRAL, checked_intensity
from ..contract.errors import BadAudio, BadOption
from ..contract.units import SAMPLE_RATE
from . import avatar as avatars
from .audio.load import as_chunks
from .avatar import Avatar
from .backends.choice import checked_backend
from .backends.precisions import named_precisions
from .command_output import (
    STANDARD,
    print_statistics,
    progress,
    say_backend,
    say_fallbacks,
    say_renderer,
    say_unreached,
    say_written,
    warnings_said,
    without_library_chatter,
)
from .emotion_cues import EmotionCues
from .emotion_track import EmotionTrack
from .profiles import OFFLINE, Profile
from .run_statistics import RunStatistics
from .session import Session
from .sinks import open_sink


@dataclass(frozen=True)
class RunOptions:
    """The command line, parsed; see ``emogene-run --help``."""

    audio: str | None
    sample: bool
    engine_dir: Path | None
    emotion: str | None
    emotion_track: Path | None
    intensity: float
    output: str | None
    seed: int
    size: int | None
    threads: int | None
    idle: Literal["tolerant", "strict"]
    quality: str
    renderer: str
    backend: str
    precision: tuple[str, ...]
    marching: str
    strict: bool
    stats: bool
    live: bool
    sample_rate: int | None
    log: Path | None
    replay: Path | None


def run_command(options: RunOptions) -> None:
    """Render what was asked for, and say what was written.

    Raises:
        EmoGeneError: something handed in is at fault, or cannot be done here.
    """
    _check_combination(options)
    if options.live or options.replay is not None:
        from .live import commands_live

        act = commands_live.live_command if options.live else commands_live.replay_command
        return act(options)
    statistics = RunStatistics()
    source, name = _source(options)
    output = options.output or f"{name}.mp4"
    _keep_input(source, output)
    # Cheap checks first, so that a typing error does not cost the loading of an avatar.
    track = track_of(options)
    checked_intensity(options.intensity)
    checked_backend(options.backend)
    with warnings_said(), without_library_chatter():
        chunks = list(_within_the_limit(as_chunks(source), options.audio or "the sample"))
    with opened_avatar(options) as avatar, begun_session(avatar, options, track) as session:
        cues = EmotionCues(session, track, options.intensity)
        for chunk in chunks:
            cues.push(chunk)
        say_unreached(cues)
        session.flush()
        _write(session, output, statistics)
        _report(avatar, session, output, statistics, options, track)


def _check_combination(options: RunOptions) -> None:
    for name, value in (("--log", options.log), ("--sample-rate", options.sample_rate)):
        if value is not None and not options.live:
            raise BadOption(name, expected="--live beside it", found="none", remedy="add --live")
    if options.replay is None:
        return
    for name, given in (
        ("--live", options.live),
        ("--sample", options.sample),
        (str(options.audio), options.audio is not None),
        ("--emotion", options.emotion is not None),
        ("--emotion-track", options.emotion_track is not None),
    ):
        if given:
            raise BadOption(
                "--replay",
                expected="a log that says all, and no other speech or emotion",
                found=name,
                remedy="leave one out",
            )


def opened_avatar(options: RunOptions) -> Avatar:
    """The avatar that was asked for; what runs it instead of what was wished is said."""
    avatar = avatars.open(
        options.engine_dir,
        threads=options.threads,
        backend=options.backend,
        strict=options.strict,
        precisions=named_precisions("--precision", options.precision),
        marching=options.marching,
        renderer=options.renderer,
    )
    say_backend(avatar.choice)
    say_renderer(avatar.renderer_choice)
    return avatar


def begun_session(
    avatar: Avatar, options: RunOptions, track: EmotionTrack, profile: Profile = OFFLINE
) -> Session:
    """A session as it was asked for, wearing what the track opens with."""
    opening = track.opening
    session = avatar.session(
        opening.emotion,
        options.intensity if opening.intensity is None else opening.intensity,
        options.seed,
        profile,
        size=options.size,
        idle=options.idle,
        quality=options.quality,
        sample_rate=SAMPLE_RATE if options.sample_rate is None else options.sample_rate,
    )
    say_fallbacks(session, options.strict)
    return session


def _source(options: RunOptions) -> tuple[str | bytes, str]:
    """What to read, and the name the output gets unless it is given one."""
    if options.sample and options.audio is not None:
        raise BadOption(
            "--sample", expected="no AUDIO beside it", found=options.audio, remedy="leave one out"
        )
    if options.sample:
        return str(importlib.resources.files(__package__) / "data" / "sample.wav"), "sample"
    if options.audio is None:
        raise BadOption(
            "AUDIO",
            expected="an audio file",
            found="none",
            remedy="name one, or use --sample for the one that ships with the package",
        )
    if options.audio == STANDARD:
        return sys.stdin.buffer.read(), "stdin"
    return options.audio, Path(options.audio).stem or "speech"


def track_of(options: RunOptions) -> EmotionTrack:
    """What is worn when."""
    if options.emotion_track is None:
        return EmotionTrack.of(NEUTRAL if options.emotion is None else options.emotion)
    if options.emotion is not None:
        raise BadOption(
            "--emotion-track",
            expected="no --emotion beside it",
            found=options.emotion,
            remedy="leave one out",
        )
    return EmotionTrack.load(options.emotion_track)


def _within_the_limit(chunks: Iterator[Float32], name: str) -> Iterator[Float32]:
    """The chunks, until there are more than a session may hold: then all are refused."""
    limit, seconds = OFFLINE.max_stored_seconds, 0.0
    for chunk in chunks:
        seconds += len(chunk) / SAMPLE_RATE
        if seconds > limit:
            raise BadAudio(
                name,
                expected=f"at most {limit // 60} minutes",
                found="more",
                remedy="cut it into pieces and render each",
            )
        yield chunk


def _keep_input(source: str | bytes, output: str) -> None:
    """Refuse an output that is the input: the frames would be written over it."""
    if (
        isinstance(source, str)
        and os.path.exists(source)
        and os.path.exists(output)
        and os.path.samefile(source, output)
    ):
        raise BadOption(
            "-o",
            expected="another file than AUDIO",
            found=output,
            remedy="name an output with -o",
        )


def _write(session: Session, output: str, statistics: RunStatistics) -> None:
    with (
        open_sink(output, (session.size, session.size)) as sink,
        progress(session.ready) as advance,
    ):
        for frame in session:
            statistics.add(frame)
            sink.write(frame)
            advance()


def _report(
    avatar: Avatar,
    session: Session,
    output: str,
    statistics: RunStatistics,
    options: RunOptions,
    track: EmotionTrack,
) -> None:
    plain = statistics.to_plain(avatar, session)
    say_written(output, plain["frames"], session.size, track.emotions)
    if options.stats:
        print_statistics(plain, output)
