"""The step of a build that says what its half-precision variants mean on the screen."""

from __future__ import annotations

import importlib.resources
import json
import math
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ..contract.codec import canonical
from ..contract.engine_directory import file_path
from ..contract.errors import ToleranceMissed
from ..contract.manifest import Manifest
from ..contract.units import SAMPLE_RATE
from .stage_cache import StageCache, source_hash
from .tools import tool_versions

SECONDS, SIZE, EVERY = 1.0, 128, 5
"""Of the sample speech that is compared, the side of the pictures, and which frames are painted:
true half arithmetic on a processor is slow."""


def end_to_end(
    folder: Path,
    manifest: Manifest,
    command: str,
    cache: StageCache,
    noted: Callable[[str], None],
) -> dict[str, Any]:
    """Let the directory speak in fp32 and in its half variants, and compare what is seen.

    Returns:
        ``{"end_to_end": {...}}`` for the report; nothing if there are no such variants.

    Raises:
        ToleranceMissed: landmarks move, or pictures differ, by more than may be seen.
    """
    half = [v for v in manifest.variants if v.precision in ("fp16", "bf16")]
    if not half:
        return {}
    parts = {
        "networks": str(json.loads(manifest.to_bytes())["digest"]),
        "exporter's source": source_hash("exporters/precision", "exporters", "runtime"),
        **{n: v for n, v in tool_versions().items() if n in ("numpy", "onnxruntime")},
    }
    found = cache.find("end-to-end", manifest.name, parts)
    if found.folder is not None:
        plain: dict[str, Any] = json.loads((found.folder / "seen.json").read_bytes())
    else:
        plain = _compared(folder, {v.stage: file_path(folder, v.file) for v in half})
    words = (
        f"landmarks move by {plain['landmark_px_max']:.4f} px at most, "
        f"worst picture {_decibels(plain['psnr_db_min'])}"
    )
    noted(f"[{'✓' if plain['passed'] else '✗'}] end to end, fp32 against half: {words}")
    if not plain["passed"]:
        raise ToleranceMissed(
            "the avatar in half precision",
            expected=f"landmarks within {plain['landmark_px_limit']} px and pictures of at least "
            f"{plain['psnr_db_limit']} dB",
            found=words,
            remedy="nothing was written; leave a stage in float32 with --precision STAGE=fp32, or "
            f"see it again with: {command}",
        )
    if found.folder is None:
        cache.keep(
            "end-to-end",
            manifest.name,
            parts,
            lambda entry: (entry / "seen.json").write_bytes(canonical(plain)),
        )
    return {"end_to_end": plain}


def _compared(folder: Path, variants: dict[str, Path]) -> dict[str, Any]:
    import numpy as np

    from ..runtime.audio.load import load as load_audio
    from ..runtime.loading import load_engine_directory
    from .precision.end_to_end import PSNR_LIMIT_DB, PX_LIMIT, compare_end_to_end, with_half

    package = f"{__package__.rpartition('.')[0]}.runtime"
    sample = importlib.resources.files(package) / "data" / "sample.wav"
    samples = np.asarray(load_audio(sample.read_bytes()), np.float32)
    samples = samples[: int(SECONDS * SAMPLE_RATE)]
    with closing(load_engine_directory(folder, 1)) as loaded:
        data = {stage: path.read_bytes() for stage, path in variants.items()}
        other = with_half(loaded, data)
        try:
            seen = compare_end_to_end(loaded, other, samples, size=SIZE, every=EVERY)
        finally:
            for stage in variants:
                other.runners[stage].close()
    return {
        "frames": seen.frames,
        "size": seen.size,
        "stages": sorted(variants),
        "landmark_px_mean": seen.landmark_px_mean,
        "landmark_px_max": seen.landmark_px_max,
        "landmark_px_limit": PX_LIMIT,
        # Pictures without any difference have no finite ratio.
        "psnr_db_min": seen.psnr_db_min if math.isfinite(seen.psnr_db_min) else None,
        "psnr_db_mean": seen.psnr_db_mean if math.isfinite(seen.psnr_db_mean) else None,
        "psnr_db_limit": PSNR_LIMIT_DB,
        "passed": seen.passed,
    }


def _decibels(value: float | None) -> str:
    return "without any difference" if value is None else f"{value:.1f} dB"
