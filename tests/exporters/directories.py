"""Engine directories to break: copies, fingerprints, and forged manifests."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

from emogene.contract.engine_directory import list_files, read_manifest
from emogene.contract.manifest import MANIFEST_FILE


def copied(folder: Path, target: Path) -> Path:
    """A copy that a test may break."""
    shutil.copytree(folder, target)
    return target


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, manifest and reports included."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def forge_hashes(folder: Path, **changes: object) -> None:
    """Write a manifest that is consistent with the files as they are now."""
    manifest = dataclasses.replace(read_manifest(folder), files=list_files(folder), **changes)
    (folder / MANIFEST_FILE).write_bytes(manifest.to_bytes())
