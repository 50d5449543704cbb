"""An import that is interrupted or killed: what stood there stays, and it can be called again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emogene.exporters.commands import app
from emogene.reference.avatar import ReferenceAvatar
from emogene.runtime.command_line import INTERRUPTED, exit_code

from .checkpoints import Folders

STOPPED = """
import os, sys
import emogene.reference.avatar as avatar
from emogene.exporters.commands import app
from emogene.runtime.command_line import run

number = int(sys.argv.pop(1))
write, written = avatar.save_network, []

def stopping(folder, network, half=False):
    if len(written) == 2:
        os.kill(os.getpid(), number)
    written.append(folder)
    write(folder, network, half)

avatar.save_network = stopping
run(app, sys.argv[1:])
"""
"""The command, given a signal when two networks of its folder are written."""


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_an_import_that_is_stopped(folders: Folders, tmp_path: Path, kind: signal.Signals) -> None:
    target = tmp_path / "imported"
    words = ["import", *folders.arguments(), "--name", "person", "-o", str(target)]
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, str(int(kind)), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (INTERRUPTED if kind == signal.SIGINT else -kind)
    assert "Traceback" not in done.stderr and "error:" not in done.stderr
    assert not target.exists()
    if kind == signal.SIGINT:
        assert not list(tmp_path.iterdir())
    assert exit_code(app, words) == 0
    first = ReferenceAvatar.load(target)
    assert first.card.name == "person"
    # An avatar that stands there is replaced by one that is whole, or not at all.
    before = {p.name: p.stat().st_ino for p in target.iterdir()}
    subprocess.run(
        [sys.executable, "-c", STOPPED, str(int(kind)), *words], capture_output=True, check=False
    )
    assert {p.name: p.stat().st_ino for p in target.iterdir()} == before
