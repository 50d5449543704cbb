"""What every command does alike: one clear line for an error, and its exit code.

Exit codes: 0 done; 2 something handed in is at fault; 1 the machine or we are; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import typer

from ..contract.errors import EmoGeneError

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""

TRACEBACK_VARIABLE = "EMOGENE_TRACEBACK"
"""Set to 1 to see where an error came from."""


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a typer application as a command and leave the process with its exit code.

    Args:
        arguments: the command line without the program's name; None takes the process's own.
    """
    sys.exit(exit_code(app, arguments))


def exit_code(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a typer application and return its exit code; an error is one line on standard error."""
    command = typer.main.get_command(app)
    try:
        result = command.main(
            args=None if arguments is None else list(arguments), standalone_mode=False
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except EmoGeneError as error:
        return _fail(str(error), error, error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except (MemoryError, OSError) as error:
        return _fail(_of_the_machine(error), error, 1)
    except Exception as error:
        usage = _usage_message(error)
        if usage is not None:
            return _fail(usage, error, 2)
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        remedy = f"this is a defect; set {TRACEBACK_VARIABLE}=1 to see where, and report it"
        return _fail(f"{what} — {remedy}", error, 1)


def _fail(message: str, error: BaseException, code: int) -> int:
    if os.environ.get(TRACEBACK_VARIABLE) == "1":
        traceback.print_exception(error)
    # What a file is called, or says, may hold what a terminal obeys.
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(message.split()))
    print(f"error: {shown}", file=sys.stderr)
    return code


def _of_the_machine(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return "not enough memory" if isinstance(error, MemoryError) else str(error)


def _usage_message(error: Exception) -> str | None:
    """The message of a command line that does not parse; None for other exceptions.

    Typer keeps the class to itself and has changed where it stands, so it is known by its form.
    """
    if not hasattr(error, "format_message") or not hasattr(error, "exit_code"):
        return None
    context = getattr(error, "ctx", None)
    hint = f" — see {context.command_path} --help" if context is not None else ""
    return f"{str(error.format_message()).rstrip('.')}{hint}"
