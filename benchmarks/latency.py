"""``python -m benchmarks.latency``: machine, stages, frames, speech and memory in one run.

Prints tables and writes JSON with the machine, the versions and the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from emogene.contract.errors import BadOption
from emogene.exporters.built_in import checkpoints_folder
from emogene.exporters.tools import checkpoint_hash
from emogene.kernels import instructions
from emogene.reference.avatar import ReferenceAvatar
from emogene.runtime.avatar import Avatar, available_threads
from emogene.runtime.backends.providers import CPU
from emogene.runtime.command_line import run
from emogene.runtime.loading import Loaded, load_engine_directory
from emogene.runtime.render.quality import BALANCED, FAST

from . import machine
from .command import EngineDir, OptionalPath, Output, Threads, new_app, plain, write
from .deadlines import measure_deadlines
from .frames import Bench, FrameRow, contenders
from .pipeline import measure_memory, measure_speech
from .recorded import record
from .report import tables
from .stages import measure_stages

app = new_app()


@app.command()
def latency(
    engine_dir: EngineDir = None,
    checkpoints: Annotated[
        OptionalPath,
        typer.Option(help="Checkpoints it was built from (default: the built-in avatar's)."),
    ] = None,
    size: Annotated[
        list[int],
        typer.Option(help="Sides of the pictures, pixels; with the first all is compared."),
    ] = [512, 256, 384, 1024],  # noqa: B006
    threads: Threads = 0,
    frames: Annotated[int, typer.Option(help="Recorded frames that are rendered.")] = 24,
    seconds: Annotated[
        float, typer.Option(help="Seconds of speech to make an mp4 of, from a file and live.")
    ] = 60.0,
    budget: Annotated[float, typer.Option(help="Seconds to spend on each comparison.")] = 20.0,
    minutes: Annotated[
        float, typer.Option(help="Minutes of speech for the memory's measurement; 0 leaves it out.")
    ] = 0.0,
    output: Output = None,
) -> None:
    """Latency of every stage, frames by every renderer, whole speeches and a live session."""
    count, console = threads or available_threads(), Console()
    with checkpoints_folder(checkpoints) as folder:
        reference, built_from = ReferenceAvatar.load(folder), checkpoint_hash(folder)
    loaded = {n: load_engine_directory(engine_dir, n, CPU) for n in sorted({1, count})}
    main = loaded[count]
    if main.manifest.checkpoint != built_from:
        raise BadOption(
            "--checkpoints",
            expected=f"those {main.path} was built from ({main.manifest.checkpoint[:16]}…)",
            found=f"others ({built_from[:16]}…)",
            remedy="name its checkpoints folder: two avatars say nothing about each other",
        )
    told = machine.describe()
    peaks = {n: machine.measure_peaks(n) for n in loaded}
    stages = list(measure_stages(reference, main, count, budget / 20))
    moments = record(main, count, frames)

    console.print("frames …")
    bench = Bench(main, moments, size[0], count, peaks[count])
    compared = bench.measure(contenders(), budget, reference)
    head = bench.head_ms(instructions.chosen(), budget / 10)
    bench.close()
    console.print("sizes …")
    sizes = [
        row
        for side in sorted(size)
        for n in loaded
        for row in measure_size(loaded[n], moments, side, n, peaks[n], budget / 5)
    ]
    console.print("speech …")
    speech = [measure_speech(main, count, size[0], seconds, q.name) for q in (BALANCED, FAST)]
    console.print("live …")
    live = [measure_deadlines(Avatar(main, count), count, size[0], seconds)]
    memory = [measure_memory(main.path, minutes, 128)] if minutes else []
    result = {
        "machine": told,
        "avatar": main.manifest.name,
        "peaks": plain(list(peaks.values())),
        "stages": plain(stages),
        "frames": plain(compared),
        "head": plain([head])[0],
        "sizes": plain(sizes),
        "speech": plain(speech),
        "live": plain(live),
        "memory": plain(memory),
    }
    for shown in tables(result):
        console.print(shown.table())
    if output is not None:
        write(result, output)


def measure_size(
    loaded: Loaded,
    moments: Sequence[Any],
    size: int,
    threads: int,
    peaks: machine.Peaks,
    budget: float,
) -> list[FrameRow]:
    """The best instruction set, and AVX2 where that is another, at one size."""
    best = instructions.chosen()
    chosen = dict.fromkeys([best, *(name for name in instructions.available() if name == "avx2")])
    bench = Bench(loaded, moments, size, threads, peaks)
    ways = [(name, BALANCED) for name in chosen] + [(best, FAST)]
    try:
        return bench.measure(ways, budget)
    finally:
        bench.close()


if __name__ == "__main__":
    run(app)
