"""Running one network's training in a work folder: what every stage does beside learning.

A stage's folder below WORK holds, beside what its training writes, ``config.yaml`` (resolved),
``curve.png`` and ``time.json`` (seconds spent, over all interruptions).
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from ..contract.errors import BadInput, BadOption, BadOutput
from ..runtime.output_checks import cannot_write
from .config import CONFIG, write_config
from .curves import draw_curve
from .deformation import train_deformation
from .devices import default_device
from .files import write_json
from .head_field import train_head
from .hubert import train_hubert
from .loop import STATE, Progress
from .networks import KINDS
from .sync import train_sync
from .torso_field import train_torso
from .vae import train_vae

REPORT, TIME = "report.json", "time.json"

TRAINERS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "hubert": train_hubert,
    "sync": train_sync,
    "vae": train_vae,
    "deformation": train_deformation,
    "head": train_head,
    "torso": train_torso,
}
"""Stage → ``train(config, data, out, progress)``, on the default device."""

COMMANDS = {stage: {"deformation": "deform"}.get(stage, stage) for stage in TRAINERS}
"""Stage → the command of ``emogene-train`` that trains it."""

_DRAW_EVERY_S = 180.0


def run_training(
    stage: str,
    config: Any,
    data: Callable[[], Any],
    work: Path,
    progress: Progress | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Train a stage's network in ``work/stage``, going on where it stopped; returns its report.

    Args:
        config: the stage's training configuration.
        data: makes what it learns from; called only once the configuration is known to fit.
        device: where the network is trained.

    Raises:
        BadOption: the network's dimensions do not fit together.
        BadCheckpoint: the folder holds a stopped run of another configuration.
        BadOutput: the folder cannot be written.
    """
    check_network(stage, config.network)
    folder = make_folder(Path(work) / stage)
    if progress is not None:
        progress(0.0, "preparing its data")
    with timed(folder):
        try:
            learned_from = data()
        except BaseException:
            with suppress(OSError):  # it holds an earlier run
                folder.rmdir()
            raise
        if not (folder / STATE).exists():
            write_config(folder / CONFIG, config)
        with default_device(device):
            report = TRAINERS[stage](config, learned_from, folder, _drawing(folder, progress))
        draw_curve(folder)
        # Once more: a run that went on may have a longer budget than it began with.
        write_config(folder / CONFIG, config)
    return report


def finished(work: Path, stage: str) -> bool:
    """Whether a training has left everything it makes: the report comes last."""
    return (Path(work) / stage / REPORT).is_file()


def unfinished(work: Path, stage: str, wanted_by: str) -> BadInput:
    """The refusal to begin `wanted_by` before `stage`; it has the command that helps."""
    begun = (Path(work) / stage).exists()
    command = COMMANDS.get(stage, f"demo -o OUTPUT --stage {stage} --work")
    return BadInput(
        str(Path(work) / stage),
        expected=f"a finished {stage} stage, which {wanted_by} learns from",
        found="one that has not finished" if begun else "none",
        remedy=f"make it first: emogene-train {command} {work}",
    )


def check_width(config: Any, found: int, whose: str) -> None:
    """Refuse (BadOption) a network that reads speech features of another width than `whose`."""
    if config.network.features != found:
        raise BadOption(
            "network.features",
            expected=f"{found}, the width of the speech features of {whose}",
            found=str(config.network.features),
            remedy="set it with --config",
        )


def require_space(folder: Path, needed: int) -> None:
    """Refuse (BadOutput) to begin what the disk of `folder` has no room for; `needed` in bytes."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise BadOutput(
            str(folder),
            expected=f"{needed / 1e9:.1f} GB free on its disk",
            found=f"{free / 1e9:.1f} GB",
            remedy="free some space or choose another disk",
        )


def check_network(stage: str, network: Any) -> None:
    """Refuse (BadOption) dimensions that do not fit together, before any data is read."""
    try:
        with torch.device("meta"):  # shapes alone: nothing is allocated
            KINDS[stage](network)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise BadOption(
            f"{stage}.network", expected="dimensions that fit together", found=str(error)
        ) from None


def make_folder(folder: Path) -> Path:
    """The folder, made where it is missing; BadOutput where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(str(folder), error) from None
    return folder


@contextmanager
def timed(folder: Path) -> Iterator[None]:
    """Add the time spent inside to the folder's ``time.json``, also when it is interrupted."""
    wall, cpu = time.monotonic(), time.process_time()
    try:
        yield
    finally:
        before = read_time(folder)
        spent = {
            "wall_s": round(before["wall_s"] + time.monotonic() - wall, 1),
            "cpu_s": round(before["cpu_s"] + time.process_time() - cpu, 1),
        }
        if folder.is_dir():
            write_json(folder / TIME, spent)


def read_time(folder: Path) -> dict[str, float]:
    """Seconds a stage has taken so far, on the clock and of the CPU; zeros where none are noted."""
    try:
        plain = json.loads((folder / TIME).read_text("utf-8"))
        return {name: float(plain[name]) for name in ("wall_s", "cpu_s")}
    except (OSError, ValueError, KeyError, TypeError):
        return {"wall_s": 0.0, "cpu_s": 0.0}


def _drawing(folder: Path, progress: Progress | None) -> Progress:
    """`progress`, which also draws the curve every few minutes."""
    due = time.monotonic() + _DRAW_EVERY_S

    def report(fraction: float, text: str) -> None:
        nonlocal due
        if time.monotonic() >= due:
            draw_curve(folder)
            due = time.monotonic() + _DRAW_EVERY_S
        if progress is not None:
            progress(fraction, text)

    return report
