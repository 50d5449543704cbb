"""What works on this machine, and whether an engine directory will run here. No PyTorch needed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..contract import stages
from ..contract.engine_directory import check_files, file_path, read_manifest
from ..contract.errors import BadEngineDirectory, EmoGeneError
from ..contract.manifest import REBUILD, WEIGHTS_FILE, Manifest
from .backends.choice import AUTO, Candidate, choose, failed
from .backends.compatibility import engine_obstacle, library_obstacle
from .backends.driver import Driver, find_driver
from .backends.flavours import FLAVOURS, load
from .backends.opening import open_stages
from .backends.providers import CPU
from .doctor_checks import BROKEN, NOT_NEEDED, WORKS, Check, machine_checks
from .profiles import LIVE
from .render.reach import gpu_reach, stored_shapes
from .speech.networks import SpeechNetworks
from .speech.speed import LARGEST_SHARE, REMEDY, HearingSpeed

ESSENTIAL = ("kernels", "processor", "ONNX Runtime")
"""Checks without which no directory runs; PyAV and the disk only matter to files."""


@dataclass(frozen=True)
class EngineDiagnosis:
    """Whether one engine of a directory runs here.

    Attributes:
        stage, target, precision, file: which engine.
        status: of `Check`; ``"not needed"``: without a GPU, the ONNX file is run instead.
        found: why it does or does not.
        remedy: the command that mends it.
    """

    stage: str
    target: str
    precision: str
    file: str
    status: str
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor says; all fields are plain values or dataclasses of them.

    Attributes:
        directory: the engine directory; empty if only the machine was looked at.
        runs: it will run here; of a machine alone, that a directory can.
        uses: the backend it will run with; empty if it will not run.
        why: why that one, or why it will not run.
        remedy: the command that makes it run, if it does not.
        checks: of the machine.
        candidates: every backend that was thought of, the best first.
        engines: the directory's engines.
        live: whether speech is heard fast enough for the ``live`` profile, as measured; None if
            that was not tried.
        pictures: what of the avatar's pictures a GPU's kernels paint, had it one; None of a machine
            alone.
    """

    directory: str
    runs: bool
    uses: str
    why: str
    remedy: str
    checks: tuple[Check, ...]
    candidates: tuple[Candidate, ...] = ()
    engines: tuple[EngineDiagnosis, ...] = ()
    live: Check | None = None
    pictures: Check | None = None


def doctor(directory: Path | None = None, backend: str = AUTO) -> Diagnosis:
    """Look at the machine and, if one is named, at an engine directory.

    Of a directory whose hashes are right, the two networks that hear are opened and timed; nothing
    else is deserialised.

    Args:
        directory: its hashes are checked too.
        backend: as in `emogene.open`.

    Raises:
        BadOption: there is no such backend. Everything else is a finding.
    """
    driver = find_driver()
    checks = machine_checks(driver, directory or Path.cwd())
    broken = next((c for c in checks if c.name in ESSENTIAL and c.status == BROKEN), None)
    if directory is None:
        why = f"{broken.name}: {broken.found}" if broken else f"{CPU} works"
        uses, remedy = ("", broken.remedy) if broken else (CPU, "")
        return Diagnosis("", broken is None, uses, why, remedy, checks)
    try:
        manifest = read_manifest(directory)
        check_files(directory, manifest)
        pictures = _pictures(directory, manifest)
    except BadEngineDirectory as error:
        why = failed("", error, wanted=True).reason
        return Diagnosis(str(directory), False, "", why, error.remedy, checks)
    if broken:
        why = f"{broken.name}: {broken.found}"
        return Diagnosis(str(directory), False, "", why, broken.remedy, checks)
    made = choose(directory, manifest, backend, driver=driver)
    engines = _engines(directory, manifest, driver)
    live = _live(directory, manifest, backend)
    return Diagnosis(
        *(str(directory), True, made.used, made.why, "", checks, made.candidates, engines),
        live=live,
        pictures=pictures,
    )


def _pictures(folder: Path, manifest: Manifest) -> Check:
    path = file_path(folder, WEIGHTS_FILE)
    try:
        with safe_open(path, framework="np") as stored:
            reach = gpu_reach(manifest, stored_shapes(stored))
    except (SafetensorError, OSError) as error:
        raise BadEngineDirectory(
            str(path), expected="a safetensors file", found=str(error), remedy=REBUILD
        ) from None
    whole = not (reach.obstacle or reach.beside)
    return Check("GPU kernels paint", WORKS if whole else NOT_NEEDED, reach.said)


def _live(folder: Path, manifest: Manifest, backend: str) -> Check:
    from .avatar import available_threads

    name, wanted = f"{LIVE.name} profile", (stages.HUBERT, stages.AUDIO_TO_MOTION)
    try:
        opened, _ = open_stages(folder, manifest, wanted, available_threads(), backend)
    except EmoGeneError as error:
        return Check(name, BROKEN, f"{error.thing}: {error.found}", error.remedy)
    with ExitStack() as stack:
        runners = {stage: stack.enter_context(opened[stage]) for stage in wanted}
        networks = SpeechNetworks.of(manifest, runners)
        share = HearingSpeed(networks).share(LIVE)
    keeps_up = share <= LARGEST_SHARE
    found = f"hears in {share:.2g} of the time there is, at most {LARGEST_SHARE:g} may be"
    return Check(name, WORKS if keeps_up else BROKEN, found, "" if keeps_up else REMEDY)


def _engines(folder: Path, manifest: Manifest, driver: Driver) -> tuple[EngineDiagnosis, ...]:
    found = []
    for engine in (e for e in manifest.engines if e.target in FLAVOURS):
        flavour = FLAVOURS[engine.target]
        obstacle = library_obstacle(flavour, driver)
        if obstacle is None:
            version = str(load(flavour).__version__)
            obstacle = engine_obstacle(folder, engine, flavour, version, driver)
        what = (engine.stage, engine.target, engine.precision, engine.file)
        if obstacle is None:
            why = f"built for {', '.join(engine.architectures)} by {engine.tool}"
            found.append(EngineDiagnosis(*what, WORKS, why))
        else:
            status = BROKEN if driver.gpus else NOT_NEEDED
            found.append(EngineDiagnosis(*what, status, str(obstacle), obstacle.remedy))
    return tuple(found)
