"""The work behind ``emogene-run --live`` and ``--replay``."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ...contract.codec import to_plain
from ...contract.errors import BadOption, SessionMisuse
from ..avatar import Avatar
from ..commands_run import STANDARD, RunOptions, opened, report_fallbacks, say, track_of
from ..emotion_cues import EmotionCues
from ..emotion_track import EmotionTrack
from ..profiles import LIVE
from ..sinks import open_sink
from .driver import LiveDriver
from .options import LiveOptions
from .replay import replay
from .sources import microphone, standard_input

PIPE = LiveOptions(late="wait", flood="wait", backlog=2.0)
"""Nothing of a file or a pipe is lost: whoever is slower is waited for."""

MICROPHONE = replace(PIPE, late="drop")
"""Nobody can wait for a voice: a late player misses frames instead."""


def live_command(options: RunOptions) -> None:
    """Speak what comes while it comes.

    Raises:
        EmoGeneError: something handed in is at fault, or cannot be done here.
    """
    output = options.output or STANDARD
    _check(options)
    track = track_of(options)
    source = microphone(options.sample_rate) if options.audio is None else standard_input()
    rules = MICROPHONE if options.audio is None else PIPE
    with opened(options) as avatar:
        opening = track.opening
        session = avatar.session(
            opening.emotion,
            options.intensity if opening.intensity is None else opening.intensity,
            options.seed,
            LIVE,
            size=options.size,
            idle=options.idle,
            quality=options.quality,
            sample_rate=options.sample_rate,
        )
        report_fallbacks(session, options.strict)
        size = (session.size, session.size)
        with open_sink(output, size) as sink, LiveDriver(session, rules, log=options.log) as driver:
            reader = threading.Thread(
                target=_speak, args=(driver, source, track, options), name="emogene-read", daemon=True
            )
            reader.start()
            for frame in driver:
                sink.write(frame)
        _report(driver, output, options)
