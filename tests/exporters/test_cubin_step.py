"""Kernels compiled into an engine directory: listed, checked, used, and refused where they do not
fit."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from emogene.contract.cubins import CubinSpec
from emogene.contract.engine_directory import check_files, read_manifest
from emogene.contract.errors import BadEngineDirectory, Failure, MissingExtra, Unavailable
from emogene.contract.manifest import MANIFEST_FILE, Manifest
from emogene.exporters import cubin_step
from emogene.exporters.cubin_step import compile_cubins
from emogene.exporters.engine_step import EngineOptions
from emogene.exporters.inspection import inspect_engine_directory, print_inspection
from emogene.exporters.rebuild import rebuild_engine_directory, wanted_kernels
from emogene.kernels.gpu import nvrtc, programs
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.programs import Program, Shipped, obtain
from tests.kernels.gpu.units import SCALE
from tests.runtime.cubin_file import read_cubin

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

PROGRAM = Program("scale", SCALE, ("-DX=1",), spills=8192)
GPUS = ("sm_86", "sm_90")


@pytest.fixture
def one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cubin_step, "wanted_programs", lambda *field, half_tables: (PROGRAM,))


@pytest.fixture
def folder(tiny_engines: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_engines, tmp_path / "e"))


def compiled(folder: Path, cache: Path | None = None) -> tuple[Manifest, list[str]]:
    """The directory with cubins, and what was said."""
    said: list[str] = []
    made = compile_cubins(folder, read_manifest(folder), GPUS, cache, lambda *at: None, said.append)
    (folder / MANIFEST_FILE).write_bytes(made.to_bytes())
    return read_manifest(folder), said


def test_a_directory_gets_them(one_program: None, folder: Path, tmp_path: Path) -> None:
    manifest, said = compiled(folder, tmp_path / "cache")
    check_files(folder, manifest)
    assert [c.file for c in manifest.cubins] == [f"cubins/scale.{a}.cubin" for a in GPUS]
    assert len(said) == 2 and said[0].startswith("[✓] scale             sm_86  2 kernels, at most ")
    for cubin in manifest.cubins:
        assert read_cubin((folder / cubin.file).read_bytes())[0] == cubin.architecture
        assert (cubin.source, cubin.abi) == (PROGRAM.source, programs.ABI)
        assert {k.name for k in cubin.kernels} == {"scale", "spill"}
    assert len(CubinCache(tmp_path / "cache" / "kernels").entries()) == 2
    (folder / manifest.cubins[0].file).write_bytes(b"another")
    with pytest.raises(BadEngineDirectory, match=r"scale\.sm_86\.cubin"):
        check_files(folder, manifest)


def test_inspect_shows_what_they_take(
    one_program: None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    compiled(folder)
    print_inspection(inspect_engine_directory(folder), Console(width=200))
    lines = capsys.readouterr().out.splitlines()
    (title,) = [i for i, line in enumerate(lines) if "CUDA kernels" in line]
    rows = [line.split("│")[1:-1] for line in lines[title:] if "│ scale" in line]
    assert [[cell.strip() for cell in row][:3] for row in rows] == [
        ["scale", gpu, kernel] for gpu in GPUS for kernel in ("scale", "spill")
    ]
    assert all(int(row[3]) > 8 for row in rows) and int(rows[1][6]) > 0


def test_spills_fail(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    tight = dataclasses.replace(PROGRAM, spills=16)
    monkeypatch.setattr(cubin_step, "wanted_programs", lambda *field, half_tables: (tight,))
    with pytest.raises(Failure, match="kernel spill for sm_86: expected at most 16 bytes of sp"):
        compiled(folder)


def test_without_nvrtc(one_program: None, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def refuse(*arguments: Any) -> Any:
        raise MissingExtra("nvidia.cuda_nvrtc", "cuda", "compiling CUDA kernels")

    monkeypatch.setattr(nvrtc, "compile_cubin", refuse)
    with pytest.raises(MissingExtra, match=r'pip install "emogene\[cuda\]"'):
        compiled(folder)


def test_rebuild_keeps_the_gpus(one_program: None, folder: Path) -> None:
    before, _ = compiled(folder)
    assert wanted_kernels(folder, ()) == GPUS and wanted_kernels(folder, ("sm_75",)) == ()
    options = EngineOptions(kernels=("sm_90", "sm_120"))
    rebuild_engine_directory(folder, options)
    after = read_manifest(folder)
    assert [c.architecture for c in after.cubins] == ["sm_90", "sm_120"]
    assert after.cubins[0] == before.cubins[1]
    assert not (folder / "cubins" / "scale.sm_86.cubin").exists()


def test_which_code_is_used(one_program: None, folder: Path, tmp_path: Path) -> None:
    manifest, _ = compiled(folder)
    cache = CubinCache(tmp_path / "cache")
    shipped = Shipped(folder, manifest.cubins)
    found = obtain(PROGRAM, "sm_90", shipped, cache)
    assert found.origin == "cubins/scale.sm_90.cubin" and not cache.entries()
    assert found.image == (folder / found.origin).read_bytes()
    assert found.kernels == manifest.cubins[1].kernels
    for program, gpu, given in (
        (PROGRAM, "sm_120", shipped),
        (PROGRAM, "sm_90", None),
        (dataclasses.replace(PROGRAM, options=()), "sm_90", shipped),
        (PROGRAM, "sm_90", changed(shipped, abi=programs.ABI + 1)),
    ):
        made = obtain(program, gpu, given, cache)
        assert made.origin == f"NVRTC {nvrtc.version()}"
        assert read_cubin(made.image)[0] == gpu


def changed(shipped: Shipped, **values: Any) -> Shipped:
    cubins: tuple[CubinSpec, ...] = tuple(dataclasses.replace(c, **values) for c in shipped.cubins)
    return Shipped(shipped.folder, cubins)


def test_code_that_does_not_fit_and_no_compiler(
    one_program: None, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    shipped = Shipped(folder, compiled(folder)[0].cubins)
    monkeypatch.setattr(nvrtc, "candidates", lambda: iter(()))
    nvrtc._library.cache_clear()
    try:
        cache = CubinCache(tmp_path / "cache")
        assert obtain(PROGRAM, "sm_90", shipped, cache).image
        for program, gpu, given, said in (
            (PROGRAM, "sm_120", shipped, r"e: its cubins are for sm_86, sm_90; NVRTC is not inst"),
            (PROGRAM, "sm_90", Shipped(folder), "e: it holds no cubins; NVRTC"),
            (PROGRAM, "sm_90", None, "no cubins are at hand; NVRTC"),
            (PROGRAM, "sm_90", changed(shipped, abi=99), r"sm_90\.cubin has ABI 99 instead of"),
            (dataclasses.replace(PROGRAM, options=()), "sm_90", shipped, "from other sources"),
        ):
            with pytest.raises(Unavailable, match=said) as caught:
                obtain(program, gpu, given, cache)
            assert "\n" not in str(caught.value)
            assert caught.value.remedy == 'pip install "emogene[cuda]"'
    finally:
        nvrtc._library.cache_clear()
