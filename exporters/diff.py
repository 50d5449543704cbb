"""What changed between two engine directories: files, precision, errors, size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract.codec import to_plain
from ..contract.engine_directory import check_files, read_manifest
from ..contract.manifest import Manifest
from ..contract.tensors import StageError
from .inspection import stage_order
from .report import shown_size

if TYPE_CHECKING:
    from rich.console import Console

_LISTED = {"files", "stages", "variants", "engines", "cubins", "ignored"}
"""Sections of a manifest that are compared entry by entry; the others as a whole."""


def diff_engine_directories(old: Path, new: Path) -> dict[str, Any]:
    """The differences as plain JSON values, after checking the hashes of both.

    Returns:
        ``same``: whether no hashed file and nothing in the manifest differs; ``size_bytes``: of
        both; ``sections``: of the manifest, by name, old and new; ``files``: added, removed,
        changed, with sizes; ``networks``: each stage, variant or engine that was added, removed or
        differs in precision, error or size.

    Raises:
        BadEngineDirectory: one of them is damaged.
    """
    manifests = [read_manifest(folder) for folder in (old, new)]
    for folder, manifest in zip((old, new), manifests, strict=True):
        check_files(folder, manifest)
    before, after = manifests
    sections, files = _sections(before, after), _files(before, after)
    networks = _networks(before, after)
    return {
        "old": str(old),
        "new": str(new),
        "same": not (sections or files or networks),
        "size_bytes": [sum(f.size for f in m.files.values()) for m in manifests],
        "sections": sections,
        "files": files,
        "networks": networks,
    }


def _sections(before: Manifest, after: Manifest) -> dict[str, Any]:
    one, two = to_plain(before), to_plain(after)
    names = sorted({*one, *two} - _LISTED)
    # Versions and dimensions stand one level down: name those that changed, not the whole section.
    return {
        place: values
        for name in names
        for place, values in _changes(name, one.get(name), two.get(name))
    }


def _changes(place: str, one: Any, two: Any) -> Iterable[tuple[str, list[Any]]]:
    if isinstance(one, dict) and isinstance(two, dict):
        for key in sorted({*one, *two}):
            yield from _changes(f"{place}.{key}", one.get(key), two.get(key))
    elif one != two:
        yield place, [one, two]


def _files(before: Manifest, after: Manifest) -> list[dict[str, Any]]:
    found = []
    for name in sorted({*before.files, *after.files}):
        old, new = before.files.get(name), after.files.get(name)
        if old != new:
            change = "added" if old is None else "removed" if new is None else "changed"
            sizes = [old.size if old else None, new.size if new else None]
            found.append({"file": name, "change": change, "size_bytes": sizes})
    return found


def _networks(before: Manifest, after: Manifest) -> list[dict[str, Any]]:
    old, new = network_facts(before), network_facts(after)
    order = stage_order({key[0] for key in (*old, *new)})
    found = []
    for key in sorted({*old, *new}, key=lambda k: (order.index(k[0]), k)):
        if old.get(key) != new.get(key):
            change = "added" if key not in old else "removed" if key not in new else "changed"
            stage, target, precision = key
            found.append(
                {
                    "stage": stage,
                    "target": target,
                    "precision": precision,
                    "change": change,
                    "old": old.get(key),
                    "new": new.get(key),
                }
            )
    return found


def network_facts(manifest: Manifest) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Error, size and architectures of everything that can run, by stage, target, precision."""
    onnx: list[tuple[str, str, str, StageError | None]] = [
        *((name, s.precision, s.file, s.error) for name, s in manifest.stages.items()),
        *((v.stage, v.precision, v.file, v.error) for v in manifest.variants),
    ]
    facts: dict[tuple[str, str, str], dict[str, Any]] = {
        (stage, "onnxruntime", precision): {
            "relative_l2": error.relative_l2 if error else None,
            "tolerance": error.tolerance if error else None,
            "size_bytes": manifest.files[file].size,
        }
        for stage, precision, file, error in onnx
    }
    for engine in manifest.engines:
        facts[engine.stage, engine.target, engine.precision] = {
            "relative_l2": engine.error.relative_l2 if engine.error else None,
            "tolerance": engine.error.tolerance if engine.error else None,
            "size_bytes": manifest.files[engine.file].size,
            "architectures": list(engine.architectures),
            "tool": engine.tool,
        }
    return facts


def print_diff(found: Mapping[str, Any], console: Console) -> None:
    """Show what `diff_engine_directories` found as tables; one line where nothing differs."""
    from rich.markup import escape
    from rich.table import Table

    if found["same"]:
        console.print(f"{found['old']} and {found['new']} hold the same", markup=False)
        return
    sizes = " → ".join(shown_size(size) for size in found["size_bytes"])
    console.print(f"{found['old']} → {found['new']}: {sizes}", markup=False, soft_wrap=True)
    tables = []
    if found["sections"]:
        table = Table("manifest", "old", "new", title="Manifest", title_justify="left")
        for place, (old, new) in found["sections"].items():
            table.add_row(*(escape(_short(value)) for value in (place, old, new)))
        tables.append(table)
    if found["networks"]:
        table = Table("", "stage", "target", "precision", title="Networks", title_justify="left")
        table.add_column("rel. L2", justify="right")
        table.add_column("size", justify="right")
        for n in found["networks"]:
            pair = (n["old"], n["new"])
            table.add_row(
                _SIGNS[n["change"]],
                escape(n["stage"]),
                n["target"],
                n["precision"],
                _pair(pair, "relative_l2", lambda v: f"{v:.1e}"),
                _pair(pair, "size_bytes", shown_size),
            )
        tables.append(table)
    if found["files"]:
        table = Table("", "file", title="Files", title_justify="left")
        table.add_column("size", justify="right")
        for file in found["files"]:
            shown = [shown_size(s) for s in file["size_bytes"] if s is not None]
            table.add_row(
                _SIGNS[file["change"]], escape(file["file"]), " → ".join(dict.fromkeys(shown))
            )
        tables.append(table)
    console.print(*tables)


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def _pair(pair: Iterable[Mapping[str, Any] | None], key: str, shown: Any) -> str:
    """``old → new``, once where both are the same, and words for what was never measured."""
    values = [facts[key] for facts in pair if facts is not None]
    words = ["not executed" if value is None else shown(value) for value in values]
    return " → ".join(dict.fromkeys(words))


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "…"
