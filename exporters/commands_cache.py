"""``emogene-export cache``: what is kept between builds."""

from __future__ import annotations

from typing import Annotated

import typer

from ..contract.cache_folder import cache_folder
from .command_output import console, line, print_json

cache = typer.Typer(help="What is kept between builds.", no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@cache.command("list")
def list_entries(as_json: AsJson = False) -> None:
    """Show every import, exported avatar, precision and engine that is kept."""
    from ..kernels.gpu.cubin_cache import CubinCache
    from .engines.cache import EngineCache
    from .report import shown_architectures, shown_size
    from .stage_cache import StageCache

    root = cache_folder()
    rows = [(e.kind, e.subject, e.key, e.size) for e in StageCache(root / "exports").entries()]
    rows += [
        (
            "engine",
            f"{e.parts.stage} {e.parts.precision} {e.parts.tool} "
            f"{shown_architectures(e.architectures)}",
            e.parts.key,
            e.size,
        )
        for e in EngineCache(root / "engines").list_entries()
    ]
    rows += [
        ("cubin", f"{e.unit} {e.architecture} NVRTC {e.nvrtc}", key, e.size)
        for key, e in CubinCache(root / "kernels").entries()
    ]
    if as_json:
        names = ("kind", "what", "key", "size_bytes")
        entries = [dict(zip(names, row, strict=True)) for row in rows]
        print_json({"folder": str(root), "entries": entries})
        return
    out = console()
    for kind, what, key, size in rows:
        line(out, f"{kind:<10}  {key[:12]}  {shown_size(size):>8}  {what}")
    line(out, f"{root}: {len(rows)} entries, {shown_size(sum(size for *_, size in rows))}")


@cache.command("clear")
def clear(as_json: AsJson = False) -> None:
    """Remove all of it."""
    from ..kernels.gpu.cubin_cache import CubinCache
    from .engines.cache import EngineCache
    from .report import shown_size
    from .stage_cache import StageCache

    root = cache_folder()
    cleared = [
        StageCache(root / "exports").clear(),
        EngineCache(root / "engines").clear(),
        CubinCache(root / "kernels").clear(),
    ]
    count, size = (sum(values) for values in zip(*cleared, strict=True))
    if as_json:
        print_json({"folder": str(root), "entries": count, "size_bytes": size})
    else:
        line(console(), f"{root}: {count} entries, {shown_size(size)} removed")
