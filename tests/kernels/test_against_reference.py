"""Every C++ kernel against its NumPy reference on the same inputs, with one thread and several."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from emogene.kernels.threads import ThreadPool

from .cases import EXACT, Case, cases

CASES = list(cases())


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPool]:
    with ThreadPool(3) as threads:
        yield threads


def pair(function: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The C++ function and the reference."""
    module, name = function.split(".")
    fast = importlib.import_module(f"emogene.kernels.{module}")
    slow = importlib.import_module(f"emogene.kernels.reference.{module}")
    return getattr(fast, name), getattr(slow, name)


def arrays(value: Any) -> Iterator[np.ndarray]:
    """Every array in a result or an argument, in a fixed order."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from arrays(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from arrays(getattr(value, field.name))


def assert_agree(value: Any, reference: Any, tolerance: tuple[float, float]) -> None:
    found, expected = list(arrays(value)), list(arrays(reference))
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        if tolerance == EXACT:
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, atol=tolerance[0], rtol=tolerance[1])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cpp_equals_reference(case: Case, pool: ThreadPool) -> None:
    fast, slow = pair(case.function)
    given = case.arguments()
    for_cpp, for_numpy = copy.deepcopy(given), copy.deepcopy(given)
    result = fast(**for_cpp)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = slow(**for_numpy)
    assert_agree(result, expected, case.tolerance)
    for name in given:
        assert_agree(for_cpp[name], for_numpy[name], case.tolerance)
    if "pool" in inspect.signature(fast).parameters:
        shared = copy.deepcopy(given)
        assert_agree(fast(**shared, pool=pool), result, EXACT)
        for name in given:
            assert_agree(shared[name], for_cpp[name], EXACT)


@pytest.mark.parametrize("function", sorted({case.function for case in CASES}))
def test_signatures_are_the_same(function: str) -> None:
    fast, slow = pair(function)
    assert inspect.signature(fast) == inspect.signature(slow)
