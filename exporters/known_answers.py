"""Outputs of the PyTorch reference, kept in the directory, so that it can be verified anywhere.

``stages/known_answers.safetensors`` holds tensors ``<stage>/<length>/<output>``. Inputs are not
kept: `examples.example_inputs` makes them anew, bit for bit. Of long outputs only evenly spaced
rows along the varying axis are kept: the error of a row tells as much as that of its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from ..contract.engine_directory import file_path
from ..contract.errors import BadEngineDirectory
from ..contract.manifest import REBUILD, Manifest
from ..contract.stages import Signature
from ..runtime.backends.protocol import Array, Runner
from .compare import OutputDifference, difference
from .examples import example_inputs
from .shapes import varying_axis

KNOWN_ANSWERS_FILE = "stages/known_answers.safetensors"

KEPT_ROWS = 48
"""Rows kept of one output."""


def kept_rows(value: Array, axis: int) -> Array:
    """At most `KEPT_ROWS` evenly spaced entries along ``axis``, the first and last among them."""
    count = value.shape[axis]
    rows = np.linspace(0, count - 1, min(count, KEPT_ROWS)).round().astype(np.int64)
    return np.ascontiguousarray(np.take(value, rows, axis=axis))


def answers(
    stage: str, signature: Signature, reference: Runner, lengths: Iterable[int]
) -> dict[str, Array]:
    """What to keep of a stage: the reference's outputs on the example inputs."""
    kept = {}
    for length in lengths:
        made = reference.run(example_inputs(stage, signature, length))
        for spec in signature.outputs:
            kept[_key(stage, length, spec.name)] = kept_rows(made[spec.name], varying_axis(spec))
    return kept


def to_bytes(kept: Mapping[str, Array]) -> bytes:
    """The safetensors file of all stages' answers."""
    return save(dict(kept))


def load(folder: Path, manifest: Manifest) -> dict[str, Array]:
    """Read a directory's known answers; its hashes have been checked.

    Raises:
        BadEngineDirectory: there are none, or the file cannot be read.
    """
    path = file_path(folder, KNOWN_ANSWERS_FILE)
    try:
        if KNOWN_ANSWERS_FILE not in manifest.files:
            raise FileNotFoundError("no such file in the manifest")
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise BadEngineDirectory(
            str(path),
            expected="outputs of the reference to compare with",
            found=str(error) or type(error).__name__,
            remedy=REBUILD,
        ) from None


def compare_with_answers(
    stage: str,
    signature: Signature,
    candidate: Runner,
    kept: Mapping[str, Array],
    lengths: Iterable[int],
) -> tuple[OutputDifference, ...]:
    """Run ``candidate`` on the example inputs and measure it against the kept rows.

    Raises:
        BadEngineDirectory: the answers of a length are missing.
        Failure: an output has another shape than the reference's.
    """
    found = []
    for length in lengths:
        made = candidate.run(example_inputs(stage, signature, length))
        for spec in signature.outputs:
            key = _key(stage, length, spec.name)
            if key not in kept:
                raise BadEngineDirectory(
                    KNOWN_ANSWERS_FILE, expected=key, found="no such tensor", remedy=REBUILD
                )
            value = kept_rows(made[spec.name], varying_axis(spec))
            found.append(difference(stage, spec.name, length, value, kept[key]))
    return tuple(found)


def _key(stage: str, length: int, output: str) -> str:
    return f"{stage}/{length}/{output}"
