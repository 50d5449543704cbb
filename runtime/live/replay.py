"""The frames of a live session once more, from its log."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from ...contract.data import Frame
from ...contract.errors import BadInput
from ..avatar import Avatar
from ..session import Session
from .log import EmotionSet, Ended, Event, Filled, Flushed, Interrupted, LogReader, Pushed


def replay(log: str | os.PathLike[str], avatar: Avatar) -> Iterator[Frame]:
    """Every frame that was made in the live session, those that nobody took included.

    They are the same bit by bit with the same version on the same kind of processor and an avatar
    opened with the same renderer, marching and precisions, and come as fast as they can be
    computed. Of a log that was cut short, also those that were still to come of what had been
    pushed.

    Args:
        log: the folder that a `LiveDriver` wrote.
        avatar: the one that spoke.

    Raises:
        BadInput: it is no log, at once or where a line is reached that is none; or the log of
            another avatar.
    """
    reader = LogReader(log)
    options = reader.session
    if options.avatar != avatar.manifest.digest:
        raise BadInput(
            os.fspath(log),
            expected=f"a log of avatar {avatar.name} as it is now",
            found="one of another",
            remedy="open the engine directory that the session was opened with",
        )
    session = avatar.recorded(options)
    return _frames(os.fspath(log), reader, session)


def _frames(log: str, reader: LogReader, session: Session) -> Iterator[Frame]:
    pulled = 0
    with session:
        for event, samples in reader.events():
            while pulled < event.frame and (frame := session.pull()) is not None:
                pulled += 1
                yield frame
            if (pulled, session.next_sample) != (event.frame, event.sample):
                raise BadInput(
                    log,
                    expected=f"frame {event.frame} and sample {event.sample} before: {event.kind}",
                    found=f"frame {pulled} and sample {session.next_sample}",
                    remedy="the log does not fit its session; its files were changed",
                )
            _act(session, event, samples)
            if isinstance(event, Ended):
                return
        yield from session


def _act(session: Session, event: Event, samples: np.ndarray | None) -> None:
    if isinstance(event, Pushed) and samples is not None:
        session.push(samples)
    elif isinstance(event, Filled):
        session.push(np.zeros(event.count, np.float32))
    elif isinstance(event, EmotionSet):
        session.set_emotion(event.emotion, event.intensity, event.over)
    elif isinstance(event, Interrupted):
        session.interrupt()
    elif isinstance(event, Flushed):
        session.flush()
