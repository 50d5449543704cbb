"""An import that is made once: kept in the cache by everything that decides it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ...contract.codec import canonical, to_plain
from ...contract.engine_directory import hash_file
from ...reference.avatar import CARD_FILE
from ..owner import check_owner
from ..stage_cache import StageCache, source_hash
from ..tools import tool_versions
from .assemble import ImportOptions, Said, Sources, import_avatar
from .config import load_settings
from .face_model import MODEL_FILE, VERTICES_FILE
from .speech import encoder_folder
from .state import newest_checkpoint

_CHECKPOINTS, _SAID = "checkpoints", "said.json"


def import_into(sources: Sources, options: ImportOptions, folder: Path, said: Said) -> int:
    """Import, and write a checkpoints folder; gives the number of networks."""
    avatar = import_avatar(sources, options, said)
    avatar.save(folder)
    return len(avatar.networks())


def check_checkpoints(folder: Path, name: str, force: bool) -> None:
    """Refuse to replace the checkpoints of another avatar.

    Raises:
        BadOutput: the folder holds an avatar of another name, and ``force`` is not set.
    """
    try:
        there = json.loads((folder / CARD_FILE).read_bytes())["name"]
    except (OSError, ValueError, TypeError, KeyError):
        return
    check_owner(folder, there, name, kind="checkpoints", force=force)


@contextmanager
def imported_folder(
    sources: Sources,
    options: ImportOptions,
    cache: Path | None,
    said: Said,
    noted: Callable[[str], None],
) -> Iterator[Path]:
    """A checkpoints folder of what the sources hold, while it is needed.

    Args:
        cache: folder of the cache; None imports into a folder that is removed afterwards.
        said: told what is worth knowing about the checkpoints, also where they are found imported.
        noted: told what the cache had.
    """
    kept = StageCache(cache / "exports" if cache else None)
    if kept.root is None:
        with tempfile.TemporaryDirectory() as scratch:
            import_into(sources, options, Path(scratch) / _CHECKPOINTS, said)
            yield Path(scratch) / _CHECKPOINTS
        return
    sources = replace(sources, hubert=str(encoder_folder(sources.hubert)))
    parts = _parts(sources, options)
    found = kept.find("import", options.name, parts)
    if found.folder is not None:
        for text in json.loads((found.folder / _SAID).read_bytes()):
            said(text)
        noted("cache: the import found")
        yield found.folder / _CHECKPOINTS
        return
    noted(f"cache: the import not found, {found.why}")
    told: list[str] = []

    def once(text: str) -> None:
        if text not in told:
            told.append(text)
            said(text)

    def fill(folder: Path) -> None:
        import_into(sources, options, folder / _CHECKPOINTS, once)
        (folder / _SAID).write_bytes(canonical(told))

    kept.keep("import", options.name, parts, fill)
    made = kept.find("import", options.name, parts)
    if made.folder is not None:
        yield made.folder / _CHECKPOINTS
        return
    # A cache that cannot be written only costs time; what was told before it failed is told.
    with imported_folder(sources, options, None, once, noted) as folder:
        yield folder


def _parts(sources: Sources, options: ImportOptions) -> dict[str, str]:
    """Hashes of every file that is read, and all else that decides what is made of them."""
    encoder = Path(sources.hubert)
    files = {
        "--a2m": newest_checkpoint(sources.audio_to_motion),
        "--lm-deform": newest_checkpoint(sources.deformation),
        "--dataset": sources.dataset,
        **{f"--bfm {n}": sources.face_model / n for n in (MODEL_FILE, VERTICES_FILE)},
        **{f"--hubert {p.name}": p for p in sorted(encoder.iterdir()) if p.is_file()},
    }
    parts = {}
    for option, folder in (("--torso", sources.torso), ("--head", sources.head)):
        if folder is not None:
            files[option] = newest_checkpoint(folder)
            parts[f"{option} config.yaml"] = load_settings(folder).digest()
    return {
        **parts,
        **{name: hash_file(path).sha256 for name, path in files.items() if path.is_file()},
        "options": hashlib.sha256(canonical(to_plain(options))).hexdigest(),
        "importer's source": source_hash("exporters/authors", "reference", "contract"),
        **tool_versions(),
    }
