"""Keep what tracers and converters say to themselves, and show it only when they fail."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """Collect stdout, stderr, warnings and log records; on an exception print them to stderr."""
    text, stderr = io.StringIO(), sys.stderr
    with (
        _logs_into(text),
        contextlib.redirect_stdout(text),
        contextlib.redirect_stderr(text),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("always")
        warnings.showwarning = partial(_write_warning, text)
        try:
            yield text
        except Exception:
            print(text.getvalue().rstrip(), file=stderr)
            raise


@contextlib.contextmanager
def _logs_into(text: io.StringIO) -> Iterator[None]:
    """Every handler that writes to the terminal writes into ``text`` meanwhile.

    Handlers hold the stream they were made with, so redirecting ``sys.stderr`` does not reach them.
    """
    loggers = [logging.getLogger(), *logging.root.manager.loggerDict.values()]
    streams = {
        handler: handler.stream
        for logger in loggers
        for handler in getattr(logger, "handlers", ())
        if isinstance(handler, logging.StreamHandler) and _is_terminal(handler.stream)
    }
    last_resort, logging.lastResort = logging.lastResort, logging.StreamHandler(text)
    for handler in streams:
        handler.setStream(text)
    try:
        yield
    finally:
        logging.lastResort = last_resort
        for handler, stream in streams.items():
            handler.setStream(stream)


def _is_terminal(stream: Any) -> bool:
    """Whether what is written to ``stream`` comes out of the process, whoever wrapped it since."""
    if stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        return True
    try:
        return stream.fileno() in (1, 2)
    except (AttributeError, OSError, ValueError):
        return False


def _write_warning(
    text: io.StringIO,
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    *_: Any,
) -> None:
    text.write(warnings.formatwarning(message, category, filename, lineno))
