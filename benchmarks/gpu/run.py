"""All steps one after the other, each told and written as soon as it is done."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .report import tables
from .steps import Options, Step, steps
from .worker import Apart, Doer, GivenUp, Here, Part

Result = dict[str, Any]

LEAST_LEFT = 5.0
"""Seconds that must be left for a step to be begun."""


def measure(
    options: Options,
    output: Path | None = None,
    make: Callable[[Path, int, int], Doer] | None = None,
) -> Result:
    """The result, as plain JSON values; also printed while it grows.

    Args:
        output: is written anew after every step, so that nothing is lost where this is ended.
        make: what does the steps, from a folder, a seed and a size; None is `session.Session`.
    """
    end = time.monotonic() + options.seconds
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    result: Result = {"seed": seed, "checks": [], "frames": [], "skipped": [], "given_up": []}
    result |= {"compiled": [], "steps": []}
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="emogene-gpu-"))
        )
        made = partial(make or _session, folder, seed, options.check_size)
        doer = (Apart if options.apart else Here)(made)
        try:
            for step in steps(options):
                left = end - time.monotonic()
                if why := _skipped(step, left, result):
                    result["skipped"].append(f"{step.name}: {why}")
                else:
                    _do(doer, step, left, result)
                _write(result, output)
        finally:
            doer.close()
    for table in tables(result):
        print(table.markdown(), flush=True)
    for skipped in result["skipped"]:
        print(f"skipped: {skipped}")
    for lost in result["given_up"]:
        print(f"given up: {lost['name']}: {lost['why']}")
    return result


def right(result: Result) -> bool:
    """Whether everything that was done was right."""
    return not result["given_up"] and all(check["passed"] for check in result["checks"])


def _session(folder: Path, seed: int, check_size: int) -> Doer:
    from .session import Session  # in the process that does the steps

    return Session(folder, seed, check_size)


def _skipped(step: Step, left: float, result: Result) -> str:
    """Why a step is not begun; empty if it is."""
    if left < LEAST_LEFT:
        return "the time was over"
    if any(lost["name"] == step.needs for lost in result["given_up"]):
        return f"{step.needs} was given up"
    return ""


def _do(doer: Apart | Here, step: Step, left: float, result: Result) -> None:
    began, outcome = time.monotonic(), "done"
    try:
        for part in doer.run(step, min(step.seconds, left)):
            _add(result, part)
    except GivenUp as error:
        outcome = str(error)
        if left < step.seconds and outcome.startswith("took longer"):
            result["skipped"].append(f"{step.name}: the time was over")
        else:
            result["given_up"].append({"name": step.name, "why": outcome})
    took = time.monotonic() - began
    result["steps"].append({"name": step.name, "seconds": round(took, 2), "outcome": outcome})
    print(f"{step.name}: {outcome}, {took:.1f} s", flush=True)


def _add(result: Result, part: Part) -> None:
    for key, value in part.items():
        if isinstance(value, list):
            result[key].extend(value)
            for check in value if key == "checks" else ():
                mark = "✓" if check["passed"] else "✗"
                print(f"  {mark} {check['name']}: {check['found']}", flush=True)
        else:
            result[key] = value


def _write(result: Result, output: Path | None) -> None:
    if output is None:
        return
    fresh = output.with_name(output.name + ".part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        os.replace(fresh, output)
    except OSError as error:  # what is measured is worth more
        print(f"{output} is not written: {error}", flush=True)
