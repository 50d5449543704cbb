"""A pickled data set is read, and whatever could run in one is refused before it does."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadCheckpoint
from emogene.exporters.authors import pickles
from emogene.exporters.authors.pickles import load_pickled_dictionary


def store(path: Path, value: object, protocol: int = 4) -> Path:
    """As ``numpy.save`` stores an object: a header, then a pickle of an array of it."""
    array = np.empty((), object)
    array[()] = value
    return handwritten(path, pickle.dumps(array, protocol))


def handwritten(path: Path, program: bytes) -> Path:
    """The header of an object, and these instructions."""
    described = np.lib.format.header_data_from_array_1_0(np.empty((), object))
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, described)
        file.write(program)
    return path


VALUES: dict[str, Any] = {
    "f4": np.arange(6, dtype=np.float32).reshape(2, 3),
    "f8": np.float64([[1.5, -2.0]]),
    "big": np.arange(3, dtype=">i4"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "bool": np.array([True, False]),
    "names": np.array(["a", "bc"]),
    "empty": np.zeros((0, 4), np.float32),
    "point": np.float32(3.0),
    "whole": np.int64(7),
    "nested": [{"c2w": np.eye(4), "file": "x.png", "rect": (1, 2)}, None, True, 5, 0.5],
    "objects": np.array([{"a": 1}, "b"], dtype=object),
}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_and_values_come_back(tmp_path: Path, protocol: int) -> None:
    found = load_pickled_dictionary(store(tmp_path / "x.npy", VALUES, protocol))
    assert set(found) == set(VALUES)
    for name in ("f4", "f8", "big", "fortran", "bool", "names", "empty"):
        np.testing.assert_array_equal(found[name], VALUES[name])
        assert found[name].dtype == VALUES[name].dtype.newbyteorder("=")
        assert found[name].flags.c_contiguous
    assert (found["point"], found["whole"]) == (3.0, 7)
    np.testing.assert_array_equal(found["nested"][0]["c2w"], np.eye(4))
    assert found["nested"][0]["rect"] == [1, 2] and found["nested"][1:] == [None, True, 5, 0.5]
    assert found["objects"] == [{"a": 1}, "b"]


def test_numpys_own_file_comes_back(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", {"a": np.ones(3)}, allow_pickle=True)  # type: ignore[arg-type]
    np.testing.assert_array_equal(load_pickled_dictionary(tmp_path / "x.npy")["a"], np.ones(3))


class Calling:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call


ATTACKS: dict[str, Callable[[str], object]] = {
    "system": lambda mark: Calling(os.system, f"touch {mark}"),
    "subprocess": lambda mark: Calling(subprocess.call, ["touch", mark]),
    "eval": lambda mark: Calling(eval, f"open({mark!r}, 'w')"),
    "open": lambda mark: Calling(open, mark, "w"),
    "import": lambda mark: Calling(__import__, "antigravity"),
    "torch": lambda mark: torch.ones(2),
    "load": lambda mark: Calling(np.load, mark),
    "object": lambda mark: Path(mark),
}


@pytest.mark.parametrize("attack", list(ATTACKS))
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"id": v}, lambda v: {"a": [{"b": v}]}])
def test_calls_are_refused_and_never_made(
    tmp_path: Path, attack: str, wrap: Callable[[object], object]
) -> None:
    mark = tmp_path / "mark"
    path = store(tmp_path / "x.npy", wrap(ATTACKS[attack](str(mark))))
    with pytest.raises(BadCheckpoint, match=r"a call of .* do not open it"):
        load_pickled_dictionary(path)
    assert not mark.exists()


def test_a_pickle_without_numpys_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(pickle.dumps(Calling(os.system, f"touch {tmp_path / 'mark'}")))
    with pytest.raises(BadCheckpoint, match=r"expected the trainval_dataset\.npy"):
        load_pickled_dictionary(path)
    assert not (tmp_path / "mark").exists()


def array_state(shape: object, dtype: object, content: object) -> object:
    """A pickle that rebuilds an array from this state, whatever it is."""

    class Forged:
        def __reduce__(self) -> tuple[Any, ...]:
            start = (np.ndarray, (0,), b"b")
            return np.ones(1).__reduce__()[0], start, (1, shape, dtype, False, content)  # type: ignore[index]

    return Forged()


@pytest.mark.parametrize(
    "shape, dtype, content",
    [
        ((1 << 40,), np.dtype("f4"), b"\0" * 16),
        ((4,), np.dtype("f4"), b"\0" * 8),
        ((-1,), np.dtype("f4"), b""),
        ((2,), np.dtype("O"), b"\0" * 16),
        ((2,), np.dtype("O"), [1]),
        ((1,), np.dtype("V8"), b"\0" * 8),
        ((1,), "f4", b"\0" * 4),
        ("ab", np.dtype("f4"), b""),
    ],
)
def test_forged_arrays_are_refused(
    tmp_path: Path, shape: object, dtype: object, content: object
) -> None:
    path = store(tmp_path / "x.npy", {"a": array_state(shape, dtype, content)})
    with pytest.raises(BadCheckpoint, match="expected the trainval_dataset"):
        load_pickled_dictionary(path)


def test_values_that_hold_each_other_a_million_times_are_read_once(tmp_path: Path) -> None:
    value: list[Any] = [0.0]
    for _ in range(4):
        value = [value] * 40
    found = load_pickled_dictionary(store(tmp_path / "x.npy", {"a": value}))
    assert len(found["a"]) == 40 and found["a"][0] is found["a"][39]


@pytest.mark.parametrize("depth", [30, 100_000])
def test_endless_nesting_is_refused(tmp_path: Path, depth: int) -> None:
    program = b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b"."
    with pytest.raises(BadCheckpoint, match=r"nested too deeply|RecursionError"):
        load_pickled_dictionary(handwritten(tmp_path / "x.npy", program))


def test_a_name_of_a_high_number_takes_no_memory(tmp_path: Path) -> None:
    """LONG_BINPUT: the reader in C would make room for all names below it, here 34 GB."""
    path = handwritten(tmp_path / "x.npy", b"\x80\x04]r\xff\xff\xff\x7f.")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadCheckpoint, match="found list"):
        load_pickled_dictionary(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("opcode", [b"\x8e", b"\x96", b"\x8d", b"\x95"])
def test_a_length_that_is_not_there_is_refused(tmp_path: Path, opcode: bytes) -> None:
    """BINBYTES8, BYTEARRAY8, BINUNICODE8 and FRAME of a terabyte."""
    length = (1 << 40).to_bytes(8, "little")
    path = handwritten(tmp_path / "x.npy", b"\x80\x05" + opcode + length + b".")
    with pytest.raises(BadCheckpoint, match="expected the trainval_dataset"):
        load_pickled_dictionary(path)


@pytest.mark.parametrize("name", [b"numpy.core.multiarray\nscalar", b"_codecs\nencode"])
def test_a_pickle_cannot_change_what_reads_it(tmp_path: Path, name: bytes) -> None:
    """BUILD with attributes would set them on our own classes and functions."""
    program = b"\x80\x04c" + name + b"\n(N}X\x04\x00\x00\x00realX\x01\x00\x00\x00xstb."
    with pytest.raises(BadCheckpoint, match="a state of something that has none"):
        load_pickled_dictionary(handwritten(tmp_path / "x.npy", program))
    assert callable(pickles.PickledScalar.real) and not hasattr(pickles._encode, "real")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(BadCheckpoint, match="no regular file"):
        load_pickled_dictionary(tmp_path / "x.npy")


@pytest.mark.parametrize("cut", [0, 5, 90, -1])
def test_a_cut_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = store(tmp_path / "x.npy", VALUES)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BadCheckpoint, match="copy it again"):
        load_pickled_dictionary(path)


def test_other_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadCheckpoint, match="No such file"):
        load_pickled_dictionary(tmp_path / "none.npy")
    np.save(tmp_path / "plain.npy", np.ones(3))
    with pytest.raises(BadCheckpoint, match=r"an array of float64 \(3,\)"):
        load_pickled_dictionary(tmp_path / "plain.npy")
    with pytest.raises(BadCheckpoint, match="found list"):
        load_pickled_dictionary(store(tmp_path / "list.npy", [1]))
    monkeypatch.setattr(pickles, "LARGEST", 10)
    with pytest.raises(BadCheckpoint, match="more than 10"):
        load_pickled_dictionary(tmp_path / "plain.npy")
