"""Engine directories with engines in them, and inputs for their networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from emogene.contract.engine_directory import hash_file, read_manifest
from emogene.contract.engines import EngineSpec, LengthProfile, Target
from emogene.contract.manifest import MANIFEST_FILE
from emogene.contract.tensors import TensorSpec

from .fake_tensorrt import make_plan

RANGES = {
    "samples": (400, 16_000, 480_000),
    "latents": (1, 16, 256),
    "frames": (1, 1, 512),
    "points": (1, 4096, 16_384),
    "pixels": (1, 4096, 16_384),
    "side": (1, 256, 1024),
}


def add_engines(
    directory: Path,
    target: Target = "tensorrt-rtx",
    stages: Iterable[str] | None = None,
    *,
    version: str = "1.7.1.116",
    architectures: tuple[str, ...] = ("sm_86", "sm_89"),
    most: int | None = None,
) -> tuple[EngineSpec, ...]:
    """Write an engine of the model's kind for every stage, and sign the manifest.

    Args:
        most: the longest input, instead of that of `RANGES`.
    """
    manifest = read_manifest(directory)
    made = []
    for name in manifest.stages if stages is None else stages:
        stage = manifest.stages[name]
        symbol = next(d for s in stage.inputs for d in s.shape if isinstance(d, str))
        symbol = symbol.rpartition("*")[2]
        least, usual, longest = RANGES[symbol]
        longest = most or longest
        engine = EngineSpec(
            stage=name,
            target=target,
            file=f"engines/{target}/{name}-{'-'.join(architectures)}-{version}.engine",
            source=stage.file,
            precision="fp32",
            profile=LengthProfile(symbol, least, min(usual, longest), longest),
            architectures=architectures,
            tool=f"{target} {version}",
            scratch_bytes=1 << 20,
            key="0" * 64,
        )
        path = directory / engine.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_plan(engine, stage, (directory / stage.file).read_bytes()))
        made.append(engine)
    resign(directory, engines=(*manifest.engines, *made))
    return tuple(made)


def resign(directory: Path, **changes: Any) -> None:
    """Rewrite the manifest with true hashes of its files and of its engines."""
    manifest = dataclasses.replace(read_manifest(directory), **changes)
    names = {*manifest.files, *(b.file for b in (*manifest.engines, *manifest.variants))}
    files = {name: hash_file(directory / name) for name in sorted(names)}
    changed = dataclasses.replace(manifest, files=files)
    (directory / MANIFEST_FILE).write_bytes(changed.to_bytes())


def inputs(specs: Iterable[TensorSpec], length: int, seed: int = 0) -> dict[str, Any]:
    """Random inputs of a stage whose varying symbol is ``length``."""
    random = np.random.default_rng(seed)
    made = {}
    for spec in specs:
        shape = [d if isinstance(d, int) else _filled(d, length) for d in spec.shape]
        if spec.dtype == "float32":
            made[spec.name] = random.standard_normal(shape).astype(np.float32)
        else:
            made[spec.name] = random.integers(0, 8, shape).astype(spec.dtype)
    return made


def _filled(dimension: str, length: int) -> int:
    factor, _, _ = dimension.rpartition("*")
    return int(factor or 1) * length
