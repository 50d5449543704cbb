"""``python -m benchmarks.live``: windows, pictures, first frames and interruption in one run.

Prints tables and writes JSON with the machine, the versions and the commit.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.console import Console

from emogene.contract.weights import POSES
from emogene.runtime.avatar import Avatar, available_threads
from emogene.runtime.command_line import run
from emogene.runtime.loading import load_engine_directory
from emogene.runtime.profiles import LIVE
from emogene.runtime.speech.networks import SpeechNetworks

from .. import machine
from ..command import EngineDir, Output, Side, Threads, new_app, plain, write
from ..report import tables
from .pictures import measure_pictures
from .response import measure_first_frames, measure_interruption
from .windows import measure_windows, tried, utterances

app = new_app()


@app.command()
def live(
    engine_dir: EngineDir = None,
    size: Side = 512,
    threads: Threads = 0,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Speech the windows are compared on.")
    ] = 0.7,
    count: Annotated[int, typer.Option(min=1, help="First frames that are waited for.")] = 24,
    output: Output = None,
) -> None:
    """What the live profile changes and costs, and how soon it answers."""
    threads, console = threads or available_threads(), Console()
    told, samples = machine.describe(), utterances(minutes)
    loaded = load_engine_directory(engine_dir, threads)
    manifest, runners = loaded.manifest, loaded.runners
    networks = SpeechNetworks.of(manifest, runners)
    profiles = list(tried())
    windows = measure_windows(
        networks, samples, loaded.weights[POSES][0], manifest.camera, profiles
    )
    avatar = Avatar(loaded, threads)
    first = measure_first_frames(avatar, samples[0], size, count)
    interruption = measure_interruption(loaded, threads, samples[:1])
    pictures = [
        measure_pictures(avatar, [said], emotion, size)
        for said, emotion in zip(samples, ("neutral", "happy"), strict=False)
    ]
    result = {
        "machine": told,
        "avatar": manifest.name,
        "threads": threads,
        "seconds": sum(map(len, samples)) / 16_000,
        "delay_frames": LIVE.delay,
        "windows": plain(windows),
        "pictures": plain(pictures),
        "first_frames": dataclasses.asdict(first),
        "interruption": dataclasses.asdict(interruption),
    }
    avatar.close()
    for shown in tables(result):
        console.print(shown.table())
    if output is not None:
        write(result, output)


if __name__ == "__main__":
    run(app)
