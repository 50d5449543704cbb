"""``config.yaml`` of the published code: a flat dictionary, or a chain of files that make one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from ...contract.errors import BadCheckpoint, MissingExtra
from .words import in_words

CONFIG_FILE = "config.yaml"

LARGEST = 1 << 18
"""Bytes a configuration file may have."""

MOST_VALUES, DEEPEST = 20_000, 16
"""Values in a configuration file, and containers within containers: YAML may name one many times
over, or within itself."""

MOST_FILES = 32
"""Files of one chain of inheritance."""

HIGHEST = 6
"""Folders above a configuration in which the folder is looked for that its chain starts from."""

SHOWN = 60
"""Characters of a value that a message shows."""

Plain = dict[str, Any]
Value = TypeVar("Value", bool, int, float, str)


class Settings:
    """The settings of one model, read by name, type and default.

    What is missing or of another type is collected; `check` then refuses all of it at once.

    Args:
        plain: the flat dictionary.
        where: path for messages.
    """

    def __init__(self, plain: Mapping[str, Any], where: str) -> None:
        self._plain, self._where = plain, where
        self._said: list[str] = []

    def get(self, name: str, default: Value) -> Value:
        """The setting ``name``, of the default's type."""
        value = self._plain.get(name, default)
        kind = type(default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = _float(value)
        if kind is float and isinstance(value, str):
            # YAML 1.1 takes 1e-4, without a point, for a string.
            value = _float(value)
        if type(value) is not kind or (kind is float and not isfinite(value)):
            self._said.append(f"{name} is {_short(value)}, not {kind.__name__}")
            return default
        return value

    def vector(self, name: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
        """Three numbers."""
        value = self._plain.get(name, default)
        numbers = [_float(v) for v in value] if isinstance(value, (list, tuple)) else []
        if len(numbers) != 3 or not all(isinstance(v, float) and isfinite(v) for v in numbers):
            self._said.append(f"{name} is {_short(value)}, not three numbers")
            return default
        return (numbers[0], numbers[1], numbers[2])

    def only(self, name: str, known: Any, why: str) -> None:
        """Refuse any value of ``name`` but the one that is known here."""
        value = self._plain.get(name, known)
        if value != known:
            self._said.append(f"{name} is {_short(value)}; only {known!r} can be imported: {why}")

    def digest(self) -> str:
        """SHA-256 over all of them, whatever files they come from."""
        plain = json.dumps(self._plain, sort_keys=True, default=str)
        return hashlib.sha256(plain.encode()).hexdigest()

    def refuse(self, said: str) -> None:
        """Add a problem of one's own."""
        self._said.append(said)

    def check(self) -> None:
        """Refuse everything that was found wrong.

        Raises:
            BadCheckpoint: naming all of it.
        """
        if self._said:
            raise BadCheckpoint(
                self._where,
                expected="settings of a model that can be imported",
                found="; ".join(self._said),
                remedy="name the folder the model was trained in, with the config.yaml it was "
                "trained with",
            )


def load_settings(folder: Path) -> Settings:
    """The settings of a checkpoint's folder, its inheritance resolved.

    A ``base_config`` whose file is not there is passed over, as the published code does: what it
    saves beside checkpoints has been flattened already and still names its bases.

    Raises:
        BadCheckpoint: there is no config.yaml, or it or one of its bases cannot be read.
        MissingExtra: PyYAML is not installed.
    """
    path = (folder if folder.is_dir() else folder.parent) / CONFIG_FILE
    if not path.is_file():
        raise BadCheckpoint(
            str(path),
            expected="the settings the model was trained with",
            found="nothing there",
            remedy="the published code writes it beside the checkpoint: copy it too",
        )
    return Settings(_load(path, []), str(path))


def _load(path: Path, chain: list[Path]) -> Plain:
    path = path.resolve()
    if path in chain:
        return {}  # as published: a file is taken once
    chain.append(path)
    if len(chain) > MOST_FILES:
        raise _refusal(path, f"a chain of more than {MOST_FILES} files")
    own = _read(path)
    bases = own.pop("base_config", [])
    bases = bases if isinstance(bases, list) else [bases]
    merged: Plain = {}
    for base in bases:
        found = _base_path(path, base)
        if found is not None:
            _override(merged, _load(found, chain))
    _override(merged, own)
    return merged


def _read(path: Path) -> Plain:
    try:
        import yaml
    except ImportError:
        raise MissingExtra("yaml", "export", "reading a config.yaml") from None
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise _refusal(path, f"more than {LARGEST} bytes")
        plain = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise _refusal(path, in_words(error)) from None
    except OSError as error:
        raise _refusal(path, error.strerror or str(error)) from None
    if not isinstance(plain, dict) or not all(isinstance(key, str) for key in plain):
        raise _refusal(path, "nothing" if plain is None else f"a {type(plain).__name__}")
    made: Plain = _Written().of(path, plain, 0)
    return made


class _Written:
    """A value written out: every alias in full, names as strings, and no more than is bearable."""

    def __init__(self) -> None:
        self._count, self._length = 0, 0

    def of(self, path: Path, value: Any, depth: int) -> Any:
        self._count += 1
        self._length += len(value) if isinstance(value, str) else 0
        if self._count > MOST_VALUES or self._length > LARGEST or depth > DEEPEST:
            raise _refusal(path, "values that name themselves, or more of them than settings have")
        if isinstance(value, dict):
            return {
                self.of(path, str(k), depth): self.of(path, v, depth + 1) for k, v in value.items()
            }
        if isinstance(value, (list, tuple, set)):
            return [self.of(path, v, depth + 1) for v in value]
        return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _base_path(path: Path, base: Any) -> Path | None:
    """The file of a base: beside ``path`` where it begins with a dot, else below a folder above."""
    if not isinstance(base, str) or Path(base).is_absolute() or not base.endswith(".yaml"):
        raise _refusal(path, f"base_config {_short(base)}")
    if base.startswith("."):
        found = path.parent / base
        return found if found.is_file() else None
    return next((p / base for p in path.parents[:HIGHEST] if (p / base).is_file()), None)


def _float(value: Any) -> Any:
    """A number, also one that YAML took for a string, as a float; anything else as it is."""
    try:
        return float(value) if isinstance(value, (int, float, str)) else value
    except (ValueError, OverflowError):
        return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _override(old: Plain, new: Plain) -> None:
    for name, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(name), dict):
            _override(old[name], value)
        else:
            old[name] = value


def _refusal(path: Path, found: str) -> BadCheckpoint:
    return BadCheckpoint(
        str(path),
        expected="YAML with one setting a line",
        found=found,
        remedy="copy it again from where the model was trained",
    )
