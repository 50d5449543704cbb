"""Will an engine run here? Told from the manifest alone, before any engine is deserialised."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ...contract.engines import EngineSpec
from ...contract.errors import Unavailable
from ...contract.manifest import Manifest
from .driver import DRIVER_INSTALL, Driver
from .flavours import PROPER, RTX, Flavour, load, module_name, package_version


@dataclass(frozen=True)
class Obstacle:
    """Why something does not run here, in the parts of an error message.

    Attributes:
        thing: what does not run.
        expected, found: what it needs, and what is here.
        remedy: the command that mends it.
    """

    thing: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.thing}: expected {self.expected}, found {self.found}"

    def error(self) -> Unavailable:
        """The refusal."""
        return Unavailable(self.thing, expected=self.expected, found=self.found, remedy=self.remedy)


def rebuild_command(folder: Path, target: str, architecture: str = "") -> str:
    """The command that makes engines of a directory's ONNX files, for this machine's GPU."""
    command = f"emogene-export rebuild {shlex.quote(str(folder))} --target {target}"
    if target == RTX.target and architecture:
        command += f" --sm {architecture.removeprefix('sm_')}"
    return command


def driver_obstacle(thing: str, driver: Driver) -> Obstacle | None:
    """None if there is a driver with a GPU."""
    if driver.gpus:
        return None
    return Obstacle(thing, "an NVIDIA GPU and its driver", driver.problem, DRIVER_INSTALL)


def library_obstacle(flavour: Flavour, driver: Driver) -> Obstacle | None:
    """None if the library can be used with this driver. Imports nothing without a GPU."""
    name = module_name(flavour)
    if name is None:
        modules = " or ".join(flavour.modules)
        return Obstacle(
            flavour.thing, f"the Python module {modules}", "not installed", flavour.install
        )
    if obstacle := driver_obstacle(flavour.thing, driver):
        return obstacle
    _, cuda = package_version(flavour)
    if cuda > driver.cuda[0]:
        return Obstacle(
            flavour.thing,
            f"a driver for CUDA {cuda}",
            f"driver {driver.version or 'of unknown version'} for CUDA "
            f"{driver.cuda[0]}.{driver.cuda[1]}",
            "update the NVIDIA driver (https://www.nvidia.com/drivers)",
        )
    try:
        version = str(load(flavour).__version__)
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Obstacle(flavour.thing, f"a module {name} that loads", reason, flavour.install)
    major = version.split(".")[0]
    if major not in map(str, flavour.majors):
        majors = " or ".join(map(str, flavour.majors))
        return Obstacle(flavour.thing, f"version {majors}", version, flavour.install)
    return None


def engine_obstacle(
    folder: Path, engine: EngineSpec, flavour: Flavour, version: str, driver: Driver
) -> Obstacle | None:
    """None if this engine was built by this version for this machine's first GPU.

    Args:
        folder: its engine directory, for the command.
        version: of the library installed here.
        driver: with at least one GPU.
    """
    architecture = driver.gpus[0].architecture
    if engine.target != flavour.target:
        return Obstacle(
            engine.file,
            f"an engine for {flavour.target}",
            f"one for {engine.target}",
            rebuild_command(folder, flavour.target, architecture),
        )
    if architecture not in engine.architectures:
        served = not flavour.architectures or architecture in flavour.architectures
        return Obstacle(
            engine.file,
            f"an engine for {architecture} ({driver.gpus[0].name})",
            f"one for {', '.join(engine.architectures)}",
            rebuild_command(folder, (flavour if served else PROPER).target, architecture),
        )
    if engine.tool.split()[-1:] != [version]:
        return Obstacle(
            engine.file,
            f"an engine built by {flavour.target} {version}, which is installed here",
            f"one built by {engine.tool}",
            rebuild_command(folder, flavour.target, architecture),
        )
    return None


def fitting_engines(
    folder: Path, manifest: Manifest, flavour: Flavour, driver: Driver
) -> dict[str, EngineSpec]:
    """For every stage that has engines of a flavour, the one that runs here.

    Of several, the one that takes the longest inputs; then the first in the manifest.

    Raises:
        Unavailable: the directory has none, the library is not usable, or all engines of some
            stage are for other machines or versions.
    """
    engines = [engine for engine in manifest.engines if engine.target == flavour.target]
    if obstacle := library_obstacle(flavour, driver):
        raise obstacle.error()
    architecture = driver.gpus[0].architecture
    if not engines:
        raise Obstacle(
            str(folder),
            f"engines for {flavour.target}",
            "none in the directory",
            rebuild_command(folder, flavour.target, architecture),
        ).error()
    version = str(load(flavour).__version__)
    fitting: dict[str, EngineSpec] = {}
    obstacles: dict[str, Obstacle] = {}
    for engine in engines:
        obstacle = engine_obstacle(folder, engine, flavour, version, driver)
        if obstacle:
            obstacles.setdefault(engine.stage, obstacle)
            continue
        best = fitting.get(engine.stage)
        if best is None or engine.profile.maximum > best.profile.maximum:
            fitting[engine.stage] = engine
    for stage, obstacle in obstacles.items():
        if stage not in fitting:
            raise obstacle.error()
    return fitting
