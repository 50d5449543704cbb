"""A session on a clock: a frame every 40 ms, whatever the one who speaks and the one who looks do.

One thread makes the frames. All others leave word for it in the inbox or take finished frames from
the queue, so nobody waits for a picture that is being painted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict

from ...contract.closing import Closing
from ...contract.data import Frame
from ...contract.emotions import checked_intensity, emotion_index
from ...contract.errors import BadOption, SessionMisuse
from ..audio.intake import Pushed
from ..emotion_timeline import checked_fade
from ..session import Session
from .clock import Clock, SystemClock
from .inbox import Inbox
from .log import LogWriter
from .options import LiveMetrics, LiveOptions
from .queue import FrameQueue
from .recorder import Recorder
from .worker import Worker

CLOSING_SECONDS = 2.0
"""How long `close` waits for a callback that is running; it must not wait for ever, since the
callback may be waiting for a lock that the closing thread holds."""


class LiveDriver(Closing):
    """Puts a session on a clock from now on; owns it.

    Every 40 ms a frame is due. What is to be shown then must have been pushed before the frame is
    begun, with the profile's delay and the options' jitter ahead of it; where it was not, a frame's
    worth of silence is pushed in its place, so the stream always goes on. Frames are taken with a
    ``for`` loop, an ``async for`` loop, `pull` or a callback, by one of these at a time; `push`,
    `set_emotion`, `interrupt` and `flush` may be called from any thread and return at once.

    An error in the session, its log or the callback ends the driver; whoever turns to it next gets
    that error, and if nobody does `close` raises it.

    Args:
        session: untouched, of a profile that has a look-ahead, such as ``"live"``.
        options: policies and lengths.
        log: a folder that a log is written to, from which `replay` gives the same frames.
        on_frame: called with every frame when it is due, from a thread of its own.
        clock: for tests.

    Raises:
        BadOption: the session's profile waits for the end of an utterance.
        BadOutput: the log cannot be written.
        SessionMisuse: something was pushed or set before: the log would not tell all.
    """

    def __init__(
        self,
        session: Session,
        options: LiveOptions | None = None,
        *,
        log: str | os.PathLike[str] | None = None,
        on_frame: Callable[[Frame], object] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if session.profile.delay is None:
            raise BadOption(
                "profile",
                expected="one with a look-ahead",
                found=session.profile.name,
                remedy='open the session with profile="live"',
            )
        if not session.untouched:
            raise SessionMisuse(
                "session",
                expected="one that nothing was done with",
                found="one in use",
                remedy="push and set emotions through the driver",
            )
        self._options, clock = options or LiveOptions(), clock or SystemClock()
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._inbox = Inbox(session.sample_rate, self._options, clock)
        self._queue = FrameQueue(self._options, clock)
        writer = None if log is None else LogWriter(log, session.options)
        self._worker = Worker(
            Recorder(session, writer), self._inbox, self._queue, self._options, clock, self._fail
        )
        self._worker.start()
        self._delivery: threading.Thread | None = None
        if on_frame is not None:
            self._delivery = threading.Thread(
                target=self._deliver, args=(on_frame,), name="emogene-live-callback", daemon=True
            )
            self._delivery.start()

    @property
    def options(self) -> LiveOptions:
        """Its policies and lengths."""
        return self._options

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""
        return self._queue.ended

    @property
    def metrics(self) -> LiveMetrics:
        """Its counters now."""
        return LiveMetrics(
            **asdict(self._queue.counts),
            backlog_seconds=self._inbox.backlog,
            filler=self._worker.filler,
            slipped=self._worker.slipped,
            session=self._worker.session_metrics,
        )

    def push(self, samples: Pushed) -> None:
        """Let it say more.

        Args:
            samples: as `Session.push` takes them.

        Raises:
            BadAudio: they are not such samples; nothing of them is taken.
            SessionMisuse: the driver was closed or its input ended; or more would be held than the
                options allow, and they say to refuse that. Nothing of them is taken.
        """
        self._tell()
        self._inbox.push(samples, self._worker.push)

    def set_emotion(
        self, emotion: str, intensity: float | None = None, over: float | None = None
    ) -> None:
        """Change the emotion after what was pushed so far; see `Session.set_emotion`."""
        emotion_index(emotion)
        if intensity is not None:
            checked_intensity(intensity)
        if over is not None:
            checked_fade(over)
        self._tell()
        self._inbox.leave(lambda recorder: recorder.set_emotion(emotion, intensity, over))

    def flush(self) -> None:
        """End the utterance, so that its end does not wait for what comes; see `Session.flush`."""
        self._tell()
        self._inbox.leave(Recorder.flush, cuts=True)

    def interrupt(self) -> None:
        """Fall silent: from the next frame that is begun nothing pushed so far is shown."""
        self._tell()
        self._inbox.leave(self._worker.interrupt, cuts=True)

    def end_input(self) -> None:
        """Nothing more will be pushed: show what is there, then end instead of idling on."""
        self._inbox.end()

    def pull(self, timeout: float | None = None) -> Frame | None:
        """Take the next frame when it is due.

        Args:
            timeout: wait at most this long, seconds; None waits as long as it takes.

        Returns:
            None if there was none in time, or if the stream has ended (see `ended`).
        """
        frame = self._queue.take(timeout)
        if frame is None:
            self._tell()
        return frame

    def __iter__(self) -> Iterator[Frame]:
        """Frames as they are due, until the stream ends."""
        while (frame := self.pull()) is not None:
            yield frame

    def __aiter__(self) -> AsyncIterator[Frame]:
        """The same for ``async for``, in the event loop that runs it."""
        from .asynchronous import frames

        return frames(self, self._queue)

    def close(self) -> None:
        """End now: the frame being made is finished, what is left is dropped; twice is fine."""
        self._stop()
        self._tell()

    def _leave(self, failed: bool) -> None:
        if failed:  # an error of the driver must not be raised over that of the block
            self._stop()
        else:
            self.close()

    def _stop(self) -> None:
        self._inbox.close()
        self._queue.stop()
        self._worker.join()
        self._queue.end(drop=True)
        if self._delivery not in (None, threading.current_thread()):
            self._delivery.join(CLOSING_SECONDS)

    def _fail(self, error: BaseException) -> None:
        """Keep the first error for whoever turns to the driver next, and end."""
        with self._lock:
            self._error = self._error or error
        self._inbox.close()
        self._queue.stop()

    def _tell(self) -> None:
        with self._lock:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _deliver(self, callback: Callable[[Frame], object]) -> None:
        try:
            while (frame := self._queue.take(None)) is not None:
                callback(frame)
        except BaseException as error:
            self._fail(error)
