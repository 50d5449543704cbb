"""What the exporters' tests stand on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emogene.contract.stages import Signature
from emogene.exporters import exporting
from emogene.exporters.build import BuildOptions, build_engine_directory
from emogene.exporters.engine_step import EngineOptions
from emogene.exporters.precision_step import PrecisionOptions
from tests.tiny_avatar import once


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test: neither the user's nor another test's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("EMOGENE_CACHE", str(folder))
    return folder


@dataclass(frozen=True)
class Built:
    """A directory with everything in it, and how it was built.

    Attributes:
        folder: the engine directory. Read only: copy it to change it.
        checkpoints: what it was built from.
        options: the same options build it from the cache alone.
    """

    folder: Path
    checkpoints: Path
    options: BuildOptions


@pytest.fixture(scope="session")
def built(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoints: Path, tiny_engines: Path
) -> Built:
    """The tiny avatar with a stage in fp16, one in what it bears, and TensorRT-RTX engines."""

    def read(stage: str, module: object, signature: Signature) -> bytes:
        return (tiny_engines / "stages" / f"{stage}.onnx").read_bytes()

    base = tiny_engines.parent
    options = BuildOptions(
        precision=PrecisionOptions("fp32", {"density": "fp16", "deformation": "auto"}),
        engines=EngineOptions(("onnxruntime", "tensorrt-rtx"), ("sm_86", "sm_120")),
        cache=base / "tiny-cache",
    )

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            # Tracing is slow: take the files that stand in the tiny directory instead.
            patch.setattr(exporting, "onnx_bytes", read)
            build_engine_directory(tiny_checkpoints, folder, options)

    folder = once(tmp_path_factory, "tiny-engines-full", make)
    return Built(folder, tiny_checkpoints, options)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
