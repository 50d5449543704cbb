"""The thread that makes a live session's frames, one every 40 ms."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from ...contract.data import Float32
from ...contract.errors import Failure
from ...contract.units import FRAMES_PER_SECOND, SAMPLES_PER_FRAME
from .clock import Clock
from .inbox import Inbox
from .marks import Marks
from .options import PERIOD, LiveOptions
from .queue import Due, FrameQueue
from .recorder import Recorder

MOST_FILLER = 1000
"""Frames of silence after which every session has a frame to give."""


class Worker:
    """Empties the inbox, fills gaps with silence, pulls a frame, puts it into the queue; again.

    Sound is kept in hand: what the profile needs ahead of a frame, and the jitter on top. While
    something is pushed, that may shrink by the jitter. When nothing came for so long it is filled
    up with silence frame by frame, so that an utterance that begins at any moment finds the same
    reserve and is not cut by filler.

    Args:
        failed: is told what ended the thread before its time.
    """

    def __init__(
        self,
        recorder: Recorder,
        inbox: Inbox,
        queue: FrameQueue,
        options: LiveOptions,
        clock: Clock,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._recorder, self._inbox, self._queue = recorder, inbox, queue
        self._options, self._clock, self._failed = options, clock, failed
        self._in_hand = recorder.delay + math.ceil(options.jitter / PERIOD - 1e-9)
        self._marks = Marks()
        self._heard = -math.inf
        self._flushed = False
        self._tick, self._start = 0, recorder.begin(clock.now()) + options.lead
        self._thread = threading.Thread(target=self._run, name="emogene-live", daemon=True)
        # Read by other threads; each is replaced as a whole.
        self.filler = 0
        self.slipped = 0
        self.session_metrics = recorder.metrics

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, unless it is the thread itself that asks."""
        if self._thread is not threading.current_thread():
            self._thread.join()

    def push(self, recorder: Recorder, block: Float32, moment: float) -> None:
        """Push what came at ``moment``; called by the thread itself."""
        if len(block):
            self._heard = moment
            self._marks.add(recorder.next_sample // SAMPLES_PER_FRAME, moment)
            recorder.push(block)

    def interrupt(self, recorder: Recorder) -> None:
        """Drop what is not shown; called by the thread itself."""
        self._heard = -math.inf
        self._marks.clear()
        recorder.interrupt()

    @property
    def _due(self) -> float:
        """When the next frame is to be shown."""
        return self._start + self._tick / FRAMES_PER_SECOND

    @property
    def _begin(self) -> float:
        """When it is to be begun."""
        return self._due - self._options.lead

    def _run(self) -> None:
        try:
            while self._queue.wait_to_begin(self._begin) and self._make():
                self._tick += 1
        except BaseException as error:
            self._failed(error)
        try:
            self._recorder.close()
        except BaseException as error:
            self._failed(error)
        self._inbox.close()
        self._queue.end(drop=False)

    def _make(self) -> bool:
        """Make the next frame; False when there is none any more."""
        self._set_back()
        recorder = self._recorder
        acts, last = self._inbox.empty()
        for act in acts:
            act(recorder)
        if last:
            if not self._flushed:
                recorder.flush()
                self._flushed = True
            if not recorder.ready:
                return False
        else:
            self._fill()
        frame = recorder.pull(self._due)
        if frame is None:
            raise Failure("live session", expected="the frame that is ready", found="none")
        self.session_metrics = recorder.metrics
        self._inbox.report(recorder.backlog_seconds)
        self._queue.put(Due(frame, self._due, self._marks.pop(frame.index)))
        return True

    def _set_back(self) -> None:
        """Set the clock back by what cannot be made up for."""
        behind = self._clock.now() - self._begin
        if behind > self._options.catch_up:
            slipped = int(behind / PERIOD)
            self._tick += slipped
            self.slipped += slipped

    def _fill(self) -> None:
        recorder, filled = self._recorder, 0
        wanted = (recorder.next_frame + self._in_hand) * SAMPLES_PER_FRAME
        quiet = self._clock.now() - self._heard >= self._options.jitter
        while not recorder.ready or (quiet and recorder.next_sample < wanted):
            if filled == MOST_FILLER:
                raise Failure("live session", expected="a frame after silence", found="none")
            recorder.fill()
            filled += 1
        self.filler += filled
