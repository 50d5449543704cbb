"""Arrays of others: what is damaged or would fill the memory is refused in words."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emogene.training.datasets import array_file
from emogene.training.datasets.array_file import UnreadableArray, array_names, read_array


def packed(**arrays: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    return data.getvalue()


WHOLE = packed(points=np.arange(1000.0))


def test_arrays_come_back_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, **{"a/b.mp4": np.eye(3), "other": np.arange(4)})
    assert array_names(path) == {"a/b.mp4", "other"}
    np.testing.assert_array_equal(read_array(path, "a/b.mp4"), np.eye(3))


def flipped() -> bytes:
    changed = bytearray(WHOLE)
    changed[len(WHOLE) // 2] ^= 1  # among the numbers: the archive's checksum tells
    return bytes(changed)


def huge_header() -> bytes:
    """An array that says of itself that it has 10¹⁵ numbers, and has none."""
    data = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, header)
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("points.npy", member.getvalue())
    return data.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"words", b"PK\x03\x04 and nothing more", WHOLE[:-30], flipped(), huge_header(),
        packed(points=np.array([{}], object)), packed(others=np.eye(2)),
    ],
    ids=["empty", "text", "begun", "cut short", "flipped", "huge", "pickled", "another name"],
)  # fmt: skip
def test_what_cannot_be_read_is_said(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(UnreadableArray, match=r"\w"):
        read_array(path, "points")


@pytest.mark.parametrize("content", [None, b"", b"words", b"PK\x03\x04 and nothing more"])
def test_what_is_no_archive_has_no_names(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableArray, match=r"\w"):
        array_names(path)


def test_a_few_bytes_do_not_become_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_file, "LARGEST_ARRAY", 10_000)
    path = tmp_path / "a.npz"
    np.savez_compressed(path, points=np.zeros(100_000))
    assert path.stat().st_size < 10_000
    with pytest.raises(UnreadableArray, match="more than 10000"):
        read_array(path, "points")
