"""C and C++ programs, compiled as the documents say, against the installed package."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from emogene.capi.config import installed

from . import library as c
from .conftest import HOSTS, PROGRAMS, Build

LIBRARY = installed() / "lib" / "libemogene.so"


@pytest.fixture(scope="module")
def embed(build: Build) -> Path:
    """A plain C program."""
    return build(HOSTS / "embed.c")


def test_a_c_program_keeps_its_signals_and_its_locale(embed, run, tiny_engines):
    """Python's variables point nowhere: a service may have been started from anything."""
    said = run(embed, tiny_engines, PYTHONHOME="/nowhere", PYTHONPATH="/nowhere", LC_ALL="C.UTF-8")
    assert said == "25 frames, locale C\n"


def test_environments_that_are_named(embed, run, tiny_engines):
    assert run(embed, tiny_engines, EMOGENE_VENV=f"{sys.prefix}/") == "25 frames, locale C\n"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("EMOGENE_VENV", "expected an environment with lib/python3.x/site-packages/emogene, found"),
        ("EMOGENE_LIBPYTHON", "expected its shared library, libpython3"),
    ],
)
def test_environments_that_are_none(embed, tiny_engines, tmp_path, variable, text):
    environment = {"PATH": PROGRAMS, variable: str(tmp_path)}
    done = subprocess.run(
        [embed, tiny_engines], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr == ""
    assert text in done.stdout and str(tmp_path) in done.stdout, done.stdout


def test_an_environment_that_is_broken(embed, tiny_engines, tmp_path):
    """The package is found on disk and cannot be imported: one line, no traceback."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (tmp_path / "lib" / version / "site-packages" / "emogene").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(Path(sys.executable).resolve())
    config = Path(sys.prefix, "pyvenv.cfg").read_text()
    (tmp_path / "pyvenv.cfg").write_text(config)
    environment = {"PATH": PROGRAMS, "EMOGENE_VENV": str(tmp_path)}
    done = subprocess.run(
        [embed, tiny_engines], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr == ""
    assert "ModuleNotFoundError: No module named 'emogene." in done.stdout, done.stdout


def test_a_host_that_loads_the_library_local(build, run, tiny_engines):
    program = build(HOSTS / "local.c", linked=False)
    assert run(program, LIBRARY, tiny_engines) == "10 frames\n"


@pytest.mark.parametrize("standard", ["-std=c++17", "-std=c++20"])
def test_the_wrapper(build, run, tiny_engines, standard):
    assert run(build(HOSTS / "wrapper.cpp", standard), tiny_engines) == "all hold\n"


def test_eight_threads_with_a_session_each(build, run, tiny_engines):
    assert run(build(HOSTS / "threads.cpp"), tiny_engines) == "8 of 8 the same\n"


def test_closing_while_frames_are_pulled(build, run, tiny_engines):
    said = run(build(HOSTS / "closing.cpp"), tiny_engines).splitlines()
    assert said == [
        *["session: 1 of 1 closed while pulling"] * 5,
        "avatar: 3 of 3 closed while pulling",
    ]


def test_opening_and_closing_leaves_nothing_behind(build, run, tiny_engines):
    """1,000 sessions and 30 avatars: 27 avatars and 900 sessions after the first tenth cost less
    memory than one of those avatars holds, and not one thread or file descriptor."""
    said = run(build(HOSTS / "lifecycle.cpp"), tiny_engines, "30", "1000")
    first, last = ([int(word) for word in line.split()] for line in said.splitlines())
    # The allocator keeps what it was given back in pieces, 0 to 2 MB. A session that stayed would
    # hold its 13 kB of samples, 12 MB in all, an avatar its networks.
    assert last[0] - first[0] <= 4096, said
    assert last[1:] == first[1:], said


def test_threads_that_come_and_go_leave_nothing_behind(build, run, tiny_engines):
    """What Python keeps of a thread is some 20 kB, 36 MB of the 1,800 after the first tenth."""
    first, last = map(int, run(build(HOSTS / "visitors.cpp"), tiny_engines, "2000").split())
    assert last - first <= 2048, (first, last)


def run_python(program: str, *arguments: Path) -> tuple[int, str, str]:
    """``program`` in a Python of its own: its status, what it printed, what it complained of."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_thread_that_holds_pythons_lock_may_call(tiny_engines):
    """`ctypes.PyDLL` keeps the lock during calls, as extension modules do that do not give it back;
    threads that render meanwhile need it to go on."""
    program = """
import ctypes, sys, threading
from tests.capi import library as c
held = ctypes.PyDLL(sys.argv[1])
avatar = c.open_avatar(sys.argv[2])
session = c.open_session(avatar, size=32)
import numpy as np
c.push(session, np.zeros(32_000, np.int16))
c.library().emogene_flush(session)
thread = threading.Thread(target=lambda: [c.pull(session, 32) for _ in range(50)])
thread.start()
held.emogene_push_s16.argtypes = c.library().emogene_push_s16.argtypes
sample = np.zeros(1, np.int16)
for _ in range(200):
    assert held.emogene_push_s16(session, sample.ctypes.data, 1) == 0
thread.join()
held.emogene_close.argtypes = [ctypes.c_void_p]
assert held.emogene_close(avatar) == 0
print("done")
"""
    assert run_python(program, LIBRARY, tiny_engines) == (0, "done\n", "")


@pytest.mark.parametrize("attempt", range(4))
def test_native_threads_may_call_while_pythons_process_ends(tiny_engines, attempt):
    """Its end waits for those inside. Unwinding them in a destructor aborted the process, most of
    the time in four attempts."""
    program = """
import ctypes, sys
from tests.capi import library as c
avatar = c.open_avatar(sys.argv[1])
session, posix = c.open_session(avatar, size=32), ctypes.CDLL(None)
call, threads = ctypes.cast(c.library().emogene_flush, ctypes.c_void_p), []
for k in range(100):
    threads.append(ctypes.c_ulong())
    assert posix.pthread_create(ctypes.byref(threads[-1]), None, call, session) == 0
    if k < 90:
        posix.pthread_join(threads[-1], None)
print(len(sys._current_frames()) <= 11)
"""
    assert run_python(program, tiny_engines) == (0, "True\n", "")


def test_who_calls_after_python_began_to_end_is_turned_away(tiny_engines):
    """The thread that ends Python may go on: what it does at its end is to close what it opened."""
    program = """
import atexit, sys, threading
from tests.capi import library as c

def late():
    ending.wait()
    said.append((c.library().emogene_flush(session), c.last_error()))
    answered.set()

def ask():
    ending.set()
    answered.wait()
    print(*said[0])
    print(c.library().emogene_flush(session), c.library().emogene_close(avatar))

ending, answered, said = threading.Event(), threading.Event(), []
atexit.register(ask)  # runs after what the library registers later
threading.Thread(target=late, daemon=True).start()
avatar = c.open_avatar(sys.argv[1])
session = c.open_session(avatar, size=32)
"""
    assert run_python(program, tiny_engines) == (
        0,
        f"{c.UNAVAILABLE} Python in this process: expected to run, found that it has begun to end"
        " — call no more once the process ends\n0 0\n",
        "",
    )


def test_the_library_needs_nothing_of_python_to_load():
    """It links with the C and C++ libraries alone, so any Python serves."""
    done = subprocess.run(["ldd", LIBRARY], capture_output=True, text=True, check=True)
    assert "libstdc++" in done.stdout and "python" not in done.stdout.replace(str(LIBRARY), "")
    assert ctypes.CDLL(str(LIBRARY)).emogene_abi() == 1
