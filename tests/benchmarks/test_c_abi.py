"""The C ABI's benchmark compares the same frames."""

from __future__ import annotations

from benchmarks.c_abi import measure


def test_every_way_is_timed_on_the_same_frames(tiny_engines) -> None:
    rows = measure(tiny_engines, 32, 3, 1)
    assert [row["way"] for row in rows] == [
        "Python",
        "C, on loan",
        "C, RGB copied",
        "C, RGBA copied",
        "C, NV12 copied",
    ]
    assert all(row["ms"]["runs"] == 3 and row["ms"]["median"] > 0 for row in rows)
    assert rows[0]["over_python_ms"] == 0
