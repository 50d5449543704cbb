"""``python -m benchmarks.plot_live live.png``: a live session, frame by frame.

Runs one in real time, with a microphone that is silent, speaks, changes the emotion, is interrupted
and falls silent. Draws some of its frames, the mouth, how far the head turned from frame to frame,
and how soon everything was answered. Needs matplotlib (``emogene[train]``) and a machine that does
nothing else for the seven seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from emogene.runtime.avatar import available_threads
from emogene.runtime.command_line import run

from .command import Picture, new_app
from .live.story import EMOTION, Story, chosen, tell

app = new_app()

SIZE = 192
COLUMNS = 8
COLOURS = {"speech": "#2a6f97", "emotion": "#e07a1f", "interrupt": "#b23a48"}


def draw(story: Story, output: Path) -> None:
    """Write the picture of a story."""
    frames = chosen(story, 2 * COLUMNS)
    figure = plt.figure(figsize=(12, 7.4), layout="constrained")
    grid = figure.add_gridspec(4, COLUMNS, height_ratios=(1.6, 1.6, 1.2, 1.2))
    for place, index in enumerate(frames):
        axes = figure.add_subplot(grid[place // COLUMNS, place % COLUMNS])
        axes.imshow(story.frames[index].image)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_xlabel(_state(story, index), fontsize=8)
    mouth, turns = (figure.add_subplot(grid[row, :]) for row in (2, 3))
    times = [frame.time for frame in story.frames]
    mouth.plot(times, story.opened, color="#444444", linewidth=1)
    mouth.set_ylabel("mouth open, px at 512²", fontsize=8)
    turns.plot(times, story.turned, color="#444444", linewidth=1)
    turns.set_ylabel("head turns, ° a frame", fontsize=8)
    turns.set_xlabel("seconds of the stream; grey: frames that are idle; dots: the pictures above")
    for axes in (mouth, turns):
        _mark(axes, story, frames)
    mouth.legend(fontsize=7, loc="upper right")
    figure.savefig(output, dpi=90)
    plt.close(figure)


def _state(story: Story, index: int) -> str:
    frame = story.frames[index]
    state = "idle" if frame.idle else "speaks" if frame.audio.any() else "falls silent"
    return f"{frame.time:.2f} s\n{state}, {frame.emotion}"


def _mark(axes: Any, story: Story, frames: list[int]) -> None:
    for frame in story.frames:
        if frame.idle:
            axes.axvspan(frame.time, frame.time + 0.04, color="#eeeeee", linewidth=0)
    line = axes.lines[0]
    axes.plot(
        line.get_xdata()[frames], line.get_ydata()[frames], "o", color="#444444", markersize=3
    )
    for name, (index, milliseconds) in story.answers.items():
        label = {"speech": "first word", "emotion": EMOTION}.get(name, name)
        axes.axvline(
            story.frames[index].time,
            color=COLOURS[name],
            linestyle="--",
            label=f"{label}: shown {milliseconds:.0f} ms after it was pushed or called",
        )
    axes.set_xlim(0, story.frames[-1].time + 0.04)
    axes.set_ylim(bottom=0)


@app.command()
def plot_live(picture: Picture) -> None:
    """Run a session on a clock and draw it."""
    draw(tell(SIZE, available_threads()), picture)


if __name__ == "__main__":
    run(app)
