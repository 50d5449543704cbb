"""The real NVRTC, which needs no GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from emogene.contract.cubins import KernelResources
from emogene.contract.errors import Failure, MissingExtra, Unavailable
from emogene.kernels.gpu import nvrtc, sources
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.resources import parse_resources
from emogene.kernels.gpu.sources import Unit

from ...runtime.cubin_file import read_cubin, read_ptx
from .units import SCALE

pytestmark = pytest.mark.skipif(
    bool(nvrtc.missing()), reason="NVRTC is not installed: pip install nvidia-cuda-nvrtc"
)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_120"])
def test_a_cubin_for_every_architecture(architecture: str) -> None:
    made = nvrtc.compile_cubin(SCALE, architecture)
    found, kernels = read_cubin(made.image)
    assert found == made.architecture == architecture
    assert {k.name for k in made.kernels} == set(kernels) == {"scale", "spill"}
    assert [(p.offset, p.size) for p in kernels["scale"]] == [(0, 8), (8, 4), (16, 16)]


def test_what_kernels_take() -> None:
    scale, spill = nvrtc.compile_cubin(SCALE, "sm_80").kernels
    assert scale.name == "scale" and scale.shared == 64 * 4
    assert 0 < scale.registers <= 32 and scale.stack == scale.spill_stores == 0
    # A block of 1024 threads leaves 64 registers a thread: 128 floats do not fit.
    assert spill.registers <= 64 and spill.stack > 0
    assert min(spill.spill_stores, spill.spill_loads) > 4 * (128 - 64 - 8)


def test_ptx_for_gpus_newer_than_nvrtc() -> None:
    known = nvrtc.architectures()
    assert nvrtc.target("sm_90") == "sm_90" and nvrtc.target("sm_50") == "sm_50"
    assert nvrtc.target(f"sm_{known[-1] + 9}") == f"compute_{known[-1]}"
    made = nvrtc.compile_cubin(SCALE, nvrtc.target("sm_91"))
    assert made.architecture == "compute_90" and not made.kernels and made.image[-1:] == b"\0"
    found, kernels = read_ptx(made.image[:-1].decode())
    assert found == "sm_90" and kernels == read_cubin(nvrtc.compile_cubin(SCALE, "sm_90").image)[1]
    # No product may be fused with a sum where the driver compiles either.
    assert b"fma." not in made.image and b"mul.rn.f32" in made.image


def test_options_reach_the_compiler() -> None:
    unit = Unit("of.cu", 'extern "C" __global__ void of(int* x) { *x = VALUE; }')
    assert nvrtc.compile_cubin(unit, "sm_80", ("-DVALUE=3",)).kernels[0].name == "of"
    with pytest.raises(Failure, match=r'kernels/of\.cu for sm_80: .*"VALUE" is undefined'):
        nvrtc.compile_cubin(unit, "sm_80")
    with pytest.raises(Failure, match=r"options NVRTC takes.*--bogus"):
        nvrtc.compile_cubin(unit, "sm_80", ("--bogus",))


def test_an_architecture_it_does_not_know() -> None:
    with pytest.raises(Unavailable, match=r"sm_50, which NVRTC [\d.]+ does not know"):
        nvrtc.compile_cubin(SCALE, "sm_50")


def test_without_nvrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "candidates", lambda: iter(["/nowhere/libnvrtc.so"]))
    nvrtc._library.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r'pip install "emogene\[cuda\]"') as caught:
            nvrtc.compile_cubin(SCALE, "sm_80")
        assert "\n" not in str(caught.value) and nvrtc.missing() == "not installed"
    finally:
        nvrtc._library.cache_clear()


def test_the_log_of_functions_that_are_no_kernels() -> None:
    log = """ptxas info    : 0 bytes gmem
ptxas info    : Function properties for helper
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Compiling entry function 'march' for 'sm_86'
ptxas info    : Function properties for march
    24 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 512 bytes smem, 404 bytes cmem[0]
"""
    assert parse_resources(log) == (KernelResources("march", 40, 24, 512, 8, 12),)
    assert parse_resources("") == ()


def test_sources_with_headers_in_other_folders(tmp_path: Path) -> None:
    for name, text in {
        "cuda/a.cu": '#include "../cpp/b.h"\n  #  include "c.h"\n#include <x>\n',
        "cuda/c.h": '#pragma once\n#include "../cpp/b.h"\n',
        "cpp/b.h": '#pragma once\n#include "d.h"\n',
        "cpp/d.h": '#include "b.h"\n',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    unit = sources.read_unit("a.cu", folder=tmp_path)
    assert unit.text == '#include "cpp/b.h"\n  #  include "cuda/c.h"\n#include <x>\n'
    assert unit.headers == {
        "cpp/b.h": '#pragma once\n#include "cpp/d.h"\n',
        "cpp/d.h": '#include "cpp/b.h"\n',
        "cuda/c.h": '#pragma once\n#include "cpp/b.h"\n',
    }
    before = unit.sha256
    (tmp_path / "cpp/d.h").write_text("\n")
    assert sources.read_unit("a.cu", folder=tmp_path).sha256 != before
    (tmp_path / "cpp/d.h").unlink()
    with pytest.raises(Failure, match=r"kernels/cpp/d\.h: .*kernels/cpp/b\.h includes"):
        sources.read_unit("a.cu", folder=tmp_path)


class Counted:
    """Compilations that were done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, real = 0, nvrtc.compile_cubin

        def compile_cubin(*arguments: object) -> nvrtc.Cubin:
            self.count += 1
            return real(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(nvrtc, "compile_cubin", compile_cubin)


def test_what_was_compiled_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, cache = Counted(monkeypatch), CubinCache(tmp_path)
    made = cache.obtain(SCALE, "sm_80")
    assert cache.obtain(SCALE, "sm_80") == made and done.count == 1
    ((_, entry),) = cache.entries()
    assert (entry.unit, entry.architecture, entry.size) == (SCALE.name, "sm_80", len(made.image))
    assert entry.nvrtc == nvrtc.version() and entry.kernels == made.kernels
    # Everything that decides the bytes is another entry.
    cache.obtain(SCALE, "sm_86")
    cache.obtain(SCALE, "sm_80", ("-DX=1",))
    cache.obtain(Unit(SCALE.name, SCALE.text + "\n", SCALE.headers), "sm_80")
    headers = {name: text + "\n" for name, text in SCALE.headers.items()}
    cache.obtain(Unit(SCALE.name, SCALE.text, headers), "sm_80")
    monkeypatch.setattr(nvrtc, "version", lambda: "99.0")
    cache.obtain(SCALE, "sm_80")
    assert done.count == 6 == len(cache.entries())
    assert cache.clear()[0] == 6 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", [0, 40, 300, -1])
def test_a_damaged_entry_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: int
) -> None:
    done, cache = Counted(monkeypatch), CubinCache(tmp_path)
    made = cache.obtain(SCALE, "sm_80")
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    assert not cache.entries()
    assert cache.obtain(SCALE, "sm_80") == made and done.count == 2
    path.write_bytes(path.read_bytes()[:100])
    assert cache.obtain(SCALE, "sm_80") == made and done.count == 3
    assert len(list(tmp_path.iterdir())) == 1


def test_the_folder_is_bounded(tmp_path: Path) -> None:
    size = len(nvrtc.compile_cubin(SCALE, "sm_80").image)
    cache = CubinCache(tmp_path, limit=5 * size // 2)
    for number in range(4):
        cache.obtain(SCALE, "sm_80", (f"-DN={number}",))
        for path in tmp_path.iterdir():  # all of them a second older
            status = path.stat()
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 10**9))
    assert [e.options for _, e in cache.entries()].count(("-DN=3",)) == 1
    assert len(cache.entries()) == 2


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = CubinCache(tmp_path / "file" / "below").obtain(SCALE, "sm_80")
    assert made.image[:4] == b"\x7fELF"


_LIBRARY = """
#include <dlfcn.h>
extern "C" const char* nvrtcGetErrorString(int) { return "failed to open its builtins"; }
extern "C" int nvrtcVersion(int* major, int* minor) {
    *major = 99, *minor = 0;
    return dlopen("libnvrtc-builtins.so.99.0", RTLD_NOW) == nullptr ? 7 : 0;
}
"""


def test_builtins_that_only_lie_beside_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the wheel of 13.0, whose library does not say where it looks."""
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    for name, text in {"libnvrtc.so.13": _LIBRARY, "libnvrtc-builtins.so.99.0": ""}.items():
        command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", "-x", "c++", "-"]
        subprocess.run([*command, "-o", str(tmp_path / name)], input=text, text=True, check=True)
    monkeypatch.setattr(nvrtc, "candidates", lambda: iter([str(tmp_path / "libnvrtc.so.13")]))
    nvrtc._library.cache_clear()
    try:
        assert nvrtc.version() == "99.0"
    finally:
        nvrtc._library.cache_clear()
