"""What is done on a GPU, step by step: proofs first, then times, the most important size first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emogene.kernels.gpu.kinds import KINDS
from emogene.kernels.gpu.plain import PLAIN

SCENES = ("realtime", "authors")
"""Heads that are painted; see `scenes`."""

SANITIZERS = ("memcheck", "racecheck")
"""NVIDIA's checkers that are run."""

FIRST_SIZE = 512
"""Side of the pictures that the goals are for, pixels."""


@dataclass(frozen=True)
class Options:
    """Attributes:
    sizes: sides of the pictures that are timed, pixels.
    seconds: after which what is left is skipped.
    checks_only: prove and time nothing.
    seed: of the inputs; None draws one.
    check_size: side of the pictures that are proved, pixels.
    apart: steps are done by another process, which is ended where one does not come back.
    keep: folder for what was compiled and painted; None is one that is removed at the end.
    """

    sizes: tuple[int, ...] = (256, 512, 1024)
    seconds: float = 420.0
    checks_only: bool = False
    seed: int | None = None
    check_size: int = 72
    apart: bool = True
    keep: Path | None = None


@dataclass(frozen=True)
class Step:
    """One thing that is done as a whole.

    Attributes:
        name: for people.
        action: method of `session.Session`.
        arguments: its arguments.
        seconds: it may take; longer, and it is given up.
        needs: name of a step that must not have been given up, since this one does the same again.
    """

    name: str
    action: str
    arguments: tuple[Any, ...] = ()
    seconds: float = 60.0
    needs: str = ""


def steps(options: Options) -> Iterator[Step]:
    """Everything, in order of importance."""
    yield Step("machine", "describe", seconds=90)
    for scene in SCENES:
        yield Step(f"operations, {scene}", "operations", (scene,), 120)
    for scene in SCENES:
        yield Step(f"reference, {scene}", "paint", (scene,), 120)
    for kind in KINDS:
        for scene in SCENES:
            needs = f"reference, {scene}"
            yield Step(_proof(kind, scene), "picture", (kind, scene), 45, needs)
    yield Step("PyTorch's arrays", "share", ("realtime",), 45, _proof(PLAIN, "realtime"))
    if options.checks_only:
        return
    yield Step("peaks", "peaks", seconds=45)
    for size in sorted(options.sizes, key=lambda size: (size != FIRST_SIZE, size)):
        for scene in SCENES:
            yield Step(f"PyTorch, {scene}, {size}²", "reference", (scene, size))
            for kind in KINDS:
                name, needs = f"{kind}, {scene}, {size}²", _proof(kind, scene)
                yield Step(name, "frame", (kind, scene, size), 45, needs)
    for tool in SANITIZERS:
        yield Step(f"compute-sanitizer {tool}", "sanitize", (tool,), 90)


def _proof(kind: str, scene: str) -> str:
    return f"{kind}, {scene}"
