"""Cubins in a manifest: an optional section that older directories do not have."""

from __future__ import annotations

import dataclasses
import json

import pytest

from emogene.contract.codec import canonical
from emogene.contract.cubins import CubinSpec, KernelResources
from emogene.contract.errors import BadEngineDirectory
from emogene.contract.manifest import KNOWN_FEATURES, FileEntry, Manifest, _digest

from .avatars import small_manifest

CUBIN = CubinSpec(
    "fused",
    "sm_90",
    "cubins/fused.sm_90.cubin",
    "ab" * 32,
    1,
    "NVRTC 13.5",
    (KernelResources("render", 128, 0, 1024, 0, 0),),
)


def test_a_manifest_lists_them() -> None:
    plain = small_manifest()
    files = {**plain.files, CUBIN.file: FileEntry("0" * 64, 10)}
    manifest = dataclasses.replace(plain, files=files, cubins=(CUBIN,))
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    # Nobody has to know them to use the directory.
    assert "cubins" in KNOWN_FEATURES and "cubins" not in manifest.requires
    with pytest.raises(BadEngineDirectory, match=r"cubins/fused\.sm_90\.cubin among its files"):
        Manifest.from_bytes(dataclasses.replace(plain, cubins=(CUBIN,)).to_bytes())


def test_a_manifest_from_before_them() -> None:
    plain = json.loads(small_manifest().to_bytes())
    del plain["cubins"]
    plain["digest"] = _digest(plain)
    assert Manifest.from_bytes(canonical(plain)) == small_manifest()
