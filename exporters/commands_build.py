"""``emogene-export build-engines`` and ``rebuild``."""

from __future__ import annotations

import importlib.util
import os
import shlex
import time
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from ..contract.cache_folder import cache_folder
from ..contract.engines import TARGETS, Target
from ..contract.errors import BadOption, MissingExtra
from . import published_options as given
from .built_in import checkpoints_folder
from .command_output import console, line, progress

EXPORT_MODULES = ("torch", "onnx", "onnxscript", "transformers")


class TargetChoice(str, Enum):
    """What networks are built for; spelled as `contract.engines.Target`."""

    ONNXRUNTIME = "onnxruntime"
    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"


Targets = Annotated[
    Optional[list[TargetChoice]],  # noqa: UP045 - typer reads it at run time
    typer.Option("--target", help="What to build for; repeatable. ONNX files are always written."),
]
Architectures = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--sm",
        help="GPUs to compile CUDA kernels for, and TensorRT-RTX engines where it serves them, as "
        "in 86,89,120.",
        metavar="LIST",
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither use nor fill the cache.")]


def _targets(chosen: list[TargetChoice] | None) -> tuple[Target, ...]:
    values = {choice.value for choice in chosen or ()}
    return tuple(target for target in TARGETS if target in values)


def build_engines(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The engine directory to write.", metavar="DIR")
    ],
    checkpoints: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(
            help="A checkpoints folder; without one, and without published checkpoints, the "
            "built-in avatar's."
        ),
    ] = None,
    target: Targets = None,
    sm: Architectures = None,
    precision: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="fp32, fp16, bf16, or auto: what the stage bears. For one stage: density=fp16. "
            "Repeatable.",
            metavar="[STAGE=]PRECISION",
        ),
    ] = None,
    int8_hubert: Annotated[
        bool, typer.Option("--int8-hubert", help="Also make an 8-bit HuBERT for ONNX Runtime.")
    ] = False,
    stage: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Only export and compare this stage, writing nothing. Repeatable."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a directory that holds another avatar.")
    ] = False,
    no_cache: NoCache = False,
    a2m: given.A2m = None,
    lm_deform: given.LmDeform = None,
    head: given.Head = None,
    torso: given.Torso = None,
    dataset: given.DatasetFile = None,
    bfm: given.Bfm = None,
    hubert: given.Hubert = given.PUBLISHED_HUBERT,
    name: given.Name = given.NAME,
    blink_mode: given.Blink = given.BlinkMode.NONE,
    lle_percent: given.LlePercent = given.LLE_PERCENT,
    sr_noise: given.Noise = given.SrNoise.OFF,
) -> None:
    """Export every stage to ONNX, compare it with PyTorch, build engines, write the directory.

    Published checkpoints may be named in place of a folder; they are then imported first, as
    `emogene-export import` does it. A directory that stands there is replaced only when everything
    was built and is within its tolerance. Without --target, engines are built for everything that
    can be built here. What was finished before a build was stopped is found again by the next.
    """
    for module in EXPORT_MODULES:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "export", "exporting stages")
    from .build import BuildOptions, build_engine_directory
    from .engine_step import EngineOptions, buildable_targets, check_targets
    from .engines.architectures import (
        DEFAULT_RTX_ARCHITECTURES,
        kernel_architectures,
        parse_architectures,
        rtx_architectures,
    )
    from .precision_step import parse_precisions
    from .report import shown_size

    named = given.Given(
        a2m, lm_deform, head, torso, dataset, bfm, hubert, name, blink_mode, lle_percent, sr_noise
    )
    if checkpoints is not None and not named.nothing:
        raise BadOption(
            "CHECKPOINTS",
            expected="a checkpoints folder or published checkpoints",
            found="both",
            remedy="leave one of them out",
        )
    if checkpoints is not None:
        given.refuse_published(checkpoints)
    words = ["emogene-export", "build-engines", *([str(checkpoints)] if checkpoints else [])]
    words += [] if named.nothing else named.words()
    words += ["-o", str(output)]
    for chosen in target or ():
        words += ["--target", chosen.value]
    words += ["--sm", sm] if sm else []
    for wanted in precision or ():
        words += ["--precision", wanted]
    words += ["--int8-hubert"] if int8_hubert else []
    command = shlex.join(words)
    chosen_gpus = parse_architectures(sm) if sm else ()
    architectures = chosen_gpus or DEFAULT_RTX_ARCHITECTURES
    targets = _targets(target)
    check_targets(targets, architectures)
    if not targets:
        served = bool(rtx_architectures(architectures))
        targets = tuple(t for t in buildable_targets() if served or t != "tensorrt-rtx")
    options = BuildOptions(
        only=tuple(stage or ()),
        force=force,
        threads=os.cpu_count() or 1,
        precision=parse_precisions(precision or [], int8_hubert),
        engines=EngineOptions(targets, architectures, kernel_architectures(chosen_gpus), command),
        cache=None if no_cache else cache_folder(),
        command=command,
    )
    out = console()
    begun = time.perf_counter()
    with progress(out) as (started, finished, noted), ExitStack() as stack:
        if named.nothing:
            folder = stack.enter_context(checkpoints_folder(checkpoints))
        else:
            from .authors.kept import imported_folder

            started("importing checkpoints", 0, 1)
            folder = stack.enter_context(
                imported_folder(named.sources(), named.options(), options.cache, noted, noted)
            )
        reports = build_engine_directory(folder, output, options, started, finished, noted)
    spent = f"in {time.perf_counter() - begun:.1f} s"
    if options.only:
        line(out, f"{len(reports)} stages compared {spent}; {output} is as it was")
        return
    size = sum(p.stat().st_size for p in output.rglob("*") if p.is_file())
    line(out, f"{output}: {len(reports)} networks, {shown_size(size)}, {spent}")
    line(out, f"make it speak: emogene-run --engine-dir {shlex.quote(str(output))} AUDIO")


def rebuild(
    directory: Annotated[Path, typer.Argument(help="An engine directory.", metavar="DIRECTORY")],
    target: Targets = None,
    sm: Architectures = None,
    no_cache: NoCache = False,
) -> None:
    """Build the engines anew from the directory's own ONNX files, for other GPUs or versions.

    Needs neither PyTorch nor the checkpoints. The directory is replaced only on success.
    """
    from .engine_step import EngineOptions
    from .engines.architectures import parse_architectures
    from .rebuild import (
        rebuild_engine_directory,
        wanted_architectures,
        wanted_kernels,
        wanted_targets,
    )

    words = ["emogene-export", "rebuild", str(directory)]
    for name in target or ():
        words += ["--target", name.value]
    words += ["--sm", sm] if sm else []
    given = _targets(target)
    architectures = parse_architectures(sm) if sm else ()
    options = EngineOptions(
        wanted_targets(directory, given),
        wanted_architectures(directory, architectures),
        wanted_kernels(directory, architectures),
        shlex.join(words),
    )
    out = console()
    begun = time.perf_counter()
    with progress(out) as (started, finished, noted):
        reports = rebuild_engine_directory(
            directory,
            options,
            os.cpu_count() or 1,
            None if no_cache else cache_folder(),
            started,
            finished,
            noted,
        )
    spent = f"in {time.perf_counter() - begun:.1f} s"
    line(out, f"{directory}: {len(reports)} networks, {spent}")
