"""A configuration as readable YAML: every setting, with its documentation beside it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from ..contract.codec import to_plain


def config_text(config: Any) -> str:
    """A frozen dataclass as YAML; the docstrings of its attributes become comments."""
    return "\n".join(_lines(config, "")) + "\n"


def _lines(config: Any, pad: str) -> Iterator[str]:
    documented = _attribute_docstrings(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        said = documented.get(field.name, "")
        comment = f"  # {said}" if said else ""
        if dataclasses.is_dataclass(value):
            yield f"{pad}{field.name}:{comment}"
            yield from _lines(value, pad + "  ")
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            yield f"{pad}{field.name}:{comment}"
            for item in value:
                first, *rest = _lines(item, "")
                yield f"{pad}- {first}"
                yield from (f"{pad}  {line}" for line in rest)
        else:
            yield f"{pad}{field.name}: {_flow(value)}{comment}"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(to_plain(value), default_flow_style=True, width=float("inf"))
    return str(text.removesuffix("...\n").strip())


@cache
def _attribute_docstrings(kind: type) -> dict[str, str]:
    """Setting → the first sentence of the string below it in the class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0].body  # type: ignore[attr-defined]
    found = {}
    for before, after in itertools.pairwise(body):
        if isinstance(before, ast.AnnAssign) and isinstance(after, ast.Expr):
            name, text = before.target, after.value
            if isinstance(name, ast.Name) and isinstance(text, ast.Constant):
                sentence = " ".join(str(text.value).split()).split(". ")[0]
                found[name.id] = sentence.rstrip(".")
    return found
