"""One pool, many users."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.errors import BadOption, SessionMisuse
from emogene.kernels.grids import encode, encode_backward
from emogene.kernels.threads import ThreadPool
from tests.patience import PATIENCE

from . import scenes


def work(pool: ThreadPool | None, seed: int) -> np.ndarray:
    grid = scenes.GRIDS["wrapped by mask"]
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(grid.entries, 2)).astype(np.float32)
    u = rng.random((3000, 3)).astype(np.float32)
    rows = encode(grid, table, u, pool=pool)
    grad_table, grad_u = encode_backward(grid, table, u, rows, coordinates_too=True, pool=pool)
    return np.concatenate([rows.ravel(), grad_table.ravel(), grad_u.ravel()])


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_results_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    with ThreadPool(threads) as pool:
        np.testing.assert_array_equal(work(pool, 1), work(None, 1))


def test_callers_on_many_threads_share_a_pool() -> None:
    with ThreadPool(3) as pool, ThreadPoolExecutor(6) as callers:
        found = list(callers.map(lambda seed: work(pool, seed), range(12)))
    for seed, value in enumerate(found):
        np.testing.assert_array_equal(value, work(None, seed))


def test_close_waits_for_running_kernels_and_may_be_repeated() -> None:
    pool = ThreadPool(2)
    work(pool, 1)
    failures: list[BaseException] = []

    def until_closed() -> None:
        try:
            while True:
                work(pool, 2)
        except SessionMisuse:
            return
        except BaseException as error:
            failures.append(error)

    users = [threading.Thread(target=until_closed) for _ in range(3)]
    for user in users:
        user.start()
    pool.close()
    pool.close()
    for user in users:
        user.join(PATIENCE)
        assert not user.is_alive()
    assert not failures


def test_a_closed_pool_says_so() -> None:
    with ThreadPool(2) as pool:
        pass
    with pytest.raises(SessionMisuse, match="closed"):
        work(pool, 1)


def test_a_pool_needs_a_thread() -> None:
    with pytest.raises(BadOption, match="at least 1"):
        ThreadPool(0)


ABANDONING = """
import os
from emogene.kernels.threads import ThreadPool
from tests.kernels.test_threads import work
from tests.patience import eventually

def threads():
    return len(os.listdir("/proc/self/task"))

before = threads()
pool = ThreadPool(4)
work(pool, 1)
assert threads() == before + 3
del pool
eventually(lambda: threads() == before)  # a thread that was joined may still be listed
"""


def test_an_abandoned_pool_ends_its_threads() -> None:
    """In a process whose threads nothing else starts or ends."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", ABANDONING], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
