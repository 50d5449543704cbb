"""The environment MediaPipe runs in: a virtual environment in the user's cache folder.

MediaPipe 0.10.21 needs NumPy 1 and protobuf 4, the trainings newer ones, so the two cannot share
one. Only what finding faces and people takes is installed: 150 MB, in some ten seconds.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ...contract.cache_folder import cache_folder
from ...contract.errors import Unavailable

VERSION = "0.10.21"

REQUIREMENTS = (
    f"mediapipe=={VERSION}",
    "numpy==1.26.4",
    "protobuf>=4.25.3,<5",
    "absl-py",
    "attrs>=19.1.0",
    "flatbuffers>=2.0",
)

NEWEST_PYTHON = (3, 12)
"""There are wheels of this MediaPipe up to here."""

COMMAND = "emogene-train prepare tool"

_WITHOUT = "bring landmarks and masks: --landmarks FILE.npz --masks VIDEO"

_READY = "ready"


def tool_folder() -> Path:
    """Where the environment stands for the running Python."""
    major, minor = sys.version_info[:2]
    return cache_folder() / f"mediapipe-{VERSION}-python{major}.{minor}"


def tool_python() -> Path:
    """The environment's Python.

    Raises:
        Unavailable: it was not made yet, or cannot be.
    """
    _require_wheels()
    folder = tool_folder()
    if not (folder / _READY).is_file():
        raise Unavailable(
            "finding faces",
            expected="MediaPipe's environment",
            found=f"none in {folder}",
            remedy=f"make it: {COMMAND} — or {_WITHOUT}",
        )
    return _python(folder)


def make_tool() -> Path:
    """Make the environment, unless it stands; returns its Python.

    Raises:
        Unavailable: no wheels for this Python, no pip, or the installation failed.
    """
    _require_wheels()
    folder = tool_folder()
    if (folder / _READY).is_file():
        return _python(folder)
    if folder.exists():
        shutil.rmtree(folder)  # left by an installation that was stopped
    folder.parent.mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("ensurepip") is None:
        raise Unavailable(
            "MediaPipe's environment",
            expected="Python's modules venv and ensurepip",
            found="none",
            remedy="install them; Debian's package is python3-venv",
        )
    _run([sys.executable, "-m", "venv", str(folder)])
    python = _python(folder)
    # Without its dependencies: they include jax and two plotting libraries.
    _run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", *REQUIREMENTS])
    (folder / _READY).write_text("\n".join(REQUIREMENTS) + "\n")
    return python


def _require_wheels() -> None:
    if sys.version_info[:2] > NEWEST_PYTHON:
        newest = ".".join(map(str, NEWEST_PYTHON))
        raise Unavailable(
            f"MediaPipe {VERSION}",
            expected=f"Python {newest} or older",
            found=f"Python {sys.version.split()[0]}",
            remedy=f"use Python {newest}, or {_WITHOUT}",
        )


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _run(command: list[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Unavailable(
            "MediaPipe's environment",
            expected="an installation that works",
            found=said[-1] if said else f"exit code {done.returncode}",
            remedy="check that packages can be installed with pip, then give the command again",
        )
