"""Build one engine in a worker process: whatever happens to it, one clear error and no remains."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ...contract import errors
from ...contract.engine_directory import hash_file
from ...contract.engines import LengthProfile, Precision
from ...contract.errors import BadOutput, EmoGeneError, Failure, Unavailable
from ...contract.stages import Signature
from ...runtime.output_checks import cannot_write
from ...runtime.partial_file import PartialOutput
from . import worker
from .architectures import check_architectures
from .flavours import EngineTarget, gpu_architecture, require, tool, tool_version
from .memory import available_memory
from .profiles import input_shapes

WORKER: tuple[str, ...] = (sys.executable, "-m", "emogene.exporters.engines.worker")

_MB = 1 << 20
_DISK_PER_ARCHITECTURE = 5 * _MB
_MEMORY_BASE = 400 * _MB
_MEMORY_PER_BYTE = 4
"""Of the ONNX file: HuBERT base and large took 3.7 and 3.3 on top of 150 MB for the library."""

_TAIL_LINES = 5


@dataclass(frozen=True)
class EngineRequest:
    """What to build.

    Attributes:
        stage: which network; for messages and the cache.
        onnx: the file to build from, in the precision wanted: engines are strongly typed.
        signature: its tensors.
        precision: of the file.
        profile: lengths to accept; see `profiles.default_profile`.
        target: which library builds it.
        architectures: such as ``("sm_86", "sm_89")``, for TensorRT-RTX; empty for TensorRT, which
            builds for the GPU at hand.
        command: how to ask for this engine again, for messages; empty for the worker's own call.
    """

    stage: str
    onnx: Path
    signature: Signature
    precision: Precision
    profile: LengthProfile
    target: EngineTarget = "tensorrt-rtx"
    architectures: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a build is.

    Attributes:
        stage: which network.
        phase: what is being done: ``loading``, ``parsing``, a phase of the library, ``writing``.
        fraction: share of the whole that is done, 0…1; never falls.
    """

    stage: str
    phase: str
    fraction: float


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class BuiltEngine:
    """An engine on disk.

    Attributes:
        path: the engine file: nothing but the library's bytes.
        sha256, size: of the file.
        scratch_bytes: device memory a run needs beside inputs and outputs, as the builder said.
        architectures: what it was built for.
        tool: name and exact version of what built it.
        seconds: how long the build took.
        peak_bytes: most memory the building process held.
    """

    path: Path
    sha256: str
    size: int
    scratch_bytes: int
    architectures: tuple[str, ...]
    tool: str
    seconds: float
    peak_bytes: int


def build_engine(
    request: EngineRequest, destination: Path, progress: OnProgress = lambda _: None
) -> BuiltEngine:
    """Build the engine and put it at ``destination``; on any exception nothing is left there.

    Takes as long as it takes; an exception from ``progress``, or Ctrl-C, ends the worker at once.

    Raises:
        BadOption: profile, architectures or precision cannot be.
        BadInput: the file is no ONNX file, or has other tensors than the signature.
        Unavailable: no library, no GPU where one is needed, or too little memory.
        BadOutput: ``destination`` cannot be written, or the disk is too full.
        Failure: the library refused the network, or crashed; the message names the stage, the node
            or the signal, and the command that shows it again.
    """
    shapes = input_shapes(request.signature.inputs, request.profile)
    architectures = built_for(request)
    require(request.target)
    _check_room(request, destination, len(architectures))
    output = PartialOutput(destination)
    message: dict[str, Any] = {
        "target": request.target,
        "onnx": str(request.onnx.resolve()),
        "output": str(output.path.resolve()),
        "inputs": {
            spec.name: {"dtype": spec.dtype, "shapes": shapes[spec.name]}
            for spec in request.signature.inputs
        },
        "outputs": [spec.name for spec in request.signature.outputs],
        "architectures": [int(name.removeprefix("sm_")) for name in request.architectures],
        "tool": tool_version(request.target),
    }
    begun = time.perf_counter()
    try:
        built = _run_worker(request, message, progress, destination)
        entry = hash_file(output.path)
        if (entry.sha256, entry.size) != (built["sha256"], built["size"]):
            raise Failure(
                str(destination),
                expected=f"the {built['size']} bytes the builder gave",
                found=f"{entry.size} bytes on the disk, not the same ones",
                remedy="check the disk",
            )
        output.keep()
    finally:
        output.discard()
    return BuiltEngine(
        path=destination,
        sha256=entry.sha256,
        size=entry.size,
        scratch_bytes=built["scratch_bytes"],
        architectures=architectures,
        tool=tool(request.target),
        seconds=time.perf_counter() - begun,
        peak_bytes=built["peak_bytes"],
    )


def built_for(request: EngineRequest) -> tuple[str, ...]:
    """Architectures the engine will run on; for TensorRT that of the GPU at hand.

    Raises:
        BadOption: TensorRT-RTX does not build for them, or not in this precision.
        Unavailable: TensorRT is asked for and there is no GPU.
    """
    if request.target == "tensorrt-rtx":
        check_architectures(request.architectures, request.precision)
        return request.architectures
    if request.architectures:
        raise errors.BadOption(
            "--sm",
            expected=f"nothing with --target {request.target}, which builds for the GPU at hand",
            found=", ".join(request.architectures),
            remedy="leave it out, or use --target tensorrt-rtx",
        )
    return (gpu_architecture(),)


def _check_room(request: EngineRequest, destination: Path, architectures: int) -> None:
    """Refuse before an hour's work what cannot end well."""
    try:
        weights = request.onnx.stat().st_size
        room = shutil.disk_usage(destination.parent).free
    except OSError as error:
        if error.filename == str(request.onnx):
            raise errors.BadInput(
                str(request.onnx), expected="an ONNX file", found=error.strerror or str(error)
            ) from None
        raise cannot_write(str(destination), error) from None
    need = weights + _DISK_PER_ARCHITECTURE * architectures
    if room < need:
        raise BadOutput(
            str(destination),
            expected=f"about {_megabytes(need)} free for the engine of {request.stage}",
            found=_megabytes(room),
            remedy="free some space or choose another disk",
        )
    memory = available_memory()
    need = _MEMORY_BASE + _MEMORY_PER_BYTE * weights
    if memory is not None and memory < need:
        raise Unavailable(
            f"building the engine of {request.stage}",
            expected=f"about {_megabytes(need)} of free memory",
            found=_megabytes(memory),
            remedy="close other programs, or build it on a larger machine",
        )


def _run_worker(
    request: EngineRequest, message: dict[str, Any], progress: OnProgress, destination: Path
) -> dict[str, Any]:
    """Start the worker, pass events on, and give its last one, or raise what it refused."""
    phase, last = "starting", None
    with tempfile.TemporaryFile() as log:
        # A session of its own: Ctrl-C in a terminal reaches us alone, and we end the worker.
        process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it died at once; its log says why
                process.stdin.write(json.dumps(message).encode("ascii") + b"\n")
                process.stdin.flush()
            for line in process.stdout:
                if not line.endswith(b"\n"):  # its last breath
                    break
                event = json.loads(line)
                if event["event"] == worker.PHASE:
                    phase = event["name"]
                    progress(Progress(request.stage, phase, event["fraction"]))
                else:
                    last = event
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        if last is None or code:
            raise _crash(request, message, phase, code, _tail(log))
    if last["event"] == worker.REFUSED:
        raise _refusal(request, message, last, destination)
    return dict(last)


def _refusal(
    request: EngineRequest, message: dict[str, Any], said: dict[str, str], destination: Path
) -> EmoGeneError:
    if said["kind"] == "OSError":
        number = int(said["found"])
        return cannot_write(str(destination), OSError(number, os.strerror(number)))
    kind: type[EmoGeneError] = getattr(errors, said["kind"])
    remedy = said["remedy"]
    if kind is Failure:
        remedy = f"{remedy}; " * bool(remedy) + f"see it again with: {_again(request, message)}"
    return kind(
        f"stage {request.stage}, {said['thing']}",
        expected=said["expected"],
        found=said["found"],
        remedy=remedy,
    )


def _crash(
    request: EngineRequest, message: dict[str, Any], phase: str, code: int, tail: str
) -> Failure:
    how = f"exit code {code}"
    if code < 0:
        how = f"killed by {signal.Signals(-code).name}"
    hint = ""
    if code == -signal.SIGKILL:
        hint = "if the machine ran out of memory, free some; "
    return Failure(
        f"stage {request.stage}, {request.target}",
        expected="a builder that ends by itself",
        found=f"{how} in phase {phase!r}; its last words: {tail or 'none'}",
        remedy=f"{hint}see it again with: {_again(request, message)}",
    )


def _again(request: EngineRequest, message: dict[str, Any]) -> str:
    if request.command:
        return request.command
    alone = json.dumps({**message, "output": None, "watched": False})
    return f"echo {shlex.quote(alone)} | {shlex.join(WORKER)}"


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    return " | ".join(" ".join(line.split()) for line in lines[-_TAIL_LINES:])


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"
