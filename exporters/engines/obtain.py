"""An engine from the cache, or built and kept there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ...contract.engines import EngineSpec
from ...contract.errors import BadOutput
from .build import BuiltEngine, EngineRequest, OnProgress, Progress, build_engine
from .cache import EngineCache, key_parts

FROM_CACHE = "from the cache"


@dataclass(frozen=True)
class Obtained:
    """An engine, and where it came from.

    Attributes:
        request: what was asked for.
        built: the engine; its ``seconds`` are those of the build, now or then.
        key: SHA-256 of everything that decides its bytes.
        cached: it was not built now.
        why: for one that was built though there is a cache, what about it is new.
        warning: why it could not be kept; empty if it was.
        seconds: what it took to obtain.
    """

    request: EngineRequest
    built: BuiltEngine
    key: str
    cached: bool
    why: str
    warning: str
    seconds: float

    def spec(self, folder: Path, source: str) -> EngineSpec:
        """The manifest's entry.

        Args:
            folder: the engine directory, in which the engine stands.
            source: path of the ONNX file inside it.
        """
        return EngineSpec(
            stage=self.request.stage,
            target=self.request.target,
            file=self.built.path.relative_to(folder).as_posix(),
            source=source,
            precision=self.request.precision,
            profile=self.request.profile,
            architectures=self.built.architectures,
            tool=self.built.tool,
            scratch_bytes=self.built.scratch_bytes,
            key=self.key,
        )


def obtain_engine(
    request: EngineRequest,
    destination: Path,
    cache: EngineCache | None,
    progress: OnProgress = lambda _: None,
) -> Obtained:
    """Put the engine at ``destination``: a kept copy if nothing changed, else a new one.

    Args:
        cache: None neither reads nor keeps any.

    Raises:
        EmoGeneError: as `build.build_engine`. A cache that cannot be written is only a warning.
    """
    begun = time.perf_counter()
    parts = key_parts(request)
    why = warning = ""
    if cache is not None:
        why = cache.why_missed(parts)
        found = cache.fetch(parts, destination)
        if found is not None:
            progress(Progress(request.stage, FROM_CACHE, 1.0))
            spent = time.perf_counter() - begun
            return Obtained(request, found, parts.key, True, "", "", spent)
    built = build_engine(request, destination, progress)
    if cache is not None:
        try:
            cache.store(parts, built)
        except BadOutput as error:
            warning = f"the engine could not be kept for next time: {error}"
    return Obtained(request, built, parts.key, False, why, warning, time.perf_counter() - begun)
