"""What built a directory: versions of the tools, and the hash of what it was built from."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from .. import __version__
from ..contract.codec import canonical, to_plain
from ..contract.engine_directory import list_files

BUILDERS = ("torch", "onnx", "onnxscript", "onnxruntime", "transformers", "numpy", "safetensors")


def tool_versions() -> dict[str, str]:
    """Versions of everything that has a hand in the bytes of a directory."""
    versions = {"emogene": __version__, "python": platform.python_version()}
    for name in BUILDERS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def checkpoint_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a checkpoint's files."""
    return hashlib.sha256(canonical(to_plain(list_files(folder)))).hexdigest()


def machine() -> Mapping[str, str | int]:
    """The kind of machine numbers were measured on; nothing that names this very one."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 1,
    }
