"""Training configurations as YAML: a partial file overrides the defaults, and nothing slips by.

PyYAML reads (its safe loader, without aliases, which could blow a small file up), and the
contract's codec, which already reads frozen dataclasses strictly, binds. A binding library would
have been a second set of rules for the same dataclasses.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ..contract.codec import CodecError, from_plain, to_plain
from ..contract.errors import BadInput, BadOption
from .config_text import config_text
from .files import write_atomically
from .ranges import check_ranges

CONFIG = "config.yaml"
"""The resolved configuration beside a network."""

_LARGEST = 1 << 20  # bytes; a configuration of all stages has 10 thousand
_DEEPEST = 40  # levels of nesting; they have 6

Config = TypeVar("Config")
"""A frozen dataclass."""


def read_config(path: Path, default: Config) -> Config:
    """`default` with what the file at `path` says otherwise.

    Raises:
        BadInput: the file cannot be read or is no YAML.
        BadOption: a key is unknown, a value has the wrong type or is out of its range; the message
            has the key's path and, for unknown keys, the nearest that exists.
    """
    given = _load(Path(path))
    try:
        config = from_plain(type(default), _merged(default, given, ""))
        check_ranges(config)
    except CodecError as error:
        raise BadOption(f"{path}: {error}", remedy="--print-config shows every setting") from None
    except BadOption as error:
        raise BadOption(
            f"{path}: {error.thing}",
            expected=error.expected, found=error.found, remedy=error.remedy,
        ) from None  # fmt: skip
    return config


def write_config(path: Path, config: Any) -> None:
    """Write a whole configuration, so that `read_config` gives it back.

    Raises:
        BadOutput: the file cannot be written.
    """
    write_atomically(path, config_text(config).encode())


def _merged(default: Any, given: Any, place: str) -> Any:
    """`given` as a plain value, completed from `default` where it says nothing."""
    if not dataclasses.is_dataclass(default) or not isinstance(given, dict):
        return given
    names = [field.name for field in dataclasses.fields(default)]
    if "kind" in names and given.get("kind", default.kind) != default.kind:  # type: ignore[union-attr]
        return given  # another member of a union, which has other settings
    for name in given:
        if name not in names:
            raise _unknown(name, names, place)
    merged = {}
    for name in names:
        value = getattr(default, name)
        inside = f"{place}.{name}" if place else name
        merged[name] = _merged(value, given[name], inside) if name in given else to_plain(value)
    return merged


def _unknown(name: Any, names: list[str], place: str) -> BadOption:
    near = difflib.get_close_matches(str(name), names, 1, 0.5)
    choices = near or names
    return BadOption(
        f"{place}.{name}" if place else str(name),
        expected=f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0],
        found="no setting of that name",
    )


class _Loader(yaml.SafeLoader):
    """Plain values only: no tags, no aliases, no key twice, and 1e-3 is a number."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise yaml.YAMLError(f"more than {_DEEPEST} levels of nesting")
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("an alias; write the value out")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.YAMLError(f"the key {name!r} twice, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


# YAML 1.1 wants a point in a number with an exponent; nobody writes one.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _load(path: Path) -> dict[Any, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise BadInput(
            str(path), expected="a YAML file", found=error.strerror or str(error)
        ) from None
    if len(data) > _LARGEST:
        raise BadInput(str(path), expected=f"at most {_LARGEST} bytes", found="more")
    try:
        # Safe: _Loader is a SafeLoader.
        plain = yaml.load(data.decode("utf-8"), Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        said = " ".join(str(error).split())
        raise BadInput(str(path), expected="YAML", found=said) from None
    if plain is None:  # an empty file, or comments alone
        return {}
    if not isinstance(plain, dict):
        raise BadInput(str(path), expected="settings as `name: value`", found=type(plain).__name__)
    return plain
