"""What tests of the C ABI stand on."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.speech import spoken

from .library import library, open_avatar

HOSTS = Path(__file__).parent / "hosts"
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

Build = Callable[..., Path]
Run = Callable[..., str]


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """Most of a second of speech, no whole number of frames."""
    return spoken()[4000:18_123]


@pytest.fixture
def avatar(tiny_engines: Path) -> Iterator[ctypes.c_void_p]:
    """Handle of the tiny avatar."""
    handle = open_avatar(tiny_engines)
    yield handle
    library().emogene_close(handle)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compile a program as documents say: ``build(source, *flags)``; ``linked=False`` without
    the library."""
    folder = tmp_path_factory.mktemp("hosts")

    def built(source: Path, *flags: str, linked: bool = True) -> Path:
        is_c = source.suffix == ".c"
        compiler = os.environ.get("CC", "cc") if is_c else os.environ.get("CXX", "c++")
        standard = "-std=c99" if is_c else "-std=c++17"
        asked = "--cflags --libs" if linked else "--cflags"
        program = folder / "".join([source.stem, *(f for f in flags if f.startswith("-std"))])
        command = (
            f"{compiler} {standard} -O1 -Wall -Wextra -Wpedantic -Werror {' '.join(flags)} "
            f"{source} -o {program} $(emogene-config {asked}) -pthread -ldl"
        )
        _run(command, shell=True)
        return program

    return built


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a program that must succeed and say nothing on standard error; its standard output."""

    def ran(*command: str | Path, **environment: str) -> str:
        done = _run([str(c) for c in command], environment=environment)
        assert done.stderr == "", done.stderr
        return done.stdout

    return ran


def _run(
    command: str | list[str], shell: bool = False, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        shell=shell,
        env=os.environ | {"PATH": PROGRAMS} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.returncode}\n{done.stdout}{done.stderr}"
    return done
