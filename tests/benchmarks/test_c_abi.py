"""The C ABI's benchmark compares the same frames."""

from __future__ import annotations

from benchmarks.c_abi.measure import measure


def test_every_way_is_timed_on_the_same_frames(tiny_engines) -> None:
    rows = measure(tiny_engines, 32, 3, 1)
    assert [row["way"] for row in rows] == [
        "Python",
        "Python, RGB copied",
        "Python, RGBA copied",
        "C, on loan",
        "C, RGB copied",
        "C, RGBA copied",
        "C, NV12 copied",
    ]
    assert all(row["ms"]["runs"] == 3 and row["ms"]["median"] > 0 for row in rows)
    assert rows[0]["over_python_ms"] == 0
    assert [row["over_the_same_ms"] for row in rows[:3]] == [0, 0, 0]
