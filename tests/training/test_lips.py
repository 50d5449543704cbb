"""Closed lips are counted where they must be closed, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.landmarks import LOWER_LIP_CENTRE, UPPER_LIP_CENTRE
from emogene.training.demo.speech.phones import PhoneSegment
from emogene.training.lips import CLOSED, Closures, closing_frames, closures, mouth_opening


def face(openings: list[float]) -> np.ndarray:
    landmarks = np.zeros((len(openings), 68, 3), np.float32)
    landmarks[:, UPPER_LIP_CENTRE, 1] = 0.1
    landmarks[:, LOWER_LIP_CENTRE, 1] = 0.1 - np.array(openings)
    return landmarks


def test_the_opening_is_measured_between_the_inner_lips() -> None:
    np.testing.assert_allclose(mouth_opening(face([0.0, 0.2])), [0.0, 0.2], atol=1e-6)


@pytest.mark.parametrize(
    ("openings", "closed"),
    [
        ([0.1, 0.1, 0.1, 0.0, 0.1, 0.1, 0.1], 1),  # inside
        ([0.1, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1], 1),  # a frame early
        ([0.1, 0.1, 0.1, 0.1, 0.0, 0.1, 0.1], 1),  # a frame late
        ([0.1, 0.0, 0.1, 0.1, 0.1, 0.0, 0.1], 0),  # two frames off
        ([0.0, 0.1, 0.1, CLOSED + 1e-3, 0.1, 0.1, 0.0], 0),  # not near enough
    ],
)
def test_a_closure_counts_inside_its_sound_and_a_frame_around(
    openings: list[float], closed: int
) -> None:
    segments = [
        PhoneSegment("AA", 0.0, 0.125),
        PhoneSegment("B", 0.125, 0.155),
        PhoneSegment("AA", 0.155, 0.28),
    ]
    assert closures(face(openings), segments) == Closures(closed, 1)


def test_sounds_beyond_the_end_and_other_sounds_are_not_judged() -> None:
    beyond = [PhoneSegment("M", 0.2, 0.4), PhoneSegment("F", 0.0, 0.1)]
    judged = closures(face([0.1] * 5), beyond)
    assert judged == Closures(0, 0) and np.isnan(judged.rate)
    assert (Closures(1, 2) + Closures(2, 2)).rate == 0.75


def test_closing_frames_are_those_that_hear_p_b_or_m() -> None:
    segments = [PhoneSegment("AA", 0.0, 0.08), PhoneSegment("P", 0.08, 0.16),
                PhoneSegment("AA", 0.16, 0.4)]  # fmt: skip
    assert closing_frames(segments, 6).tolist() == [False, False, True, True, False, False]
