"""What was exported or converted before, kept by everything that decides its bytes.

An entry is a folder ``<root>/<kind>/<key>/`` with files and ``entry.json`` (key parts and hashes);
it appears by one rename, so it is whole or not there. ``<root>/last/`` remembers the parts of the
key each subject had last, so that a miss can say which of them changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contract.codec import canonical, to_plain
from ..contract.engine_directory import hash_file
from ..contract.errors import BadOutput
from ..contract.scratch import scratch_beside

_ENTRY, _LAST = "entry.json", "last"


@dataclass(frozen=True)
class Found:
    """The answer to a look into the cache.

    Attributes:
        folder: holds the entry's files; None on a miss.
        why: of a miss, in words.
    """

    folder: Path | None
    why: str = ""


@dataclass(frozen=True)
class CacheEntry:
    """One line of ``emogene-export cache list``."""

    kind: str
    subject: str
    key: str
    size: int


class StageCache:
    """Folders by key.

    Args:
        root: where they lie; made when something is kept. None keeps and finds nothing.
    """

    def __init__(self, root: Path | None) -> None:
        self.root = root

    def find(self, kind: str, subject: str, parts: Mapping[str, str]) -> Found:
        """The entry made from exactly these parts.

        Args:
            kind: what it is, such as ``"export"``.
            subject: what it is of, in words; misses are explained against its last entry.
            parts: everything that decides the bytes, by name.
        """
        if self.root is None:
            return Found(None, "the cache is not used")
        folder = self.root / kind / _key(parts)
        if folder.is_dir():
            if _whole(folder):
                _write(self._last(kind, subject), dict(parts))
                return Found(folder)
            shutil.rmtree(folder, ignore_errors=True)
            return Found(None, "its entry was damaged")
        last = _read(self._last(kind, subject))
        if last is None:
            return Found(None, "never made before")
        changed = [n for n in sorted({*parts, *last}) if parts.get(n) != last.get(n)]
        return Found(None, _in_words(changed, last, parts) if changed else "its entry was removed")

    def keep(
        self,
        kind: str,
        subject: str,
        parts: Mapping[str, str],
        fill: Callable[[Path], object],
    ) -> None:
        """Keep what ``fill`` writes into the folder it is given.

        A cache that cannot be written is no reason to fail what it only makes faster.
        """
        if self.root is None:
            return
        target = self.root / kind / _key(parts)
        with suppress(OSError, BadOutput), scratch_beside(target) as fresh:
            fill(fresh)
            files = {p.relative_to(fresh).as_posix(): p for p in fresh.rglob("*") if p.is_file()}
            entry = {
                "subject": subject,
                "parts": dict(parts),
                "files": {name: to_plain(hash_file(path)) for name, path in sorted(files.items())},
            }
            (fresh / _ENTRY).write_bytes(canonical(entry))
            if target.exists():
                shutil.rmtree(target)
            fresh.rename(target)
            _write(self._last(kind, subject), dict(parts))

    def drop(self, kind: str, parts: Mapping[str, str]) -> None:
        """Remove the entry made from exactly these parts, if there is one."""
        if self.root is not None:
            shutil.rmtree(self.root / kind / _key(parts), ignore_errors=True)

    def entries(self) -> tuple[CacheEntry, ...]:
        """Everything in it, by kind and subject."""
        found = []
        for path in sorted(self.root.glob(f"*/*/{_ENTRY}")) if self.root else ():
            entry = _read(path) or {}
            size = sum(p.stat().st_size for p in path.parent.rglob("*") if p.is_file())
            kind, subject = path.parent.parent.name, str(entry.get("subject", "damaged"))
            found.append(CacheEntry(kind, subject, path.parent.name, size))
        return tuple(sorted(found, key=lambda e: (e.kind, e.subject, e.key)))

    def clear(self) -> tuple[int, int]:
        """Remove everything; gives the number of entries and of bytes that went."""
        entries = self.entries()
        if self.root is not None:
            shutil.rmtree(self.root, ignore_errors=True)
        return len(entries), sum(e.size for e in entries)

    def _last(self, kind: str, subject: str) -> Path:
        assert self.root is not None
        name = hashlib.sha256(subject.encode()).hexdigest()[:16]
        return self.root / _LAST / f"{kind}-{name}.json"


def note_misses(
    noted: Callable[[str], None], used: bool, misses: Mapping[str, str], hits: int, what: str
) -> None:
    """Say in a line each what was found, and what was not and why; the same reason once.

    Args:
        used: whether there is a cache at all.
        misses: what was not found → why.
        hits: how many were found.
        what: they are, such as ``"engines"``.
    """
    if not used:
        return
    if hits:
        noted(f"cache: {hits} {what} found")
    for why in dict.fromkeys(misses.values()):
        names = [name for name, reason in misses.items() if reason == why]
        shown = ", ".join(names) if len(names) <= 3 else f"{len(names)} {what}"
        noted(f"cache: {shown} not found, {why}")


def source_hash(*parts: str) -> str:
    """SHA-256 over the Python files directly in parts of the package, such as ``"exporters"``."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for part in parts:
        for path in sorted((package / part).glob("*.py")):
            digest.update(f"{part}/{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _key(parts: Mapping[str, str]) -> str:
    return hashlib.sha256(canonical(dict(parts))).hexdigest()


def _whole(folder: Path) -> bool:
    entry = _read(folder / _ENTRY)
    if not isinstance(entry, dict) or not isinstance(entry.get("files"), dict):
        return False
    try:
        return all(to_plain(hash_file(folder / n)) == e for n, e in entry["files"].items())
    except OSError:
        return False


def _in_words(changed: list[str], last: Mapping[str, str], parts: Mapping[str, str]) -> str:
    """``torch 2.12 → 2.13``; long values are hashes, of which only the name says something."""
    said = []
    for name in changed:
        old, new = last.get(name, "none"), parts.get(name, "none")
        short = max(len(old), len(new)) <= 32
        said.append(f"{name} {old} → {new}" if short else f"the {name} changed")
    return ", ".join(said)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return plain if isinstance(plain, dict) else None


def _write(path: Path, plain: object) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_bytes(canonical(plain))
        fresh.replace(path)
    except OSError:
        pass  # only the explanation of a later miss is lost
