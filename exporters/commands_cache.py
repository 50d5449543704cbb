"""``emogene-export cache``: what is kept between builds."""

from __future__ import annotations

from typing import Annotated

import typer

from .command_output import console, line, print_json

cache = typer.Typer(help="What is kept between builds.", no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@cache.command("list")
def list_entries(as_json: AsJson = False) -> None:
    """Show every exported avatar, precision and engine that is kept."""
    from .engines.cache import EngineCache
    from .report import shown_architectures, shown_size
    from .stage_cache import StageCache, default_cache_folder

    root = default_cache_folder()
    rows = [
        {"kind": e.kind, "what": e.subject, "key": e.key, "size_bytes": e.size}
        for e in StageCache(root / "exports").entries()
    ]
    rows += [
        {
            "kind": "engine",
            "what": f"{e.parts.stage} {e.parts.precision} {e.parts.tool} "
            f"{shown_architectures(e.architectures)}",
            "key": e.parts.key,
            "size_bytes": e.size,
        }
        for e in EngineCache(root / "engines").list_entries()
    ]
    if as_json:
        print_json({"folder": str(root), "entries": rows})
        return
    out = console()
    for row in rows:
        size = shown_size(int(row["size_bytes"]))
        line(out, f"{row['kind']:<10}  {str(row['key'])[:12]}  {size:>8}  {row['what']}")
    total = shown_size(sum(int(row["size_bytes"]) for row in rows))
    line(out, f"{root}: {len(rows)} entries, {total}")


@cache.command("clear")
def clear(as_json: AsJson = False) -> None:
    """Remove all of it."""
    from .engines.cache import EngineCache
    from .report import shown_size
    from .stage_cache import StageCache, default_cache_folder

    root = default_cache_folder()
    cleared = [StageCache(root / "exports").clear(), EngineCache(root / "engines").clear()]
    count, size = (sum(values) for values in zip(*cleared, strict=True))
    if as_json:
        print_json({"folder": str(root), "entries": count, "size_bytes": size})
    else:
        line(console(), f"{root}: {count} entries, {shown_size(size)} removed")
