"""Which backend runs an engine directory here, and why not the others.

`choose` decides without deserialising anything; ``opening`` makes the runners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...contract.engines import EngineSpec
from ...contract.errors import BadOption, EmoGeneError, Unavailable
from ...contract.manifest import Manifest
from .compatibility import driver_obstacle, fitting_engines, rebuild_command
from .driver import Driver, find_driver
from .flavours import FLAVOURS
from .providers import CPU, CUDA, PROVIDERS, installed_providers

AUTO = "auto"
ONNX_RUNTIME = "onnxruntime"
BACKENDS: tuple[str, ...] = (AUTO, ONNX_RUNTIME, *FLAVOURS)
"""The usual choices; `PROVIDERS` names further ones. ``onnxruntime`` takes CUDA where it can."""


@dataclass(frozen=True)
class Candidate:
    """A backend that was thought of for a directory.

    Attributes:
        backend: its name, as runners report it.
        works: whether the directory runs with it here.
        reason: why, or why not.
        remedy: the command that mends it; empty if it works.
        wanted: it was asked for, or the directory was built for it and this machine has a GPU:
            doing without it is a fallback.
    """

    backend: str
    works: bool
    reason: str
    remedy: str = ""
    wanted: bool = False


@dataclass(frozen=True)
class Choice:
    """The outcome: the first candidate that works.

    Attributes:
        asked: what the caller wanted.
        used: the backend's name.
        candidates: the best first; the used one and all before it that were not.
        engines: for a TensorRT flavour, the engine of every stage that has one; the other stages
            run on ONNX Runtime's CPU provider.
        driver: what was found out about the GPU.
    """

    asked: str
    used: str
    candidates: tuple[Candidate, ...]
    engines: Mapping[str, EngineSpec] = field(default_factory=dict)
    driver: Driver = field(default_factory=Driver)

    @property
    def fallback(self) -> Candidate | None:
        """The best candidate that was wanted and does not work; None without a fallback."""
        return next((c for c in self.candidates if c.wanted and not c.works), None)

    @property
    def why(self) -> str:
        """Why the used backend was chosen."""
        return next(c.reason for c in self.candidates if c.backend == self.used)


def checked_backend(name: str) -> str:
    """``name``, if it is one (`BadOption`)."""
    if name not in BACKENDS and name not in PROVIDERS:
        known = (*BACKENDS, *PROVIDERS)
        raise BadOption("backend", expected=f"one of {', '.join(known)}", found=name)
    return name


def choose(
    folder: Path,
    manifest: Manifest,
    asked: str = AUTO,
    *,
    strict: bool = False,
    failures: tuple[Candidate, ...] = (),
    driver: Driver | None = None,
) -> Choice:
    """The best backend that works here. Deserialises nothing.

    Args:
        folder: the directory, for commands in messages.
        asked: one of `BACKENDS` or `PROVIDERS`.
        strict: refuse a fallback.
        failures: candidates that turned out not to open.
        driver: None asks the machine.

    Raises:
        BadOption: there is no backend of that name.
        Unavailable: ``strict``, and the best that works is a fallback.
    """
    checked_backend(asked)
    driver = driver or find_driver()
    known = {candidate.backend: candidate for candidate in failures}
    tried: list[Candidate] = []
    for backend in _order(asked):
        if backend in known:
            tried.append(known[backend])
            continue
        engines: Mapping[str, EngineSpec] = {}
        if backend in FLAVOURS:
            candidate, engines = _engines(folder, manifest, backend, asked, driver)
        else:
            candidate = _provider(backend, asked, driver)
        tried.append(candidate)
        if candidate.works:
            made = Choice(asked, backend, tuple(tried), engines, driver)
            if strict:
                _refuse_fallback(made)
            return made
    raise AssertionError("ONNX Runtime's CPU provider is always there")


def failed(backend: str, error: EmoGeneError, *, wanted: bool) -> Candidate:
    """A candidate that does not work because of ``error``."""
    reason = str(error).removesuffix(f" — {error.remedy}") if error.remedy else str(error)
    return Candidate(backend, False, reason, error.remedy, wanted)


def _order(asked: str) -> tuple[str, ...]:
    if asked == AUTO:
        return (*FLAVOURS, CUDA, CPU)
    if asked == ONNX_RUNTIME:
        return (CUDA, CPU)
    return tuple(dict.fromkeys((asked, CPU)))


def _engines(
    folder: Path, manifest: Manifest, target: str, asked: str, driver: Driver
) -> tuple[Candidate, Mapping[str, EngineSpec]]:
    held = any(engine.target == target for engine in manifest.engines)
    if not held:
        architecture = driver.gpus[0].architecture if driver.gpus else ""
        reason = f"the directory holds no engines for {target}"
        remedy = rebuild_command(folder, target, architecture)
        return Candidate(target, False, reason, remedy, asked == target), {}
    try:
        fitting = fitting_engines(folder, manifest, FLAVOURS[target], driver)
    except Unavailable as error:
        # Engines for a GPU are not missed on a machine that has none, unless they are asked for.
        wanted = asked == target or bool(driver.gpus)
        return failed(target, error, wanted=wanted), {}
    rest = sorted(set(manifest.stages) - set(fitting))
    gpu = driver.gpus[0]
    reason = f"engines for {gpu.architecture} ({gpu.name})"
    if rest:
        reason += f"; {', '.join(rest)} without one on {CPU}"
    return Candidate(target, True, reason, "", asked == target), fitting


def _provider(backend: str, asked: str, driver: Driver) -> Candidate:
    provider = PROVIDERS[backend]
    asked_for = asked == backend
    if provider.name not in installed_providers():
        reason = f"ONNX Runtime has no {provider.name} here"
        return Candidate(backend, False, reason, provider.install, asked_for)
    if provider.gpu and (obstacle := driver_obstacle(provider.name, driver)):
        return Candidate(backend, False, str(obstacle), obstacle.remedy, asked_for)
    reason = f"ONNX Runtime's {provider.name}"
    return Candidate(backend, True, reason, "", asked_for)


def _refuse_fallback(choice: Choice) -> None:
    if lost := choice.fallback:
        raise Unavailable(
            f"backend {lost.backend}",
            expected="it to work, as --strict wants no other",
            found=lost.reason,
            remedy=lost.remedy or f"leave out --strict to use {choice.used}",
        )
