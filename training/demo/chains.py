"""Running the recipe's two chains side by side, with one bar a stage on the terminal."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ...contract.errors import Failure
from ..fields.operations import single_thread
from ..progress import Report
from .recipe import CHAINS, DemoConfig, Workshop

_POLL_S = 0.5
_PATIENCE_S = 30.0  # a step and a checkpoint take less
_REPORT_EVERY = 0.002  # of a stage's budget: a queue is slower than a training step


@dataclass(frozen=True)
class _Message:
    """What a chain says: how far a stage is, that the chain is done, or what stopped it."""

    chain: str
    stage: str = ""
    fraction: float = 0.0
    text: str = ""
    done: bool = False
    error: BaseException | None = None


def make(
    folder: Path,
    config: DemoConfig,
    report: Report,
    *,
    only: Sequence[str] = (),
    processes: int | None = None,
    device: str = "cpu",
) -> None:
    """Run every stage that has not finished, or the stages `only`, finished or not.

    Args:
        folder: where the stages leave their results.
        processes: 2 runs the chains side by side; None does so where there are two cores.
        device: where networks are trained.

    Raises:
        EmoGeneError: what stopped a stage; the other chain is stopped too, and both go on where
            they were when called again.
        Failure: a chain's process died.
    """
    workshop = Workshop(folder, config, device)
    todo: dict[str, tuple[str, ...]] = {}
    for chain, stages in CHAINS.items():
        wanted = [s for s in stages if (s in only if only else not workshop.finished(s))]
        if wanted:
            todo[chain] = tuple(wanted)
    if todo:
        # Both chains read it; building it twice at once would waste a minute.
        report("rig", 0.0, "sculpting")
        _ = workshop.rig
        report("rig", 1.0, "")
    side_by_side = (os.cpu_count() or 1) if processes is None else processes
    if len(todo) < 2 or side_by_side < 2:
        for stages in todo.values():
            _run_stages(workshop, stages, report)
        return
    _run_side_by_side(workshop, todo, report)


@single_thread()  # a chain has one core, whether or not the other runs beside it
def _run_stages(workshop: Workshop, stages: Sequence[str], report: Report) -> None:
    for stage in stages:
        workshop.run(stage, lambda fraction, text, stage=stage: report(stage, fraction, text))
        report(stage, 1.0, "")


def _run_side_by_side(
    workshop: Workshop, todo: Mapping[str, Sequence[str]], report: Report
) -> None:
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    made = (workshop.folder, workshop.config, workshop.device)
    running = {
        chain: context.Process(
            target=_chain, args=(chain, made, stages, messages), name=f"demo {chain}"
        )
        for chain, stages in todo.items()
    }
    with _stopped_at_the_end(running):
        while running:
            message = _next(messages, running)
            if message.error is not None:
                raise message.error
            if message.done:
                running.pop(message.chain).join()
            else:
                report(message.stage, message.fraction, message.text)


def _next(messages: Any, running: Mapping[str, BaseProcess]) -> _Message:
    """The next message; a process that died without a word ends the waiting."""
    while True:
        try:
            message: _Message = messages.get(timeout=_POLL_S)
            return message
        except queue.Empty:
            for chain, process in running.items():
                if process.exitcode:
                    raise Failure(
                        f"the {chain} chain",
                        expected="it to finish",
                        found=f"its process ended with exit code {process.exitcode}",
                        remedy="run the same command again: it goes on where it stopped",
                    ) from None


@contextmanager
def _stopped_at_the_end(running: Mapping[str, BaseProcess]) -> Iterator[None]:
    try:
        with _interrupts_ignored():  # which children inherit: the parent alone answers to Ctrl-C
            for process in running.values():
                process.start()
        yield
    finally:
        started = [process for process in running.values() if process.pid is not None]
        for process in started:
            process.terminate()
        for process in started:
            process.join(_PATIENCE_S)
            process.kill()  # does nothing to one that has ended
            process.join()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python allows it there alone
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _chain(
    chain: str, made: tuple[Path, DemoConfig, str], stages: Sequence[str], messages: Any
) -> None:
    """A chain's process."""
    asked_to_stop = threading.Event()

    def stop(*_: object) -> None:
        """Leave by way of every `finally`, so that the time spent is noted."""
        asked_to_stop.set()
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, stop)
    said = dict.fromkeys(stages, -1.0)

    def report(stage: str, fraction: float, text: str) -> None:
        if asked_to_stop.is_set():
            raise SystemExit(
                1
            )  # the first was lost where Python drops exceptions, as in a callback
        if fraction >= 1.0 or fraction - said[stage] >= _REPORT_EVERY:
            parent = multiprocessing.parent_process()
            if parent is not None and not parent.is_alive():
                os._exit(1)  # nobody is left to stop this process; the last checkpoint stands
            said[stage] = fraction
            messages.put(_Message(chain, stage, fraction, text))

    try:
        _run_stages(Workshop(*made), stages, report)
        messages.put(_Message(chain, done=True))
    except SystemExit:
        messages.cancel_join_thread()  # nobody reads them any more
        raise
    except BaseException as error:
        messages.put(_Message(chain, error=_portable(error)))


def _portable(error: BaseException) -> BaseException:
    """The error itself where it survives the way between processes, else its words."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:  # its constructor wants more than its message
        pass
    return Failure(f"{type(error).__name__}: {error}")
