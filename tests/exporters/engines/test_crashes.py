"""Whatever befalls the worker, or us: one clear error, no process and no file left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emogene.contract.errors import BadOutput, Failure
from emogene.exporters.engines import build
from emogene.exporters.engines.build import Progress, build_engine
from tests.patience import eventually

from . import networks

pytestmark = pytest.mark.usefixtures("rtx")

PHASES = (
    "loading",
    "parsing",
    "Building engine",
    "Cloning network graph",
    "Preparing graph for optimization",
    "Optimizing graph",
    "Computing profile costs",
    "Determining refit engines",
    "writing",
)

SICK = """
import os, sys
from emogene.exporters.engines import worker

healthy = worker.Events.phase

def phase(self, name, fraction):
    healthy(self, name, fraction)
    if name == sys.argv[1]:
        print("a last word", file=sys.stderr, flush=True)
        os.kill(os.getpid(), int(sys.argv[2]))

worker.Events.phase = phase
worker.main()
"""
"""The worker, but in one phase it sends itself a signal."""

PARENT = """
import os, signal, sys
from pathlib import Path
from emogene.exporters.engines.build import build_engine
from tests.exporters.engines import networks

def killed(progress):
    if progress.phase == "Optimizing graph":
        os.kill(os.getpid(), signal.SIGKILL)

build_engine(networks.request(Path(sys.argv[1])), Path(sys.argv[2]), killed)
"""
"""A program that builds an engine and is killed while the worker is at it."""


def children() -> set[int]:
    """Processes started here that were not waited for."""
    here = Path("/proc/self/task")
    return {int(pid) for task in here.iterdir() for pid in (task / "children").read_text().split()}


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


def sick(phase: str, number: int) -> tuple[str, ...]:
    return (sys.executable, "-c", SICK, phase, str(number))


@pytest.mark.parametrize("phase", PHASES)
def test_killed_in_every_phase(
    phase: str, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "e.engine"
    target.write_bytes(b"the old engine")
    monkeypatch.setattr(build, "WORKER", sick(phase, signal.SIGKILL))
    with pytest.raises(Failure, match=f"stage density.*killed by SIGKILL in phase '{phase}'") as e:
        build_engine(networks.request(mlp), target)
    assert "a last word" in e.value.found
    assert "ran out of memory" in e.value.remedy and "see it again with: echo" in e.value.remedy
    assert [p.name for p in tmp_path.iterdir()] == ["e.engine"]
    assert target.read_bytes() == b"the old engine"


def test_a_segmentation_fault_and_where_it_was(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "WORKER", sick("Optimizing graph", signal.SIGSEGV))
    with pytest.raises(Failure, match="killed by SIGSEGV in phase 'Optimizing graph'"):
        build_engine(networks.request(mlp), tmp_path / "e.engine")
    assert not list(tmp_path.iterdir())


def test_a_worker_that_cannot_start(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "WORKER", (sys.executable, "-c", "raise SystemExit('no such land')"))
    with pytest.raises(Failure, match=r"exit code 1 in phase 'starting'; .* no such land"):
        build_engine(networks.request(mlp), tmp_path / "e.engine")
    assert not list(tmp_path.iterdir())


def test_a_worker_that_dies_in_the_middle_of_a_word(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = """printf '{"event": "phase", "name": "parsing", "fraction": 0}\n{"ev'; kill -9 $$"""
    monkeypatch.setattr(build, "WORKER", ("sh", "-c", dying))
    with pytest.raises(Failure, match="killed by SIGKILL in phase 'parsing'"):
        build_engine(networks.request(mlp), tmp_path / "e.engine")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("phase", ["loading", "Optimizing graph", "writing"])
def test_an_interrupt_ends_the_worker(phase: str, mlp: Path, tmp_path: Path) -> None:
    running: set[int] = set()

    def interrupted(progress: Progress) -> None:
        if progress.phase == phase:
            running.update(children())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engine(networks.request(mlp), tmp_path / "e.engine", interrupted)
    assert running and not running & children()
    assert not list(tmp_path.iterdir())


def test_the_command_of_a_failure_shows_it_again(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(build, "WORKER", sick("writing", signal.SIGKILL))
        with pytest.raises(Failure) as failed:
            build_engine(networks.request(mlp), tmp_path / "e.engine")
    command = failed.value.remedy.partition("again with: ")[2]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode in (137, -signal.SIGKILL), done
    assert '"name": "writing"' in done.stdout and "a last word" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_killed_parent_leaves_neither_worker_nor_file(mlp: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, str(mlp), str(tmp_path / "e.engine")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    eventually(lambda: not list(tmp_path.iterdir()))


def test_a_file_that_may_not_grow(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = ("bash", "-c", 'ulimit -f 100; exec "$@"', "worker", *build.WORKER)
    monkeypatch.setattr(build, "WORKER", limited)
    with pytest.raises(BadOutput, match=r"e\.engine.*the largest file allowed there"):
        build_engine(networks.request(mlp), tmp_path / "e.engine")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_meanwhile(mlp: Path, small_disk: Path) -> None:
    def filled(progress: Progress) -> None:
        if progress.phase == "parsing":
            with (small_disk / "other").open("wb") as file:
                file.write(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - 20_000))

    with pytest.raises(BadOutput, match="no space left on the disk"):
        build_engine(networks.request(mlp), small_disk / "e.engine", filled)
    assert [p.name for p in small_disk.iterdir()] == ["other"]
    with pytest.raises(BadOutput, match="MB free for the engine of density, found 0 MB"):
        build_engine(networks.request(mlp), small_disk / "e.engine")
    (small_disk / "other").unlink()
    assert build_engine(networks.request(mlp), small_disk / "e.engine").size > 0
