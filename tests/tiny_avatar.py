"""The tiny avatar's checkpoints and engine directory, made once a test run.

Several pytest processes at once (xdist) share them: the first makes them, the others wait.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` that ``make`` fills, made by whoever comes first."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            make(folder)
    return folder


def tiny_checkpoints(factory: pytest.TempPathFactory) -> Path:
    """A checkpoints folder of the tiny avatar. Read only: copy it to change it."""
    from emogene.reference.tiny import tiny

    return once(factory, "tiny-checkpoints", lambda folder: tiny().save(folder))


def tiny_engine_directory(factory: pytest.TempPathFactory) -> Path:
    """The engine directory built from it. Read only: copy it to change it."""
    from emogene.exporters.build import build_engine_directory

    checkpoints = tiny_checkpoints(factory)
    return once(factory, "tiny-engines", lambda folder: build_engine_directory(checkpoints, folder))
