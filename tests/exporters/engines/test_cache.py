"""The same engine is built once; what changed is named; what is damaged is never used."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from pathlib import Path

import pytest

from emogene.contract.cache_folder import CACHE_VARIABLE
from emogene.contract.engines import LengthProfile
from emogene.contract.errors import BadOutput
from emogene.exporters.engines import build
from emogene.exporters.engines.build import BuiltEngine, EngineRequest
from emogene.exporters.engines.cache import EngineCache, KeyParts, default_folder, key_parts
from emogene.exporters.engines.obtain import Obtained, obtain_engine

from . import networks

pytestmark = pytest.mark.usefixtures("rtx")


@pytest.fixture(scope="module")
def first(
    mlp: Path, tmp_path_factory: pytest.TempPathFactory, rtx: str
) -> tuple[Obtained, EngineCache]:
    """An engine that was built, and the cache that keeps it. Read only: copy the folder."""
    folder = tmp_path_factory.mktemp("kept")
    kept = EngineCache(folder / "engines")
    return obtain_engine(networks.request(mlp), folder / "e.engine", kept), kept


@pytest.fixture
def kept(first: tuple[Obtained, EngineCache], tmp_path: Path) -> EngineCache:
    """A cache with one engine, to break."""
    shutil.copytree(first[1].folder, tmp_path / "engines")
    return EngineCache(tmp_path / "engines")


@pytest.fixture
def no_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "WORKER", ("false",))


def test_a_first_engine_is_built_and_kept(first: tuple[Obtained, EngineCache]) -> None:
    obtained, kept = first
    assert not obtained.cached and obtained.warning == ""
    assert obtained.why == "none of density for tensorrt-rtx is kept yet"
    (entry,) = kept.list_entries()
    assert entry.parts.key == obtained.key and entry.sha256 == obtained.built.sha256
    assert len(list(kept.folder.iterdir())) == 2


@pytest.mark.usefixtures("no_builder")
def test_a_second_one_is_a_copy_at_once(
    first: tuple[Obtained, EngineCache], mlp: Path, tmp_path: Path
) -> None:
    obtained, kept = first
    begun = time.thread_time()
    again = obtain_engine(networks.request(mlp), tmp_path / "e.engine", kept)
    assert time.thread_time() - begun < 2.0
    assert again.cached and again.why == "" and again.key == obtained.key
    assert again.built == dataclasses.replace(obtained.built, path=tmp_path / "e.engine")
    assert again.built.path.read_bytes() == obtained.built.path.read_bytes()


@pytest.mark.usefixtures("no_builder")
def test_the_manifests_entry(
    first: tuple[Obtained, EngineCache], mlp: Path, tmp_path: Path, rtx: str
) -> None:
    (tmp_path / "engines").mkdir()
    again = obtain_engine(networks.request(mlp), tmp_path / "engines" / "density.engine", first[1])
    spec = again.spec(tmp_path, "stages/density.onnx")
    assert (spec.file, spec.source) == ("engines/density.engine", "stages/density.onnx")
    assert spec.architectures == ("sm_86",) and spec.tool == f"tensorrt-rtx {rtx}"
    assert spec.key == first[0].key and spec.error is None and spec.scratch_bytes > 0


def test_each_part_of_the_key_changes_it_and_is_named(kept: EngineCache, mlp: Path) -> None:
    usual = key_parts(networks.request(mlp))
    old = usual.tool
    changed: dict[str, KeyParts] = {
        f"the network changed: {usual.onnx[:12]}… → 000000000000…": dataclasses.replace(
            usual, onnx="0" * 64
        ),
        "profile changed: points=1:64:256 → points=1:64:512": key_parts(
            networks.request(mlp, profile=LengthProfile("points", 1, 64, 512))
        ),
        "precision changed: fp32 → fp16": key_parts(networks.request(mlp, precision="fp16")),
        "architectures changed: sm_86 → sm_120,sm_86": key_parts(
            networks.request(mlp, architectures=("sm_86", "sm_120"))
        ),
        "flags changed: strongly_typed,no_tf32 → strongly_typed": dataclasses.replace(
            usual, flags=("strongly_typed",)
        ),
        f"the builder changed: {old} → tensorrt-rtx 9.9": dataclasses.replace(
            usual, tool="tensorrt-rtx 9.9"
        ),
        "how it is called changed: 1 → 2": dataclasses.replace(usual, revision=2),
    }
    assert len({parts.key for parts in (usual, *changed.values())}) == len(changed) + 1
    for why, parts in changed.items():
        assert kept.why_missed(parts) == why
    both = dataclasses.replace(usual, onnx="0" * 64, precision="fp16")
    assert kept.why_missed(both).count(" changed: ") == 2


def test_the_order_of_architectures_is_no_change(mlp: Path) -> None:
    one, other = (
        key_parts(networks.request(mlp, architectures=a))
        for a in (("sm_86", "sm_120"), ("sm_120", "sm_86"))
    )
    assert one.key == other.key


def test_the_nearest_engine_is_the_one_compared_with(
    kept: EngineCache, first: tuple[Obtained, EngineCache], mlp: Path
) -> None:
    usual = key_parts(networks.request(mlp))
    far = dataclasses.replace(usual, onnx="1" * 64, precision="bf16", tool="tensorrt-rtx 9.9")
    kept.store(far, first[0].built)
    assert "the network" not in kept.why_missed(dataclasses.replace(usual, precision="fp16"))
    assert kept.why_missed(dataclasses.replace(usual, stage="colour", onnx="2" * 64)).startswith(
        "none of colour"
    )
    assert kept.why_missed(dataclasses.replace(usual, tool="tensorrt 11.0")).startswith("none of")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [flipped, truncated, os.unlink])
@pytest.mark.parametrize("which", ["*.engine", "*.json"])
def test_what_is_damaged_is_built_anew(
    which: str, damage: object, kept: EngineCache, mlp: Path, tmp_path: Path
) -> None:
    (path,) = kept.folder.glob(which)
    damage(path)  # type: ignore[operator]
    request = networks.request(mlp)
    target = tmp_path / "e.engine"
    assert kept.fetch(key_parts(request), target) is None and not target.exists()
    obtained = obtain_engine(request, target, kept)
    assert not obtained.cached and obtained.why
    assert obtain_engine(request, target, kept).cached


def test_every_flipped_byte_of_an_entry_is_noticed(
    kept: EngineCache, mlp: Path, tmp_path: Path
) -> None:
    parts = key_parts(networks.request(mlp))
    (path,) = kept.folder.glob("*.json")
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        assert kept.fetch(parts, tmp_path / "e.engine") is None, place
    path.write_bytes(data)
    assert kept.fetch(parts, tmp_path / "e.engine") is not None


def test_the_reason_for_building_a_damaged_one(
    kept: EngineCache, mlp: Path, tmp_path: Path
) -> None:
    flipped(next(kept.folder.glob("*.engine")))
    obtained = obtain_engine(networks.request(mlp), tmp_path / "e.engine", kept)
    assert obtained.why == "the kept engine was damaged"


def test_without_a_cache_nothing_is_read_or_kept(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "own"))
    obtained = obtain_engine(networks.request(mlp), tmp_path / "e.engine", None)
    assert not obtained.cached and obtained.why == "" and not (tmp_path / "own").exists()


def test_a_cache_that_cannot_be_written_is_a_warning(mlp: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    obtained = obtain_engine(
        networks.request(mlp), tmp_path / "e.engine", EngineCache(tmp_path / "file" / "engines")
    )
    assert obtained.built.path.exists() and "could not be kept" in obtained.warning


@pytest.mark.usefixtures("no_builder")
def test_a_destination_that_cannot_be_written(kept: EngineCache, mlp: Path, tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="its folder does not exist"):
        obtain_engine(networks.request(mlp), tmp_path / "nowhere" / "e.engine", kept)


def test_clear_removes_engines_and_leavings_and_nothing_else(kept: EngineCache) -> None:
    size = next(kept.folder.glob("*.engine")).stat().st_size
    (kept.folder / f".{'0' * 64}.engine.12345678.part").write_bytes(b"half")
    (kept.folder / "notes.txt").write_bytes(b"somebody's")
    assert kept.clear() == (1, size)
    assert [p.name for p in kept.folder.iterdir()] == ["notes.txt"]
    assert kept.clear() == (0, 0) and kept.list_entries() == ()
    assert EngineCache(kept.folder / "absent").clear() == (0, 0)


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "emogene" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert default_folder() == tmp_path / "x" / "emogene" / "engines"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "e"))
    assert EngineCache().folder == tmp_path / "e" / "engines"


def test_two_stages_of_one_file_share_an_engine(
    first: tuple[Obtained, EngineCache], mlp: Path, tmp_path: Path
) -> None:
    request: EngineRequest = networks.request(mlp, stage="colour")
    found = first[1].fetch(key_parts(request), tmp_path / "e.engine")
    assert isinstance(found, BuiltEngine) and found.sha256 == first[0].built.sha256
