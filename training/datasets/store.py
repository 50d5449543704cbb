"""Steps that are done once: results on disk, each with a key of everything it depends on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ..files import write_atomically

Arrays = dict[str, NDArray[Any]]

_BLOCK = 1 << 20


def key_of(**parts: Any) -> str:
    """A key that changes when any of `parts` (plain data) does."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def slug(name: str) -> str:
    """A file name that is legible and belongs to `name` alone."""
    legible = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[-80:]
    return f"{legible}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Store:
    """A folder of finished steps.

    A result is a safetensors file that carries its key; it is read back while the key is the same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def once(self, item: str, step: str, key: str, make: Callable[[], Mapping[str, Any]]) -> Arrays:
        """The arrays of a step of `item`: read if made under `key`, else made and kept."""
        path = self.folder / item / f"{step}.safetensors"
        kept = _read(path, key)
        if kept is not None:
            return kept
        made = {name: np.ascontiguousarray(value) for name, value in make().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(made, {"key": key}))
        return made

    def file_hash(self, path: Path, item: str, step: str) -> str:
        """SHA-256 of a file; remembered while its size and time of change stay the same."""
        status = path.stat()
        facts = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
        note = self.folder / item / f"{step}.json"
        try:
            known = json.loads(note.read_text())
            if known["facts"] == facts:
                return str(known["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        note.parent.mkdir(parents=True, exist_ok=True)
        plain = {"facts": facts, "sha256": digest.hexdigest()}
        write_atomically(note, json.dumps(plain).encode())
        return digest.hexdigest()


def _read(path: Path, key: str) -> Arrays | None:
    try:
        with safe_open(path, "numpy") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
