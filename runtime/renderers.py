"""An avatar's renderers: made for a size and a quality when first asked for, and kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from ..contract import stages
from ..contract.errors import BadOption, SessionMisuse
from ..contract.weights import BACKGROUND
from ..kernels.threads import ThreadPool
from .loading import Loaded
from .render.background import resized
from .render.choice import GPU
from .render.field_opening import prepare_field
from .render.fused import FusedHead, FusedRenderer
from .render.gpu import GpuField, GpuRenderer
from .render.gpu_enlarged import GpuEnlargedRenderer
from .render.head import Head
from .render.quality import Quality
from .render.renderer import LayeredRenderer, Renderer
from .render.rounds import AUTHORS, LEAST_LIGHT
from .render.torso import Torso, TorsoNetworks
from .render.wavefront import HeadNetworks, WavefrontHead

MAX_SIZE = 4096
"""Largest side of a picture, pixels."""

KEPT = 4
"""Renderers an avatar keeps; a large one holds hundreds of megabytes. Sessions hold their own."""

Key = TypeVar("Key")
Made = TypeVar("Made")


class Renderers:
    """Renderers of one avatar, from any thread.

    Args:
        loaded: closed by its owner.
        asked: a renderer's name, or ``"auto"``.
        marching: ``"rays"`` or ``"authors"``.
        pool: the avatar's threads.
        strict: refuse to replace what was asked for.

    Raises:
        BadOption, Unavailable, Failure: as `render.field_opening.prepare_field`.

    Attributes:
        choice: which renderer paints, and why.
    """

    def __init__(
        self, loaded: Loaded, asked: str, marching: str, pool: ThreadPool, *, strict: bool = False
    ) -> None:
        self._loaded, self._marching, self._pool = loaded, marching, pool
        self.choice, self._field = prepare_field(asked, loaded, marching, strict=strict)
        self._renderers: OrderedDict[tuple[int, Quality], Renderer] = OrderedDict()
        self._heads: OrderedDict[float, Head] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False

    def get(self, size: int, quality: Quality) -> Renderer:
        """The renderer for a size in pixels and a quality.

        Raises:
            BadOption: the avatar has no pictures of that size.
            SessionMisuse: the avatar is closed.
        """
        if not (type(size) is int and 1 <= size <= MAX_SIZE):
            raise BadOption(
                "size", expected=f"a whole number of pixels from 1 to {MAX_SIZE}", found=str(size)
            )
        if self._loaded.manifest.super_resolution and size % stages.ENLARGEMENT:
            raise BadOption(
                "size",
                expected=f"a multiple of {stages.ENLARGEMENT} pixels",
                found=str(size),
                remedy="this avatar's pictures are enlarged by a network",
            )
        with self._lock:
            if self._closed:
                raise SessionMisuse(
                    f"avatar {self._loaded.manifest.name}",
                    expected="an open avatar",
                    found="a closed one",
                    remedy="open it again with emogene.open",
                )
            return _kept(self._renderers, (size, quality), lambda: self._build(size, quality))

    def forget(self) -> None:
        """Make and keep none any more."""
        with self._lock:
            self._closed = True
            self._renderers.clear()
            self._heads.clear()

    def close(self) -> None:
        """Free what they paint with, once no frame is being computed."""
        if self._field is not None:
            self._field.close()

    def _build(self, size: int, quality: Quality) -> Renderer:
        manifest, weights, runners = (
            self._loaded.manifest,
            self._loaded.weights,
            self._loaded.runners,
        )
        camera = manifest.camera.scaled(size)
        whole = None if self.choice.beside else self._field
        if isinstance(whole, GpuField) and manifest.super_resolution:
            return GpuEnlargedRenderer(
                whole,
                runners[stages.CONDITION],
                runners[stages.TORSO_CONDITION],
                runners[stages.SUPER_RESOLUTION],
                weights[BACKGROUND],
                camera,
                quality,
            )
        if whole is not None:
            kind = GpuRenderer if self.choice.used == GPU else FusedRenderer
            return kind(
                whole,
                runners[stages.CONDITION],
                runners[stages.TORSO_CONDITION],
                resized(weights[BACKGROUND], size),
                camera,
                quality,
                self._pool,
            )
        transmittance = quality.transmittance
        if self._marching == AUTHORS:
            transmittance = LEAST_LIGHT
        head = _kept(self._heads, transmittance, lambda: self._build_head(transmittance))
        rendered = size // stages.ENLARGEMENT if manifest.super_resolution else size
        torso = Torso(
            manifest.torso,
            weights,
            TorsoNetworks(
                condition=runners[stages.TORSO_CONDITION],
                deform=runners[stages.TORSO_DEFORM],
                colour=runners[stages.TORSO_COLOUR],
                head=runners.get(stages.TORSO_HEAD),
            ),
            rendered,
            self._pool,
        )
        return LayeredRenderer(
            head,
            torso,
            weights[BACKGROUND],
            camera,
            quality,
            self._pool,
            runners.get(stages.SUPER_RESOLUTION),
            cut_off=self._marching == AUTHORS,
        )

    def _build_head(self, transmittance: float) -> Head:
        runners = self._loaded.runners
        if self._field is not None:
            return FusedHead(self._field, runners[stages.CONDITION], transmittance, self._pool)
        networks = HeadNetworks(
            condition=runners[stages.CONDITION],
            density=runners[stages.DENSITY],
            colour=runners[stages.COLOUR],
            ambient=runners.get(stages.AMBIENT),
        )
        return WavefrontHead(
            self._loaded.manifest.field,
            self._loaded.weights,
            networks,
            transmittance,
            self._pool,
            self._marching,
        )


def _kept(cache: OrderedDict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
    """``cache[key]``, made where it is missing; the one unused longest gives way beyond `KEPT`."""
    if key not in cache:
        cache[key] = make()
    cache.move_to_end(key)
    if len(cache) > KEPT:
        cache.popitem(last=False)
    return cache[key]
