"""``python -m benchmarks.soak``: a live session without end, and many sessions on one avatar.

Prints what it measures and writes JSON with the machine, the versions and the commit.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.console import Console

import emogene
from emogene.runtime.avatar import available_threads
from emogene.runtime.command_line import run

from . import machine
from .command import EngineDir, Output, Side, Threads, new_app, plain, write
from .endless import EndlessRun, measure_endless
from .sharing import FullSpeed, RealTime, measure_full_speed, measure_real_time

app = new_app()


@app.command()
def soak(
    engine_dir: EngineDir = None,
    minutes: Annotated[
        float, typer.Option(help="Of the session without end; 0 leaves it out.")
    ] = 1,
    warm_up: Annotated[float, typer.Option(help="Seconds of it left out of the slopes.")] = 60,
    seconds: Annotated[
        float, typer.Option(help="Of each of the measurements with many sessions; 0 leaves out.")
    ] = 6,
    size: Side = 128,
    sessions: Annotated[int, typer.Option(help="Sessions at once.")] = 8,
    threads: Threads = 0,
    output: Output = None,
) -> None:
    """Memory and lips of a long live session, and how many sessions share one avatar."""
    told, console = machine.describe(), Console()
    endless: EndlessRun | None = None
    full: list[FullSpeed] = []
    real: list[RealTime] = []
    with emogene.open(engine_dir, threads=threads or available_threads()) as avatar:
        if seconds:
            full = [measure_full_speed(avatar, count, size, seconds) for count in (1, sessions)]
            real = [
                measure_real_time(avatar, count, size, seconds, beside_a_file=beside)
                for count, beside in ((1, False), (sessions, False), (sessions // 2, True))
            ]
        if minutes:
            endless = measure_endless(avatar, size, 60 * minutes, warm_up)
        result = {
            "machine": told,
            "avatar": avatar.name,
            "threads": avatar.threads,
            "renderer": avatar.renderer_choice.used,
            "full_speed": plain(full),
            "real_time": plain(real),
            "endless": None if endless is None else dataclasses.asdict(endless),
        }
    for row in full:
        console.print(
            f"{row.sessions} sessions at full speed, {row.size}²: {row.frames_per_second:.0f} "
            f"frames a second, {row.fewest} … {row.most} each, {row.busy:.0%} busy"
        )
    for beat in real:
        console.print(
            f"{beat.sessions} sessions in real time{', a file beside' * beat.beside_a_file}: "
            f"{beat.late:.2%} of {beat.frames} frames late (worst session {beat.most_late:.2%}), "
            f"{beat.dropped} dropped, {beat.slipped} slipped, {beat.waited_ms:.2f} ms waited"
        )
    if endless is not None:
        console.print(
            f"{endless.minutes_of_sound:.1f} minutes of sound in {endless.seconds / 60:.1f}: "
            f"{endless.slope:+.2f} MB in 10 minutes, {endless.slope_of_sound:+.3f} in 10 of sound, "
            f"{endless.misplaced} frames misplaced, lips {endless.lips[0]} → {endless.lips[1]} "
            f"frames behind the sound"
        )
    if output is not None:
        write(result, output)


if __name__ == "__main__":
    run(app)
