"""Where recordings are cut into clips."""

from __future__ import annotations

import numpy as np

from emogene.training.datasets.cutting import cut


def test_clips_lie_in_runs_of_valid_frames_on_one_side() -> None:
    valid = np.ones(1000, bool)
    valid[[100, 101, 420]] = False
    pieces = list(cut(valid, None, 1.0))
    for first, last, split in pieces:
        assert valid[first:last].all()
        assert 24 <= last - first <= 250
        assert (last - first) % 4 == 0
        assert split == ("training" if last <= 900 else "held_out")
        assert last <= 900 or first >= 900
    assert pieces == sorted(pieces)
    # Nothing but latents' rests and what is shorter than a second is lost.
    assert sum(last - first for first, last, _ in pieces) > 960
    assert list(cut(valid[:90], "held_out", 1.0)) == [(0, 88, "held_out")]
