"""Refuse an mp4 that is not 512 × 512 at 25 frames a second with sound of the same length."""

from __future__ import annotations

import sys

import av

with av.open(sys.argv[1]) as movie:
    video, audio = movie.streams.video[0], movie.streams.audio[0]
    frames = sum(1 for _ in movie.decode(video))
    assert (video.width, video.height) == (512, 512), (video.width, video.height)
    assert video.average_rate == 25, video.average_rate
with av.open(sys.argv[1]) as movie:
    audio = movie.streams.audio[0]
    seconds = sum(block.samples for block in movie.decode(audio)) / audio.rate
assert abs(seconds - frames / 25) <= 0.08, (seconds, frames)  # one frame, and AAC's last block
print(f"{sys.argv[1]}: {frames} frames, {seconds:.2f} s of sound")
