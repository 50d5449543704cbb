"""The step of a build that says what half-precision variants mean on the screen, and takes back
those of ``auto`` that mean too much."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import json
import math
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract.codec import canonical
from ..contract.data import Float32
from ..contract.engine_directory import file_path
from ..contract.errors import ToleranceMissed
from ..contract.manifest import Manifest
from ..contract.units import SAMPLE_RATE
from .stage_cache import StageCache, source_hash
from .tools import tool_versions

if TYPE_CHECKING:
    from .precision.auto import Choice
    from .precision.end_to_end import EndToEnd

SECONDS, EVERY = 1.0, 12
"""Of the sample speech that is compared, and which of its frames are painted: true half arithmetic
is slow on a processor. Landmarks are compared in all frames, at the avatar's own size."""

Plain = dict[str, Any]


def settled(
    folder: Path,
    manifest: Manifest,
    choices: Mapping[str, Choice],
    automatic: Collection[str],
    threads: int,
    command: str,
    cache: StageCache,
    noted: Callable[[str], None],
) -> tuple[dict[str, Choice], Plain]:
    """Let the directory speak in fp32 and in half, and compare what is seen.

    Args:
        folder: holds the float32 directory.
        choices: stage → its half-precision file.
        automatic: stages that may go back to fp32 until the rest holds.
        command: how to call this build again, for messages.

    Returns:
        the choices that hold together, and ``{"end_to_end": {...}}`` for the report; both are
        empty if nothing is in half.

    Raises:
        ToleranceMissed: landmarks move, or pictures differ, by more than may be seen, in
            precisions that were asked for by name.
    """
    if not choices:
        return {}, {}
    files = {stage: hashlib.sha256(c.data).hexdigest() for stage, c in choices.items()}
    parts = {
        "networks": str(json.loads(manifest.to_bytes())["digest"]),
        "half networks": json.dumps(files, sort_keys=True),
        "free to go back": ",".join(sorted(automatic)),
        "exporter's source": source_hash("exporters/precision", "exporters", "runtime"),
        **{n: v for n, v in tool_versions().items() if n in ("numpy", "onnxruntime")},
    }
    found = cache.find("end-to-end", manifest.name, parts)
    if found.folder is not None:
        made: Plain = json.loads((found.folder / "seen.json").read_bytes())
    else:
        made = _settle(folder, manifest, choices, automatic, threads)
    for stage, reason in made["back"].items():
        noted(f"[–] {stage}  {reason}")
    left = {stage: c for stage, c in choices.items() if stage not in made["back"]}
    plain = made["seen"]
    if plain is None:
        return {}, {}
    words = (
        f"landmarks move by {plain['landmark_px_max']:.4f} px at most, "
        f"worst picture {_decibels(plain['psnr_db_min'])}"
    )
    noted(f"[{'✓' if plain['passed'] else '✗'}] end to end, half against fp32: {words}")
    if not plain["passed"]:
        raise ToleranceMissed(
            "the avatar in half precision",
            expected=f"landmarks within {plain['landmark_px_limit']} px and pictures of at least "
            f"{plain['psnr_db_limit']} dB",
            found=words,
            remedy="nothing was written; let it find what the stages bear with --precision auto, "
            f"or see it again with: {command}",
        )
    if found.folder is None:
        cache.keep(
            "end-to-end",
            manifest.name,
            parts,
            lambda entry: (entry / "seen.json").write_bytes(canonical(made)),
        )
    return left, {"end_to_end": plain}


def sample_speech() -> Float32:
    """The speech that ships with the package: (n,) float32 at 16 kHz."""
    from ..runtime.audio.load import load

    package = f"{__package__.rpartition('.')[0]}.runtime"
    return load((importlib.resources.files(package) / "data" / "sample.wav").read_bytes())


def _settle(
    folder: Path,
    manifest: Manifest,
    choices: Mapping[str, Choice],
    automatic: Collection[str],
    threads: int,
) -> Plain:
    """``back``: stage → why it is fp32 after all; ``seen``: what the others come to, or None."""
    from ..runtime.loading import load_engine_directory
    from .precision.end_to_end import compare_end_to_end, with_half
    from .precision.settle import settle

    samples = sample_speech()[: int(SECONDS * SAMPLE_RATE)]
    named = {stage: c.data for stage, c in choices.items() if stage not in automatic}
    free = {stage: c for stage, c in choices.items() if stage in automatic}
    sources = {s: file_path(folder, manifest.stages[s].file).read_bytes() for s in free}
    back: dict[str, str] = {}
    with closing(load_engine_directory(folder, threads)) as loaded:
        seen: EndToEnd | None = None
        if free:
            done = settle(loaded, free, sources, samples, threads=threads, every=EVERY)
            back = {s: c.reason for s, c in done.choices.items() if c.precision == "fp32"}
            seen = done.end_to_end
        if named:
            half = named | {s: c.data for s, c in free.items() if s not in back}
            other = with_half(loaded, half, threads)
            try:
                seen = compare_end_to_end(loaded, other, samples, threads=threads, every=EVERY)
            finally:
                for stage in half:
                    other.runners[stage].close()
    left = sorted(set(choices) - set(back))
    return {"back": back, "seen": None if seen is None else _plain(seen, left)}


def _plain(seen: EndToEnd, stages: list[str]) -> Plain:
    from .precision.end_to_end import PSNR_LIMIT_DB, PX_LIMIT

    # Pictures without any difference have no finite ratio.
    finite = {
        name: value if math.isfinite(value) else None
        for name, value in dataclasses.asdict(seen).items()
    }
    limits = {"landmark_px_limit": PX_LIMIT, "psnr_db_limit": PSNR_LIMIT_DB}
    return {**finite, **limits, "stages": stages, "passed": seen.passed}


def _decibels(value: float | None) -> str:
    return "without any difference" if value is None else f"{value:.1f} dB"
