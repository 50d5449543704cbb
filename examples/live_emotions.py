"""Push speech in pieces as it comes, change the emotion on the way, pull frames.

python examples/live_emotions.py speech.wav out.mp4
"""

from __future__ import annotations

import sys

import emogene
from emogene.runtime.audio.load import as_chunks
from emogene.runtime.sinks import open_sink

SIZE = 256


def main(speech: str, output: str) -> None:
    """Begin neutral; then happy after the first second, surprised after the next, neutral again."""
    moods = iter(("happy", "surprise"))
    with (
        emogene.open() as avatar,
        avatar.session(emotion="neutral", seed=3, size=SIZE) as session,
        open_sink(output, (SIZE, SIZE)) as video,
    ):
        for chunk in as_chunks(speech):
            for start in range(0, len(chunk), 16_000):
                session.push(chunk[start : start + 16_000])
                session.set_emotion(next(moods, "neutral"))
        session.flush()
        for frame in session:
            video.write(frame)
            print(f"{frame.time:5.2f} s  {frame.emotion}{'  (idle)' if frame.idle else ''}")


if __name__ == "__main__":
    main(*sys.argv[1:])
