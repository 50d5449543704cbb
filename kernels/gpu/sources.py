"""CUDA sources and the headers they include, read from the package and given to NVRTC in memory.

NVRTC compares the name in an ``#include`` with the names it is given, letter for letter, and knows
no folders. So every file is named by its path below ``kernels``, and its includes are respelled so.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...contract.errors import Failure

if TYPE_CHECKING:
    from importlib.abc import Traversable

FOLDER = "cuda"
"""Where the ``.cu`` files lie, below ``kernels``."""

_INCLUDE = re.compile(r'^([ \t]*#[ \t]*include[ \t]*)"([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Unit:
    """What is compiled in one go.

    Attributes:
        name: of the source, for messages.
        text: the source.
        headers: text of every header it reaches, by the name it is included under.
    """

    name: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Over names and texts."""
        digest = hashlib.sha256()
        for name, text in sorted({**self.headers, self.name: self.text}.items()):
            digest.update(f"{len(name)} {name} {len(text.encode())}\n{text}".encode())
        return digest.hexdigest()


def read_unit(
    name: str, generated: Mapping[str, str] | None = None, folder: Traversable | None = None
) -> Unit:
    """The source ``cuda/<name>`` with its headers.

    Args:
        name: file name, such as ``"march.cu"``.
        generated: headers that no file holds, by the path they would have below ``kernels``.
        folder: ``kernels``, or what stands in its place.

    Raises:
        Failure: a file that it includes is not in the package.
    """
    root = folder or importlib.resources.files(__package__.rpartition(".")[0])
    headers = dict(generated or {})
    start = f"{FOLDER}/{name}"
    text = _read(root, start, "the package", headers)
    return Unit(start, text, headers)


def _read(root: Traversable, path: str, wanted_by: str, headers: dict[str, str]) -> str:
    file = root.joinpath(*path.split("/"))
    if not file.is_file():
        raise Failure(
            f"kernels/{path}",
            expected=f"a file that {wanted_by} includes",
            found="nothing there",
            remedy="install emogene again",
        )
    here = posixpath.dirname(path)

    def respell(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, match[2]))
        if target not in headers:
            headers[target] = ""  # a header that includes itself in a circle ends here
            headers[target] = _read(root, target, f"kernels/{path}", headers)
        return f'{match[1]}"{target}"'

    return _INCLUDE.sub(respell, file.read_text("utf-8"))
