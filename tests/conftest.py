"""What tests of several parts stand on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from . import tiny_avatar

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker takes a core: networks that spread over all of them would only take turns.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # xdist's own; commands would fit their tables to a terminal that is not there.
    os.environ.pop("COLUMNS", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell lets what it runs in its background ignore Ctrl-C, and with it every program of ours.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What a test tells must not depend on how fast the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def tiny_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of the tiny avatar. Read only: copy them to change them."""
    return tiny_avatar.tiny_checkpoints(tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engine directory of the tiny avatar. Read only: copy it to change it."""
    return tiny_avatar.tiny_engine_directory(tmp_path_factory)
