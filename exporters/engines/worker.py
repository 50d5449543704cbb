"""Builds one engine in a process of its own: ``python -m emogene.exporters.engines.worker``.

The builder may crash, and keeps memory and a logger for the life of its process. A request comes
as one line of JSON on standard input; events go out as lines of JSON on standard output; the log
goes to standard error. When standard input ends, whoever asked is gone, and the worker removes its
output and ends (unless the request says ``"watched": false``).

Request: ``target``, ``onnx`` (path), ``output`` (path or null), ``inputs`` (name → dtype and the
three shapes), ``outputs`` (names), ``architectures`` (numbers; empty: the GPU at hand), ``tool``.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import os
import re
import resource
import sys
import threading
from typing import Any

from .flavours import flavour_of, load
from .phases import Phases

MAX_SCRATCH = re.compile(r"Max Scratch Memory: (\d+) bytes")

LOADING, PARSING, WRITING = "loading", "parsing", "writing"
BUILT, REFUSED, PHASE = "built", "refused", "phase"


class Refusal(Exception):
    """Tells the parent what is wrong: ``kind`` (an error class there) and its four parts."""

    def __init__(self, kind: str, thing: str, expected: str, found: str, remedy: str = "") -> None:
        super().__init__(thing)
        self.said = {
            "kind": kind,
            "thing": thing,
            "expected": expected,
            "found": found,
            "remedy": remedy,
        }


class Events:
    """Lines of JSON on what was standard output; anything else printed goes to standard error."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def send(self, event: str, **values: object) -> None:
        # Exceptions must not reach the library, which calls this; a lost parent ends us anyway.
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._file.write(json.dumps({"event": event, **values}) + "\n")
            self._file.flush()

    def phase(self, name: str, fraction: float) -> None:
        """Say that ``name`` is being done, and how much of the whole is behind us, 0…1."""
        self.send(PHASE, name=name, fraction=round(fraction, 4))


def main() -> None:
    """Read a request, build, send events; the exit code is 0 also for a refusal."""
    faulthandler.enable()
    request = _read_request()
    if request.get("watched", True):
        threading.Thread(target=_end_with_parent, args=(request["output"],), daemon=True).start()
    events = Events()
    try:
        events.phase(LOADING, 0.0)
        built = _build(request, events)
    except Refusal as refusal:
        events.send(REFUSED, **refusal.said)
    else:
        events.send(BUILT, **built)
    # The library's own clean-up at exit still calls the logger; nothing is left to clean up.
    os._exit(0)


def _read_request() -> dict[str, Any]:
    # Not sys.stdin: a thread waits on it at exit, which would upset the interpreter.
    line = b""
    while not line.endswith(b"\n") and (block := os.read(0, 1 << 16)):
        line += block
    request: dict[str, Any] = json.loads(line)
    return request


def _end_with_parent(output: str | None) -> None:
    while os.read(0, 1 << 10):
        pass
    if output is not None:
        with contextlib.suppress(OSError):
            os.unlink(output)
    os._exit(1)


def _build(request: dict[str, Any], events: Events) -> dict[str, object]:
    flavour = flavour_of(request["target"])
    try:
        trt = load(flavour.target)
    except (ImportError, OSError) as error:
        raise Refusal(
            "Unavailable",
            f"building {flavour.target} engines",
            "a library that can be loaded",
            str(error),
            f"{flavour.install} --force-reinstall",
        ) from None
    if trt.__version__ != request["tool"]:
        raise Refusal(
            "Failure",
            f"building {flavour.target} engines",
            f"version {request['tool']}, which its package claims to be",
            trt.__version__,
            f"{flavour.install} --force-reinstall",
        )
    logger, monitor = _logger(trt), _monitor(trt, events)
    plan = _plan(trt, request, events, logger, monitor)
    events.phase(WRITING, 0.95)
    # A view: another copy of the bytes would double the memory of a large engine.
    view = memoryview(plan)
    if request["output"] is not None:
        _write(request["output"], view)
    return {
        "size": view.nbytes,
        "sha256": hashlib.sha256(view).hexdigest(),
        "scratch_bytes": logger.scratch_bytes,
        "peak_bytes": _peak_memory(),
    }


def _plan(trt: Any, request: dict[str, Any], events: Events, logger: Any, monitor: Any) -> Any:
    """The serialised engine.

    All else the library made ends here, in an order it bears: a network that outlives its parser
    or builder takes the process down.
    """
    builder = trt.Builder(logger)
    if builder is None:
        raise _build_failure(request, logger)
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    config = profile = None
    try:
        events.phase(PARSING, 0.02)
        if not parser.parse_from_file(request["onnx"]) or parser.num_errors:
            raise _parse_failure(parser, request)
        _check_tensors(trt, network, request)
        config = builder.create_builder_config()
        config.clear_flag(trt.BuilderFlag.TF32)
        config.progress_monitor = monitor
        profile = builder.create_optimization_profile()
        for name, tensor in request["inputs"].items():
            profile.set_shape(name, *map(tuple, tensor["shapes"]))
        if config.add_optimization_profile(profile) < 0:
            raise _build_failure(request, logger)
        if request["architectures"]:
            config.num_compute_capabilities = len(request["architectures"])
            for index, number in enumerate(request["architectures"]):
                capability = getattr(trt.ComputeCapability, f"SM{number}")
                if not config.set_compute_capability(capability, index):
                    raise _build_failure(request, logger)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise _build_failure(request, logger)
        return plan
    finally:
        del network, parser, profile, config, builder


def _check_tensors(trt: Any, network: Any, request: dict[str, Any]) -> None:
    """Names and types of the graph must be those of the request: TensorRT ignores unknown ones."""
    # Plain values only: a tensor kept by an exception's trace would keep the network, too.
    tensors = (network.get_input(i) for i in range(network.num_inputs))
    graph = {t.name: (str(trt.nptype(t.dtype)().dtype), tuple(t.shape)) for t in tensors}
    outputs = [network.get_output(i).name for i in range(network.num_outputs)]
    wanted = request["inputs"]
    if sorted(graph) != sorted(wanted) or outputs != request["outputs"]:
        raise Refusal(
            "BadInput",
            request["onnx"],
            f"inputs {', '.join(wanted)} and outputs {', '.join(request['outputs'])}",
            f"inputs {', '.join(graph)} and outputs {', '.join(outputs)}",
            "export the stage again",
        )
    for name, (dtype, declared) in graph.items():
        shape = wanted[name]["shapes"][0]
        fits = len(shape) == len(declared) and all(
            d in (-1, s) for d, s in zip(declared, shape, strict=True)
        )
        if dtype != wanted[name]["dtype"] or not fits:
            raise Refusal(
                "BadInput",
                f"{request['onnx']}, input {name}",
                f"{wanted[name]['dtype']} that admits {tuple(shape)}",
                f"{dtype} {declared}",
                "export the stage again",
            )


def _parse_failure(parser: Any, request: dict[str, Any]) -> Refusal:
    if not parser.num_errors:
        return Refusal("BadInput", request["onnx"], "an ONNX file", "one that cannot be parsed")
    error = parser.get_error(0)
    code = str(error.code()).rpartition(".")[2]
    if not error.node_name() and not error.node_operator():
        return Refusal("BadInput", request["onnx"], "an ONNX file", error.desc(), "export it again")
    more = f" ({parser.num_errors - 1} more)" if parser.num_errors > 1 else ""
    return Refusal(
        "Failure",
        f"{request['onnx']}, node {error.node_name()} ({error.node_operator()})",
        f"an operator that {request['target']} {request['tool']} can build",
        f"{code}: {error.desc()}{more}",
        "express it with other operators, or run this stage with ONNX Runtime",
    )


def _build_failure(request: dict[str, Any], logger: Any) -> Refusal:
    said = " | ".join(logger.errors[-3:]) or "no reason given"
    return Refusal("Failure", request["onnx"], f"an engine for {request['target']}", said)


def _write(path: str, view: memoryview) -> None:
    try:
        with open(path, "wb") as file:
            file.write(view)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Refusal("OSError", path, "", str(error.errno or 0)) from None


def _peak_memory() -> int:
    """Most memory this process ever held, bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _logger(trt: Any) -> Any:
    """An ILogger that writes to standard error, and keeps errors and the scratch memory."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.scratch_bytes = 0

        def log(self, severity: Any, message: str) -> None:
            word = str(severity).rpartition(".")[2]
            if word == "VERBOSE":
                return
            if word in ("ERROR", "INTERNAL_ERROR"):
                self.errors.append(" ".join(message.split()))
            if found := MAX_SCRATCH.search(message):
                self.scratch_bytes = max(self.scratch_bytes, int(found.group(1)))
            with contextlib.suppress(OSError):  # a full disk must not end in the library
                print(f"{word}: {message}", file=sys.stderr, flush=True)

    return Log()


def _monitor(trt: Any, events: Events) -> Any:
    """An IProgressMonitor that sends phases with the share of the whole that is done."""
    phases = Phases(lambda name, fraction: events.phase(name, 0.05 + 0.9 * fraction))

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            phases.start(name, parent, steps)

        def step_complete(self, name: str, step: int) -> bool:
            phases.step(name, step)
            return True

        def phase_finish(self, name: str) -> None:
            phases.finish(name)

    return Monitor()


if __name__ == "__main__":
    main()
