"""Eq. 10 and Algorithm 1, with known answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from emogene.contract.errors import BadOption
from emogene.contract.motion import IdleSpec
from emogene.runtime.poses.idle import (
    Segment,
    build_idle_track,
    insert_segments,
    run_lengths,
    sample_segments,
    still_pairs,
)

from .pose_tracks import track


def test_runs() -> None:
    assert run_lengths(np.array([1, 1, 0, 1, 0, 0, 1, 1, 1], bool)) == [2, 1, 3]
    assert run_lengths(np.zeros(4, bool)) == run_lengths(np.zeros(0, bool)) == []


def test_still_poses_are_found_with_the_tolerance() -> None:
    poses = track([0, 0, 0, 1, 2, 2, 3])
    found = still_pairs(poses, IdleSpec(), "tolerant")
    assert found.tolist() == [True, True, False, False, True, False]


def test_the_tolerance_decides_what_counts_as_still() -> None:
    poses = track([0, 1])
    assert not still_pairs(poses, IdleSpec(tolerance=1e-9), "tolerant").any()
    assert still_pairs(poses, IdleSpec(tolerance=1e-2), "tolerant").all()


def test_the_literal_rule_is_decided_by_rounding() -> None:
    # Poses that do not move at all: their float32 cosine is 1, or the next number below it.
    found = []
    for angle in range(40):
        found += still_pairs(track([angle, angle]), IdleSpec(), "strict").tolist()
    assert 0 < sum(found) < len(found)


def answers(*lengths: int) -> Iterator[int]:
    yield from lengths


def test_algorithm_1_by_hand() -> None:
    drawn = answers(3, 2, 4, 2)
    asked: list[tuple[int, int]] = []

    def draw(low: int, high: int) -> int:
        asked.append((low, high))
        return next(drawn)

    segments = sample_segments(20, 2, 4, 3, draw)
    # 0…2, gap 3…5; 6…7, gap 8…10; 11…14, gap 15…17; a length is drawn at 18, but 19 + 3 ≥ 20.
    assert segments == (Segment(0, 3), Segment(6, 2), Segment(11, 4))
    assert asked == [(2, 4), (2, 4), (2, 4), (2, 2)]


def test_algorithm_1_stops_where_the_shortest_does_not_fit() -> None:
    assert sample_segments(5, 6, 8, 0, lambda low, high: low) == ()
    assert sample_segments(10, 4, 4, 1, lambda low, high: low) == (Segment(0, 4), Segment(5, 4))


def test_a_segment_is_inserted_as_copies_of_the_pose_it_starts_from() -> None:
    inserted = insert_segments(6, (Segment(1, 2), Segment(4, 3)))
    assert inserted.tolist() == [0, 1, 1, 1, 2, 3, 4, 4, 4, 4, 5]
    assert insert_segments(3, ()).tolist() == [0, 1, 2]


def poses_with_pauses() -> NDArray[np.float32]:
    """Pauses of 4, 7 and 10 equal pairs between movements."""
    angles: list[float] = []
    for pause in (4, 7, 10):
        angles += [angles[-1] if angles else 0.0] * (pause + (not angles))
        angles += [angles[-1] + step for step in range(1, 20)]
    return track(angles)


def test_the_track_has_the_lengths_of_the_pauses_and_the_gap() -> None:
    poses, spec = poses_with_pauses(), IdleSpec(gap=9)
    made = build_idle_track(poses, spec, "tolerant", seed=1)
    lengths = [s.length for s in made.segments]
    assert len(lengths) >= 3 and min(lengths) >= 4 and max(lengths) <= 10
    ends = [s.start + s.length for s in made.segments]
    assert all(b.start - a == 9 for a, b in zip(ends, made.segments[1:], strict=False))
    assert len(made.source) == len(poses) + sum(lengths)
    assert (np.diff(made.source) >= 0).all() and (np.diff(made.source) <= 1).all()


def test_the_seed_decides_the_track() -> None:
    poses = poses_with_pauses()
    tracks = [build_idle_track(poses, IdleSpec(gap=3), "tolerant", seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(tracks[0].source, tracks[1].source)
    assert tracks[0].segments != tracks[2].segments


def test_poses_that_never_stand_still() -> None:
    poses = track(range(30))
    made = build_idle_track(poses, IdleSpec(), "tolerant", seed=0)
    assert made.segments == () and made.source.tolist() == list(range(30))
    with pytest.raises(BadOption, match=r"none among 30 — use the tolerant rule"):
        build_idle_track(track(np.linspace(0, 300, 30)), IdleSpec(), "strict", seed=0)


def test_one_pose_is_a_track() -> None:
    assert build_idle_track(track([5]), IdleSpec(), "tolerant", seed=0).source.tolist() == [0]


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(BadOption, match="one of tolerant, strict"):
        build_idle_track(track([5]), IdleSpec(), "lenient", seed=0)  # type: ignore[arg-type]
