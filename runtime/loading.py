"""An engine directory → everything an avatar is made of, checked before it is believed.

Order matters: first the manifest in itself, then every file's hash, and only then is anything
deserialised. What does not fit is collected and refused in one error.
"""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.engine_directory import check_files, read_manifest
from ..contract.errors import BadEngineDirectory
from ..contract.manifest import MANIFEST_FILE, REBUILD, WEIGHTS_FILE, Manifest
from ..contract.stages import Signature, signatures
from ..contract.tensors import TensorSpec
from ..contract.weights import weight_problems, weight_specs
from .backends.choice import AUTO, Choice, checked_backend
from .backends.opening import open_stages
from .backends.protocol import Runner


@dataclass(frozen=True)
class Loaded:
    """The contents of an engine directory.

    Attributes:
        path: where it lies.
        manifest: its manifest.
        weights: its tensors (`contract.weights`), read-only.
        runners: every stage, ready to run.
        choice: the backend that was chosen for them, and why.
        recast: stages that run in a precision that was asked for.
    """

    path: Path
    manifest: Manifest
    weights: Mapping[str, NDArray[Any]]
    runners: Mapping[str, Runner]
    choice: Choice
    recast: frozenset[str] = frozenset()

    def close(self) -> None:
        """Free the runners; twice is fine."""
        for runner in self.runners.values():
            runner.close()


def demo_directory() -> Path:
    """The built-in avatar's engine directory."""
    return Path(str(importlib.resources.files(__package__) / "data" / "avatar"))


def load_engine_directory(
    path: str | os.PathLike[str] | None,
    threads: int,
    backend: str = AUTO,
    *,
    strict: bool = False,
    precisions: Mapping[str, str] | None = None,
) -> Loaded:
    """Check and load an engine directory.

    Args:
        path: the directory; None is the built-in avatar.
        threads: threads a network may use.
        backend: one of `backends.choice.BACKENDS` or `backends.providers.PROVIDERS`.
        strict: refuse to run on another backend than the one asked for, or, with ``"auto"``, the
            best the directory was built for.
        precisions: stages to run on ONNX Runtime in another precision than float32, such as
            ``{"hubert": "int8"}``.

    Raises:
        BadEngineDirectory: it is missing, damaged, or does not fit this version.
        BadOption: there is no such backend, or a stage is not there in such a precision.
        Unavailable: ``strict``, and the backend does not work here.
    """
    checked_backend(backend)
    if path is not None:
        return _load(Path(path), threads, backend, strict, precisions)
    try:
        return _load(demo_directory(), threads, backend, strict, precisions)
    except BadEngineDirectory as error:
        raise BadEngineDirectory(
            error.thing,
            expected=error.expected,
            found=error.found,
            remedy="the built-in avatar is damaged: install emogene again",
        ) from None


def _load(
    folder: Path,
    threads: int,
    backend: str,
    strict: bool,
    precisions: Mapping[str, str] | None,
) -> Loaded:
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    wanted = signatures(
        manifest.field,
        manifest.torso,
        manifest.motion,
        manifest.feature_width,
        manifest.latent_width,
        manifest.super_resolution,
    )
    where = str(folder / MANIFEST_FILE)
    problems = [p for name, s in wanted.items() for p in _stage_problems(name, manifest, s)]
    _refuse(where, "stages with the signatures of this format", problems)
    weights = _load_weights(folder, manifest)
    runners, choice = open_stages(
        folder, manifest, wanted, threads, backend, strict=strict, precisions=precisions
    )
    try:
        problems = [
            f"{name}: {problem}"
            for name, signature in wanted.items()
            for problem in _runner_problems(runners[name], signature)
        ]
        _refuse(str(folder), "networks as the manifest describes them", problems)
    except BaseException:
        for runner in runners.values():
            runner.close()
        raise
    return Loaded(folder, manifest, weights, runners, choice, frozenset(precisions or ()))


def _stage_problems(name: str, manifest: Manifest, wanted: Signature) -> list[str]:
    stage = manifest.stages[name]
    pairs = (("inputs", stage.inputs, wanted.inputs), ("outputs", stage.outputs, wanted.outputs))
    return [
        f"{name} {kind} {_spelled(found)} instead of {_spelled(expected)}"
        for kind, found, expected in pairs
        if found != expected
    ]


def _runner_problems(runner: Runner, wanted: Signature) -> list[str]:
    """Names, types and fixed lengths; how a backend spells a symbol is its own affair."""
    problems = []
    for found, expected in ((runner.inputs, wanted.inputs), (runner.outputs, wanted.outputs)):
        given = {spec.name: spec for spec in found}
        if set(given) != {spec.name for spec in expected}:
            problems.append(f"{_spelled(found)} instead of {_spelled(expected)}")
            continue
        problems += [
            f"{_spelled([given[spec.name]])} instead of {_spelled([spec])}"
            for spec in expected
            if not _fits(given[spec.name], spec)
        ]
    return problems


def _fits(found: TensorSpec, expected: TensorSpec) -> bool:
    return (
        found.dtype == expected.dtype
        and len(found.shape) == len(expected.shape)
        and all(
            isinstance(have, str) if isinstance(want, str) else have == want
            for have, want in zip(found.shape, expected.shape, strict=True)
        )
    )


def _load_weights(folder: Path, manifest: Manifest) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / WEIGHTS_FILE
    if WEIGHTS_FILE not in manifest.files:
        _refuse(str(folder / MANIFEST_FILE), f"{WEIGHTS_FILE} among its files", ["it is missing"])
    try:
        weights = load_file(path)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BadEngineDirectory(
            str(path), expected="a safetensors file", found=str(error), remedy=REBUILD
        ) from None
    specs = weight_specs(manifest.field, manifest.torso, manifest.motion, manifest.camera)
    found = {name: (str(array.dtype), array.shape) for name, array in weights.items()}
    problems = weight_problems(specs, found)
    problems += [
        f"{name} holds numbers that are not finite"
        for name, array in weights.items()
        if array.dtype.kind == "f" and not np.isfinite(array).all()
    ]
    _refuse(str(path), "the tensors the manifest describes", problems)
    for array in weights.values():
        array.flags.writeable = False
    return weights


def _refuse(where: str, expected: str, problems: list[str]) -> None:
    if problems:
        raise BadEngineDirectory(
            where, expected=expected, found="; ".join(problems), remedy=REBUILD
        )


def _spelled(specs: tuple[TensorSpec, ...] | list[TensorSpec]) -> str:
    return ", ".join(f"{s.name} {s.dtype} ({', '.join(map(str, s.shape))})" for s in specs)
