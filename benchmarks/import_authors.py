"""``python -m benchmarks.import_authors``: published checkpoints of full size, imported and built.

Random numbers under the published names and shapes, HuBERT-large among them. Five measurements,
each kept in the results file beside the others:

    build    from the folders to a verified engine directory: time, and the most memory at once
    resume   the same, killed once the speech encoder is exported and called again
    frame    a picture as the published inference paints it against its definition in float64, and
             the default marching against both
    stages   every exported network against its definition in float64: relative L2
    variants the networks of other published models, likewise: as wide, on a small film
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.exporters.authors.checkpoints import FULL, Folders, folders_in, write_folders
from tests.exporters.authors.stage_distances import stage_distances
from tests.exporters.authors.stage_variants import VARIANTS, WIDE, variant_distances
from tests.oracle.frame import Shown, picture

import emogene
from emogene.contract.data import Condition
from emogene.contract.measure import psnr
from emogene.exporters.authors.dataset import load_dataset, poses
from emogene.exporters.authors.face_model import load_face_model
from emogene.exporters.authors.state import load_model, newest_checkpoint

from .machine import describe

LOOKED_EVERY = 0.2
"""Seconds between two looks at a process's memory."""

FRAME = 100
"""Of the film: the camera that the picture is painted with."""


@dataclass(frozen=True)
class Built:
    """One call of ``build-engines``.

    Attributes:
        seconds: wall-clock, from the start of the process to its end.
        peak_gb: most memory of the process and its children at once, 10⁹ bytes; what several share
            is counted once.
        said: what it printed, line by line, without paths.
    """

    seconds: float
    peak_gb: float
    said: list[str]


def build(folders: Folders, root: Path, target: str, stop_behind: str | None = None) -> Built:
    """Call ``build-engines`` on the folders, with its cache and its output below ``root``.

    Args:
        stop_behind: kill it as soon as it has told of this stage.
    """
    command = [Path(sys.executable).with_name("emogene-export"), "build-engines"]
    command += [*folders.arguments(), "--target", target, "-o", root / "e"]
    begun = time.perf_counter()
    run = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"EMOGENE_CACHE": str(root / "cache"), "PYTHONUNBUFFERED": "1"},
    )
    peaks = [0.0]

    def watch() -> None:
        while run.poll() is None:
            peaks.append(_memory(run.pid))
            time.sleep(LOOKED_EVERY)

    watcher = threading.Thread(target=watch)
    watcher.start()
    said = []
    assert run.stdout is not None
    for text in run.stdout:
        said.append(_without_paths(text.rstrip()))
        if stop_behind is not None and f"] {stop_behind} " in text:
            run.kill()
    watcher.join()
    if run.wait() and stop_behind is None:
        raise RuntimeError(f"build-engines ended with {run.returncode}: {said[-1:]}")
    return Built(round(time.perf_counter() - begun, 1), round(max(peaks), 2), said)


def _memory(process: int) -> float:
    """Resident memory of a process and its children, 10⁹ bytes; 0 once it is gone."""
    try:
        folder = Path(f"/proc/{process}")
        children = (folder / "task" / str(process) / "children").read_text().split()
        lines = (folder / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    own = next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return own * 1.024e-6 + sum(_memory(int(child)) for child in children)


def _without_paths(text: str) -> str:
    return " ".join(Path(w.rstrip(":")).name if "/" in w else w for w in text.split())


def measure_frame(folders: Folders, engines: Path, shown_at: Path | None) -> dict[str, Any]:
    """One picture three ways; PSNR in dB of each pair."""
    dataset, face = load_dataset(folders.dataset), load_face_model(folders.bfm)
    rng = np.random.default_rng(0)
    landmarks = (face.mean + rng.normal(0, 0.02, 204)).astype(np.float32)
    window = rng.normal(size=(1, 3, 204)).astype(np.float32)
    condition = Condition(
        landmarks.reshape(1, 68, 3), window, landmarks[None], 0, np.array([0.3], np.float32)
    )
    camera = dataset.cameras[FRAME]
    pose = poses(camera[None], 4.0, (0.0, 0.0, 0.0))[0]
    painted: dict[str, NDArray[np.uint8]] = {}
    for marching in ("authors", "rays"):
        with emogene.open(engines, marching=marching, renderer="wavefront") as avatar:
            painted[marching] = avatar.renderer().render(condition, pose).image
    model = load_model(newest_checkpoint(folders.torso))
    shown = Shown(
        {name: tensor.numpy() for name, tensor in model.items()},
        FULL.settings,
        camera,
        window[0].astype(np.float64),
        0.3,
        landmarks.reshape(68, 3).astype(np.float64),
        dataset.background,
    )
    published = (picture(shown) * 255).astype(np.uint8)
    if shown_at is not None:
        _draw(published, painted, shown_at)
    return {
        "size": len(published),
        "authors_to_definition_db": _decibels(painted["authors"], published),
        "rays_to_definition_db": _decibels(painted["rays"], published),
        "rays_to_authors_db": _decibels(painted["rays"], painted["authors"]),
        "bytes_apart_at_most": int(
            np.abs(painted["authors"].astype(int) - published.astype(int)).max()
        ),
    }


def measure_variants(root: Path) -> dict[str, dict[str, float]]:
    """Relative L2 of the stages in which other published models differ, by what is said of them."""
    folders = write_folders(root / "usual", WIDE)
    return {
        name: _rounded(variant_distances(variant, folders, WIDE, root / str(number)))
        for number, (name, variant) in enumerate(VARIANTS.items())
    }


def _rounded(distances: dict[str, float]) -> dict[str, float]:
    return {stage: float(f"{distance:.2g}") for stage, distance in distances.items()}


def _decibels(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float | str:
    found = psnr(a, b)
    return round(found, 1) if np.isfinite(found) else "equal"


def _draw(
    published: NDArray[np.uint8], painted: dict[str, NDArray[np.uint8]], output: Path
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.9), layout="constrained")
    figure.suptitle("A head of random weights, enlarged to 512²", fontsize=11)
    axes[0].imshow(published)
    axes[0].set_title("the published definition, NumPy in float64", fontsize=9)
    for axis, name, said in (
        (axes[1], "authors", "--marching authors: difference × 64"),
        (axes[2], "rays", "each ray by itself: difference × 64"),
    ):
        apart = np.abs(painted[name].astype(int) - published.astype(int))
        axis.imshow(np.clip(64 * apart, 0, 255).astype(np.uint8))
        axis.set_title(f"{said}\nPSNR {_decibels(painted[name], published)} dB", fontsize=9)
    for axis in axes:
        axis.axis("off")
    figure.savefig(output, dpi=90)


def main() -> None:
    """Measure what was asked for and write the results file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("measurement", choices=("build", "resume", "frame", "stages", "variants"))
    parser.add_argument("-o", "--output", type=Path, required=True, help="results, JSON")
    parser.add_argument("--folders", type=Path, help="where the checkpoints are kept; made if not")
    parser.add_argument(
        "--engine-dir", type=Path, help="where it is kept, and `frame` and `stages` find it"
    )
    parser.add_argument("--target", default="onnxruntime", help="as build-engines takes it")
    parser.add_argument("--picture", type=Path, help="of `frame`: where it is drawn")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        if given.measurement == "variants":
            _write(given.output, "variants", None, measure_variants(root))
            return
        place = given.folders or root / "published"
        folders = folders_in(place) if place.is_dir() else write_folders(place, FULL)
        found: Any
        if given.measurement == "build":
            found = asdict(build(folders, root, given.target))
        elif given.measurement == "resume":
            stopped = build(folders, root, given.target, "hubert")
            found = {
                "stopped": asdict(stopped),
                "resumed": asdict(build(folders, root, given.target)),
            }
        else:
            engines = given.engine_dir
            if engines is None or not engines.is_dir():
                build(folders, root, "onnxruntime")
                engines = root / "e"
            if given.measurement == "frame":
                found = measure_frame(folders, engines, given.picture)
            else:
                apart = stage_distances(folders, engines / "stages", FULL.settings)
                found = _rounded(apart)
        if given.engine_dir is not None and (root / "e").is_dir():
            shutil.copytree(root / "e", given.engine_dir)
    _write(given.output, given.measurement, given.target, found)


def _write(output: Path, measurement: str, target: str | None, found: dict[str, Any]) -> None:
    """Keep a measurement beside the others of a results file."""
    results = json.loads(output.read_text()) if output.is_file() else {}
    built = {} if target is None else {"target": target}
    results[measurement] = {"machine": describe(), **built, **found}
    output.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(found, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
