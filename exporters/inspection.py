"""What an engine directory holds, as plain data and as tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from ..contract.codec import to_plain
from ..contract.engine_directory import check_files, file_path, read_manifest
from ..contract.errors import BadEngineDirectory
from ..contract.manifest import REBUILD, WEIGHTS_FILE, Manifest
from ..contract.stages import STAGE_ORDER
from ..contract.units import FRAMES_PER_SECOND
from ..contract.weights import OCCUPANCY, POSES
from ..runtime.render.reach import Shapes, gpu_reach, stored_shapes
from .report import shown_architectures, shown_size

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def inspect_engine_directory(folder: Path) -> dict[str, Any]:
    """Everything worth knowing about a directory, as plain JSON values.

    Raises:
        BadEngineDirectory: it is damaged.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    poses, occupied, shapes = _stored(file_path(folder, WEIGHTS_FILE))
    return {
        "manifest": {k: v for k, v in to_plain(manifest).items() if k != "ignored"},
        "ignored": list(manifest.ignored),
        "size_bytes": sum(f.size for f in manifest.files.values()),
        "poses": poses,
        "occupied": occupied,
        "multiply_adds": multiply_adds(manifest),
        "gpu_kernels_paint": gpu_reach(manifest, shapes).said,
    }


def multiply_adds(manifest: Manifest) -> dict[str, int]:
    """Multiply-adds of the networks: a field sample, a ray's colour, a torso pixel.

    The ray's colour is 0 where colour is evaluated per sample, and part of the sample then.
    """
    field, torso = manifest.field, manifest.torso
    sample = field.density.multiply_adds + (field.ambient.multiply_adds if field.ambient else 0)
    ray = field.colour.multiply_adds
    if field.colour_at == "sample":
        sample, ray = sample + ray, 0
    pixel = torso.deform.multiply_adds + torso.colour.multiply_adds
    return {"sample": sample, "ray": ray, "torso_pixel": pixel}


def print_inspection(found: dict[str, Any], console: Console) -> None:
    """Show what `inspect_engine_directory` found as tables."""
    from rich.markup import escape
    from rich.table import Table

    manifest = found["manifest"]
    console.print(f"{manifest['name']}: {shown_size(found['size_bytes'])}", markup=False)
    stages = Table("stage", "precision", title="Stages", title_justify="left")
    for column in ("rel. L2", "tolerance", "size"):
        stages.add_column(column, justify="right")
    tensors = Table(title="Tensors", title_justify="left")
    tensors.add_column("stage", no_wrap=True)
    tensors.add_column("inputs", overflow="fold")
    tensors.add_column("outputs", overflow="fold")
    for name in stage_order(manifest["stages"]):
        stage = manifest["stages"][name]
        stages.add_row(
            escape(name),
            escape(stage["precision"]),
            f"{stage['error']['relative_l2']:.1e}",
            f"{stage['error']['tolerance']:.0e}",
            shown_size(manifest["files"][stage["file"]]["size"]),
        )
        tensors.add_row(*map(escape, (name, _tensors(stage["inputs"]), _tensors(stage["outputs"]))))
    console.print(stages, *_built_tables(manifest), tensors)
    facts = Table(show_header=False, title="Avatar", title_justify="left")
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in _facts(found):
        # Brackets in a licence text are no markup.
        facts.add_row(name, escape(value))
    console.print(facts)


def _built_tables(manifest: dict[str, Any]) -> list[Table]:
    """Further precisions, and engines; nothing for what the directory does not have."""
    from rich.markup import escape
    from rich.table import Table

    tables = []
    if manifest["variants"]:
        table = Table("stage", "precision", title="Further precisions", title_justify="left")
        for column in ("rel. L2", "tolerance", "nodes in fp32", "size"):
            table.add_column(column, justify="right")
        for v in manifest["variants"]:
            size = shown_size(manifest["files"][v["file"]]["size"])
            table.add_row(
                escape(v["stage"]), v["precision"], *_error(v["error"]), str(len(v["kept"])), size
            )
        tables.append(table)
    if manifest["engines"]:
        table = Table("stage", "precision", "for", title="Engines", title_justify="left")
        table.add_column("lengths", overflow="fold")
        for column in ("rel. L2", "scratch", "size"):
            table.add_column(column, justify="right")
        for e in manifest["engines"]:
            profile = e["profile"]
            lengths = ":".join(str(profile[k]) for k in ("minimum", "optimum", "maximum"))
            table.add_row(
                escape(e["stage"]),
                e["precision"],
                escape(f"{e['tool']} {shown_architectures(e['architectures'])}"),
                escape(f"{profile['symbol']}={lengths}"),
                _error(e["error"])[0],
                shown_size(e["scratch_bytes"]),
                shown_size(manifest["files"][e["file"]]["size"]),
            )
        tables.append(table)
    if manifest["cubins"]:
        tables.append(_cubin_table(manifest["cubins"]))
    return tables


def _cubin_table(cubins: list[dict[str, Any]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("program", "for", "kernel", title="CUDA kernels", title_justify="left")
    for column in ("registers", "shared", "stack", "spills"):
        table.add_column(column, justify="right")
    for cubin in cubins:
        for kernel in cubin["kernels"]:
            numbers = (
                kernel["registers"],
                kernel["shared"],
                kernel["stack"],
                kernel["spill_stores"] + kernel["spill_loads"],
            )
            names = (cubin["program"], cubin["architecture"], kernel["name"])
            table.add_row(*map(escape, names), *map(str, numbers))
    return table


def _error(error: dict[str, Any] | None) -> tuple[str, str]:
    """Relative L2 and its tolerance; words for what nothing here could run."""
    if error is None:
        return "not executed", ""
    return f"{error['relative_l2']:.1e}", f"{error['tolerance']:.0e}"


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    manifest, work = found["manifest"], found["multiply_adds"]
    field, torso, camera = manifest["field"], manifest["torso"], manifest["camera"]
    per_ray = f", {work['ray']:,} a ray" if work["ray"] else ""
    march, size = field["march"], camera["size"]
    grids = "; ".join(
        f"{g['name']} ({len(g['levels'])} levels × {g['features']}, read at {g['read_at']})"
        for g in field["grids"]
    )
    return [
        ("image", f"{size} × {size}, focal length {camera['focal']:.1f} px"),
        ("grids", grids),
        ("networks", "; ".join(_network(n) for n in _networks(field))),
        ("torso", "; ".join(_network(n) for n in (torso["deform"], torso["colour"]))),
        (
            "multiply-adds",
            f"{work['sample']:,} a sample{per_ray}, {work['torso_pixel']:,} a torso pixel",
        ),
        (
            "march",
            f"step {march['step']:g}, at most {march['max_samples']} samples a ray, "
            f"{found['occupied']:.1%} of {march['occupancy_resolution']}³ cells occupied",
        ),
        ("GPU kernels paint", found["gpu_kernels_paint"]),
        ("motion", " → ".join(step["kind"] for step in manifest["motion"]["steps"])),
        ("torso condition", f"{manifest['motion']['torso_condition']} landmarks"),
        ("poses", f"{found['poses']} ({found['poses'] / FRAMES_PER_SECOND:.1f} s)"),
        ("emotions", ", ".join(manifest["emotions"])),
        ("speech features", f"{manifest['feature_width']} wide, noise {manifest['latent_width']}"),
        ("checkpoint", manifest["checkpoint"]),
        ("built with", ", ".join(f"{k} {v}" for k, v in sorted(manifest["tools"].items()))),
        ("requires", ", ".join(manifest["requires"])),
        ("ignored sections", ", ".join(found["ignored"]) or "none"),
        ("licence", manifest["licence"]),
    ]


def _networks(field: dict[str, Any]) -> list[dict[str, Any]]:
    return [field[key] for key in ("ambient", "density", "colour") if field[key] is not None]


def _network(network: dict[str, Any]) -> str:
    widths = (network["inputs"], *network["hidden"], network["outputs"])
    return f"{network['name']} {'→'.join(map(str, widths))}"


def _tensors(tensors: list[dict[str, Any]]) -> str:
    return "\n".join(f"{t['name']} ({', '.join(map(str, t['shape']))})" for t in tensors)


def stage_order(names: Iterable[str]) -> list[str]:
    """Stages as a frame goes through them; ones this version does not know come last."""
    order = {name: place for place, name in enumerate(STAGE_ORDER)}
    return sorted(names, key=lambda name: order.get(name, len(order)))


def _stored(path: Path) -> tuple[int, float, Shapes]:
    """Number of poses, the share of occupied cells, and the shapes of all tensors."""
    try:
        with safe_open(path, framework="np") as file:
            poses: int = file.get_slice(POSES).get_shape()[0]
            occupied = float(np.unpackbits(file.get_tensor(OCCUPANCY)).mean())
            return poses, occupied, stored_shapes(file)
    except (SafetensorError, OSError) as error:
        raise BadEngineDirectory(
            str(path), expected="poses and occupancy", found=str(error), remedy=REBUILD
        ) from None
