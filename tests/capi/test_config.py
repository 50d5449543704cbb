"""``emogene-config`` tells where things are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import emogene


def told(*options: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("emogene-config")
    return subprocess.run([program, *options], capture_output=True, text=True, check=False)


def test_places_exist():
    include, library = (told(f"--{name}").stdout.strip() for name in ("includedir", "libdir"))
    assert (Path(include) / "emogene.h").is_file()
    assert (Path(library) / "libemogene.so").is_file()
    assert told("--version", "--venv").stdout.split() == [sys.prefix, emogene.__version__]
    flags = told("--libs", "--cflags").stdout.split()
    assert flags == [f"-I{include}", f"-L{library}", f"-Wl,-rpath,{library}", "-lemogene"]


def test_asking_for_nothing_is_refused():
    done = told()
    assert done.returncode == 2
    assert done.stderr.startswith("error: emogene-config: expected what to tell"), done.stderr
    assert told("--nonsense").returncode == 2
