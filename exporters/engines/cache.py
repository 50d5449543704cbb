"""Engines already built, by the hash of everything that decides their bytes.

The bytes themselves differ from build to build, so they are hashed only to notice damage.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from ...contract.cache_folder import cache_folder
from ...contract.codec import canonical, from_plain, to_plain
from ...contract.engine_directory import hash_file
from ...contract.engines import LengthProfile, Precision
from ...runtime.output_checks import cannot_write
from ...runtime.partial_file import PartialOutput
from .build import BuiltEngine, EngineRequest, built_for
from .flavours import FLAGS, tool
from .profiles import shown

_REVISION = 1
"""Raised when the worker comes to build otherwise from the same parts."""

_SUFFIX, _ENTRY = ".engine", ".json"


@dataclass(frozen=True)
class KeyParts:
    """What decides the bytes of an engine.

    Attributes:
        stage: which network; only for finding the nearest earlier engine, not part of the key.
        onnx: SHA-256 of the stripped file: weights, graph, and so what is done in which precision.
        profile: lengths.
        precision: what the file is said to be done in.
        architectures: sorted.
        flags: of the builder.
        tool: name and exact version of the builder.
        revision: of our way of calling it.
    """

    stage: str
    onnx: str
    profile: LengthProfile
    precision: Precision
    architectures: tuple[str, ...]
    flags: tuple[str, ...]
    tool: str
    revision: int = _REVISION

    @property
    def key(self) -> str:
        """SHA-256 in hex."""
        plain = to_plain(self)
        del plain["stage"]
        return hashlib.sha256(canonical(plain)).hexdigest()


@dataclass(frozen=True)
class CacheEntry:
    """What is known of a kept engine; stands beside it as JSON.

    Attributes:
        parts: what its key was made of.
        sha256, size: of the engine file.
        scratch_bytes, architectures, seconds, peak_bytes: see `build.BuiltEngine`.
        made: when, seconds since 1970.
    """

    parts: KeyParts
    sha256: str
    size: int
    scratch_bytes: int
    architectures: tuple[str, ...]
    seconds: float
    peak_bytes: int
    made: float


def default_folder() -> Path:
    """``engines`` in the package's `cache_folder`."""
    return cache_folder() / "engines"


def key_parts(request: EngineRequest) -> KeyParts:
    """The parts of the key of what ``request`` would build.

    Raises:
        BadOption, Unavailable: as `build.build_engine`.
    """
    return KeyParts(
        stage=request.stage,
        onnx=hash_file(request.onnx).sha256,
        profile=request.profile,
        precision=request.precision,
        architectures=tuple(sorted(built_for(request))),
        flags=FLAGS,
        tool=tool(request.target),
    )


class EngineCache:
    """A folder of engines and what is known of them. Several processes may use it at once.

    Args:
        folder: made when the first engine is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def fetch(self, parts: KeyParts, destination: Path) -> BuiltEngine | None:
        """Copy the engine of ``parts`` to ``destination``; None if there is no whole one.

        A damaged entry is removed.

        Raises:
            BadOutput: ``destination`` cannot be written; nothing is left there.
        """
        key = parts.key
        entry = self._read(key)
        if entry is None:
            return None
        output = PartialOutput(destination)
        try:
            try:
                shutil.copyfile(self._engine(key), output.path)
            except FileNotFoundError:
                self._remove(key)
                return None
            except OSError as error:
                raise cannot_write(str(destination), error) from None
            found = hash_file(output.path)
            if (found.sha256, found.size) != (entry.sha256, entry.size):
                self._remove(key)
                return None
            output.keep()
        finally:
            output.discard()
        return BuiltEngine(
            destination,
            entry.sha256,
            entry.size,
            entry.scratch_bytes,
            entry.architectures,
            entry.parts.tool,
            entry.seconds,
            entry.peak_bytes,
        )

    def store(self, parts: KeyParts, built: BuiltEngine) -> None:
        """Keep a copy of ``built``; its entry appears last, so nobody finds half an engine.

        Raises:
            BadOutput: the folder cannot be written; nothing half is left in it.
        """
        entry = CacheEntry(
            parts,
            built.sha256,
            built.size,
            built.scratch_bytes,
            built.architectures,
            built.seconds,
            built.peak_bytes,
            time.time(),
        )
        key = parts.key
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(str(self.folder), error) from None
        engine, note = PartialOutput(self._engine(key)), PartialOutput(self._note(key))
        try:
            shutil.copyfile(built.path, engine.path)
            note.path.write_bytes(_to_bytes(entry))
            engine.keep()
            note.keep()
        except OSError as error:
            raise cannot_write(str(self.folder), error) from None
        finally:
            engine.discard()
            note.discard()

    def why_missed(self, parts: KeyParts) -> str:
        """What tells ``parts`` from the most alike engine of the same stage and target, in words.

        Ask before `fetch`, which removes what is damaged.
        """
        if self._note(parts.key).exists() or self._engine(parts.key).exists():
            return "the kept engine was damaged"
        target = parts.tool.split()[0]
        alike = [
            entry
            for entry in self.list_entries()
            if entry.parts.stage == parts.stage and entry.parts.tool.split()[0] == target
        ]
        if not alike:
            return f"none of {parts.stage} for {target} is kept yet"
        nearest = min(alike, key=lambda e: (len(_changes(e.parts, parts)), -e.made))
        return "; ".join(_changes(nearest.parts, parts))

    def list_entries(self) -> tuple[CacheEntry, ...]:
        """All entries, oldest first; what cannot be read is left out."""
        notes = self.folder.glob(f"*{_ENTRY}") if self.folder.is_dir() else ()
        entries = (self._read(note.stem) for note in notes)
        return tuple(sorted((e for e in entries if e is not None), key=lambda e: e.made))

    def clear(self) -> tuple[int, int]:
        """Remove all engines, whole or not; how many there were, and their bytes.

        Raises:
            BadOutput: a file cannot be removed.
        """
        count = size = 0
        files = self.folder.iterdir() if self.folder.is_dir() else ()
        for path in files:
            if not _is_ours(path):
                continue
            try:
                if path.suffix == _SUFFIX:
                    count, size = count + 1, size + path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                continue  # someone else cleared it, too
            except OSError as error:
                raise cannot_write(str(path), error) from None
        return count, size

    def _engine(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _note(self, key: str) -> Path:
        return self.folder / f"{key}{_ENTRY}"

    def _read(self, key: str) -> CacheEntry | None:
        try:
            data = self._note(key).read_bytes()
            plain = json.loads(data)
            entry = from_plain(CacheEntry, plain["entry"])
        except (OSError, ValueError, RecursionError, LookupError, TypeError):
            return None
        return entry if entry.parts.key == key and _to_bytes(entry) == data else None

    def _remove(self, key: str) -> None:
        # What a read-only cache keeps does no harm: it is refused again.
        for path in (self._note(key), self._engine(key)):
            with contextlib.suppress(OSError):
                path.unlink()


def _to_bytes(entry: CacheEntry) -> bytes:
    """Canonical JSON with a digest, so that a flipped bit anywhere is noticed."""
    plain = to_plain(entry)
    digest = hashlib.sha256(canonical(plain)).hexdigest()
    return canonical({"entry": plain, "digest": digest})


def _is_ours(path: Path) -> bool:
    name = path.name.removeprefix(".").partition(".")[0]
    return len(name) == 64 and set(name) <= set("0123456789abcdef") and path.is_file()


def _changes(old: KeyParts, new: KeyParts) -> list[str]:
    """Each part that differs, in words."""
    said = []
    for field in fields(KeyParts):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before != after:
            name = _WORDS.get(field.name, field.name)
            said.append(f"{name} changed: {_shown(before)} → {_shown(after)}")
    return said


_WORDS = {"onnx": "the network", "tool": "the builder", "revision": "how it is called"}


def _shown(value: object) -> str:
    if isinstance(value, LengthProfile):
        return f"{value.symbol}={shown(value)}"
    if isinstance(value, str):
        return f"{value[:12]}…" if len(value) == 64 else value
    if isinstance(value, Iterable):
        return ",".join(map(str, value))
    return str(value)
