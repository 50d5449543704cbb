"""The work behind ``emogene-run --live`` and ``--replay``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...contract.codec import to_plain
from ...contract.emotions import checked_intensity
from ...contract.errors import BadOption, SessionMisuse
from ...contract.units import SAMPLE_RATE
from ..backends.choice import checked_backend
from ..command_output import STANDARD, print_statistics, say_written
from ..commands_run import RunOptions, begun_session, opened_avatar, track_of
from ..emotion_cues import EmotionCues
from ..profiles import LIVE
from ..sinks import open_sink
from .driver import LiveDriver
from .log import LogReader
from .options import LiveOptions
from .replay import replay
from .sources import microphone, samples_of, standard_input

PIPE = LiveOptions(late="wait", flood="wait", backlog=2.0)
"""Of a pipe nothing is lost: whoever is slower is waited for."""

MICROPHONE = replace(PIPE, late="drop")
"""Nobody can make a voice wait: a player that is late misses frames instead."""


def live_command(options: RunOptions) -> None:
    """Speak what comes, while it comes, until it ends or nobody looks any more.

    Raises:
        EmoGeneError: something handed in is at fault, or cannot be done here.
    """
    output = options.output or STANDARD
    if options.sample or options.audio not in (None, STANDARD):
        raise BadOption(
            "--live",
            expected="raw samples on standard input (AUDIO is -), or no AUDIO for the microphone",
            found=options.audio or "--sample",
            remedy="ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | emogene-run --live -",
        )
    track = track_of(options)
    checked_intensity(options.intensity)
    checked_backend(options.backend)
    rate = SAMPLE_RATE if options.sample_rate is None else options.sample_rate
    from_microphone = options.audio is None
    source = samples_of(microphone(rate) if from_microphone else standard_input())
    rules = MICROPHONE if from_microphone else PIPE
    with opened_avatar(options) as avatar:
        session = begun_session(avatar, options, track, LIVE)
        with (
            LiveDriver(session, rules, log=options.log) as driver,
            open_sink(output, (session.size, session.size)) as sink,
        ):
            speaker = _Speaker(driver, source, EmotionCues(driver, track, options.intensity, rate))
            speaker.start()
            for frame in driver:
                sink.write(frame)
        speaker.tell()
        counts = driver.metrics
        say_written(output, counts.taken, session.size, track.emotions)
        if options.stats:
            print_statistics(to_plain(counts), output)


def replay_command(options: RunOptions) -> None:
    """Write the frames of a live session once more.

    Raises:
        EmoGeneError: something handed in is at fault, or cannot be done here.
    """
    assert options.replay is not None
    output = options.output or f"{options.replay.resolve().name}.mp4"
    opening = LogReader(options.replay).session
    with opened_avatar(options) as avatar:
        frames, written = replay(options.replay, avatar), 0
        with open_sink(output, (opening.size, opening.size)) as sink:
            for frame in frames:
                sink.write(frame)
                written += 1
        say_written(output, written, opening.size, (opening.emotion,))


class _Speaker(threading.Thread):
    """Hands what is heard to the driver, until it ends."""

    def __init__(
        self, driver: LiveDriver, source: Iterator[NDArray[np.int16]], cues: EmotionCues
    ) -> None:
        # A daemon: it may wait for a microphone or a pipe that says nothing more.
        super().__init__(name="emogene-listen", daemon=True)
        self._driver, self._source, self._cues = driver, source, cues
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            for samples in self._source:
                self._cues.push(samples)
        except SessionMisuse:
            pass  # the driver was closed: nobody looks any more
        except BaseException as error:
            self._error = error
        self._driver.end_input()

    def tell(self) -> None:
        """Raise what ended it before the end of its source."""
        if self._error is not None:
            raise self._error
