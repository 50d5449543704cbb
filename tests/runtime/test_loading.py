"""Engine directories that must be refused, each with its reason and its remedy."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import emogene
from emogene.contract.codec import canonical
from emogene.contract.engine_directory import hash_file, read_manifest
from emogene.contract.errors import BadEngineDirectory, BadOption
from emogene.contract.manifest import MANIFEST_FILE, WEIGHTS_FILE, Manifest
from emogene.runtime import loading


@pytest.fixture
def directory(tiny_engines: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(tiny_engines, tmp_path / "e"))


def refused(directory: Path) -> str:
    """The message with which the directory is refused."""
    with pytest.raises(BadEngineDirectory) as caught:
        emogene.open(directory, threads=1)
    message = str(caught.value)
    assert "emogene-export build-engines" in message and "\n" not in message
    return message


def sign(directory: Path, **changes: Any) -> None:
    """Rewrite the manifest with true hashes of what lies there, and other fields."""
    manifest = read_manifest(directory)
    files = {name: hash_file(directory / name) for name in manifest.files}
    changed = dataclasses.replace(manifest, **({"files": files} | changes))
    (directory / MANIFEST_FILE).write_bytes(changed.to_bytes())


def rewrite_weights(directory: Path, change: Callable[[dict[str, Any]], None]) -> None:
    weights = load_file(directory / WEIGHTS_FILE)
    change(weights)
    save_file(weights, directory / WEIGHTS_FILE)
    sign(directory)


def test_a_whole_directory_opens(tiny_engines: Path) -> None:
    with emogene.open(tiny_engines, threads=1) as avatar:
        assert (avatar.name, avatar.size, avatar.threads) == ("tiny", 64, 1)
        assert set(avatar.backends.values()) == {"onnxruntime-cpu"}
        with pytest.raises(ValueError, match="read-only"):
            avatar._loaded.weights["poses"][0] = 0


def test_missing_empty_and_a_file(tmp_path: Path) -> None:
    assert "found nothing there" in refused(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "found an empty folder" in refused(tmp_path / "empty")
    (tmp_path / "file").write_text("not a directory")
    assert "found a file" in refused(tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("something else")
    assert "manifest.json: expected the manifest" in refused(tmp_path / "other")


def test_half_written(directory: Path) -> None:
    path = directory / "stages" / "hubert.onnx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "hubert.onnx" in refused(directory) and "truncated" in refused(directory)
    path.unlink()
    assert "found nothing there" in refused(directory)
    manifest = directory / MANIFEST_FILE
    manifest.write_bytes(manifest.read_bytes()[:1000])
    assert "manifest.json: expected JSON" in refused(directory)


def test_one_flipped_bit_in_every_file(directory: Path) -> None:
    names = [*read_manifest(directory).files, MANIFEST_FILE]
    assert WEIGHTS_FILE in names and len(names) > 10
    random = np.random.default_rng(0)
    for name in names:
        path = directory / name
        whole = path.read_bytes()
        for place in {0, len(whole) - 1, *random.integers(0, len(whole), 3).tolist()}:
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(random.integers(8))
            path.write_bytes(damaged)
            assert name in refused(directory)
        path.write_bytes(whole)
    emogene.open(directory, threads=1).close()


def test_from_a_newer_format(directory: Path) -> None:
    plain = json.loads((directory / MANIFEST_FILE).read_text())
    plain["format"] = 2
    (directory / MANIFEST_FILE).write_bytes(canonical(plain))
    assert "found format 2 — update emogene" in refused(directory)


def test_a_feature_of_the_future(directory: Path) -> None:
    sign(directory, requires=("field", "hair"))
    assert "requires hair — update emogene" in refused(directory)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "stages/../../outside"])
def test_a_path_that_climbs_out(directory: Path, name: str) -> None:
    (directory.parent / "outside").write_bytes(b"secret")
    manifest = read_manifest(directory)
    sign(directory, files=dict(manifest.files) | {name: hash_file(directory / MANIFEST_FILE)})
    assert "do not use this directory" in refused(directory)


def test_a_link_that_leads_out(directory: Path) -> None:
    path = directory / WEIGHTS_FILE
    shutil.move(path, directory.parent / "weights")
    os.symlink(directory.parent / "weights", path)
    assert "do not use this directory" in refused(directory)


def test_nothing_is_deserialised_before_its_hash_is_known(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_run(*arguments: object) -> None:
        raise AssertionError("deserialised")

    monkeypatch.setattr(loading, "open_stages", must_not_run)
    monkeypatch.setattr(loading, "_load_weights", must_not_run)
    (directory / "stages" / "torso_colour.onnx").write_bytes(b"?")
    assert "torso_colour.onnx" in refused(directory)


def test_all_wrong_tensors_are_named_in_one_error(directory: Path) -> None:
    def change(weights: dict[str, Any]) -> None:
        del weights["torso_mask"]
        weights["skin.table"] = weights["skin.table"][:-1]
        weights["poses"] = weights["poses"].astype(np.float16)
        weights["motion.mean"] = weights["motion.mean"] * np.float32(np.nan)

    rewrite_weights(directory, change)
    message = refused(directory)
    for part in (
        "torso_mask is missing",
        "skin.table is float32",
        "poses is float16",
        "motion.mean holds numbers that are not finite",
    ):
        assert part in message


def test_weights_that_are_no_safetensors(directory: Path) -> None:
    (directory / WEIGHTS_FILE).write_bytes(b"\x80\x04pickle")
    sign(directory)
    assert "expected a safetensors file" in refused(directory)


def test_a_network_that_is_none(directory: Path) -> None:
    (directory / "stages" / "density.onnx").write_bytes(b"not a network")
    sign(directory)
    assert "density.onnx: expected a network that ONNX Runtime can load" in refused(directory)


def test_networks_in_each_others_place(directory: Path) -> None:
    stages = directory / "stages"
    a, b = stages / "density.onnx", stages / "colour.onnx"
    whole = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(whole)
    sign(directory)
    message = refused(directory)
    assert "density: inputs float32" in message and "colour: features float32" in message


def test_a_manifest_that_describes_other_networks(directory: Path) -> None:
    manifest: Manifest = read_manifest(directory)
    stage = manifest.stages["hubert"]
    shorter = dataclasses.replace(stage, inputs=())
    stages: Mapping[str, Any] = dict(manifest.stages) | {"hubert": shorter}
    sign(directory, stages=stages)
    assert "hubert inputs  instead of samples float32 (1, samples)" in refused(directory)


def test_reports_and_unknown_sections_are_left_alone(directory: Path) -> None:
    shutil.rmtree(directory / "reports")
    (directory / "my notes.txt").write_text("mine")
    emogene.open(directory, threads=1).close()


def test_bad_thread_counts(tiny_engines: Path) -> None:
    with pytest.raises(BadOption, match="threads: expected at least 1, found 0"):
        emogene.open(tiny_engines, threads=0)
