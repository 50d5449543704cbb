"""The public face: open an avatar, render speech with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ..contract import stages
from ..contract.closing import Closing
from ..contract.data import Frame
from ..contract.emotions import NEUTRAL, checked_intensity
from ..contract.errors import BadOption
from ..contract.manifest import Manifest
from ..contract.units import SAMPLE_RATE
from ..contract.weights import POSES
from ..kernels.threads import ThreadPool
from .admission import Admission, MaxSessions, checked_limit
from .audio.load import AudioSource, as_chunks
from .backends.choice import AUTO, Choice
from .emotion_cues import EmotionCues
from .emotion_track import EmotionTrack
from .loading import Loaded, load_engine_directory
from .motion.pipeline import MotionPipeline
from .noise import checked_seed
from .poses.idle import IdleRule, build_idle_track
from .poses.walk import PoseWalk
from .profiles import OFFLINE, Profile, find_profile
from .render.choice import AUTO as AUTO_RENDERER
from .render.choice import RendererChoice, checked_renderer
from .render.quality import Quality, find_quality
from .render.renderer import Renderer
from .render.rounds import PER_RAY, checked_marching
from .renderers import Renderers
from .scheduler import Beats, FrameScheduler, LoadMeter
from .session import Session, SessionParts
from .session_options import SessionOptions
from .speech.networks import SpeechNetworks
from .speech.speed import HearingSpeed

MOST_SLOTS = 2
"""Frames computed at once, at most: their kernels take turns, only what is around them overlaps."""


def open(
    path: str | os.PathLike[str] | None = None,
    *,
    threads: int | None = None,
    backend: str = AUTO,
    strict: bool = False,
    precisions: Mapping[str, str] | None = None,
    marching: str = PER_RAY,
    renderer: str = AUTO_RENDERER,
    max_sessions: MaxSessions = None,
) -> Avatar:
    """Open an engine directory.

    Args:
        path: the engine directory; None is the built-in avatar. Engines are code: open only
            directories you trust.
        threads: processor threads it may use in all; None takes all the process may run on.
        backend: what runs the networks: ``"auto"`` (the best that works here), ``"onnxruntime"``,
            ``"tensorrt"`` or ``"tensorrt-rtx"``; one that does not work here is replaced by the
            next best, and `Avatar.choice` says why.
        strict: refuse such a replacement.
        precisions: stages to run on ONNX Runtime in another precision than float32, such as
            ``{"hubert": "int8"}``; the directory must hold them.
        marching: ``"rays"``, each by itself, or ``"authors"``, as the published inference paints
            imported avatars: in rounds that all rays share, with its threshold whatever the
            quality, and with bytes cut off.
        renderer: what paints: ``"gpu"`` (our kernels on an NVIDIA GPU; ``"gpu-plain"``,
            ``"gpu-wavefront"`` and ``"gpu-fused"`` name one kind of them), ``"fused"`` (head, torso
            and background in one compiled loop on the CPU), ``"wavefront"`` (the directory's
            networks in rounds, on any backend), or ``"auto"``: the GPU where there is one to use
            and the CPU was not asked for, else fused where the networks would run on the CPU
            anyway. `Avatar.renderer_choice` says which, and why.
        max_sessions: sessions that may be open at once; ``"auto"`` refuses a live one that would
            leave all of them less than 25 frames a second, going by the frames measured so far.

    Raises:
        BadEngineDirectory: it is missing, damaged, or does not fit this version.
        BadOption: ``threads`` or ``max_sessions`` is less than 1; there is no such backend,
            renderer or instruction set (``EMOGENE_CPU``); or a stage is not there in such a
            precision.
        KernelLibraryMissing: the compiled kernels are not there.
        Unavailable: ``strict``, and the backend does not work here; or this machine or this avatar
            is not one for the renderer or instruction set that was asked for.
    """
    checked_renderer(renderer)
    checked_limit(max_sessions)
    if threads is not None and threads < 1:
        raise BadOption(
            "threads", expected="at least 1", found=str(threads), remedy="leave it out to use all"
        )
    count = threads or available_threads()
    loaded = load_engine_directory(path, count, backend, strict=strict, precisions=precisions)
    try:
        checked_marching(marching, loaded.manifest.field)
    except BadOption:
        loaded.close()
        raise
    return Avatar(loaded, count, renderer, marching, strict=strict, max_sessions=max_sessions)


def available_threads() -> int:
    """Processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Avatar(Closing):
    """A loaded engine directory: immutable, shared by any number of sessions and threads.

    It owns the threads; sessions own none. Close it after its sessions. Made by `open`.
    """

    def __init__(
        self,
        loaded: Loaded,
        threads: int,
        renderer: str = AUTO_RENDERER,
        marching: str = PER_RAY,
        *,
        strict: bool = False,
        max_sessions: MaxSessions = None,
    ) -> None:
        self._loaded, self._threads = loaded, threads
        self._speech = SpeechNetworks.of(loaded.manifest, loaded.runners)
        self._hearing = HearingSpeed(self._speech)
        self._pool = ThreadPool(threads)
        try:
            self._renderers = Renderers(loaded, renderer, marching, self._pool, strict=strict)
        except BaseException:
            self._pool.close()
            loaded.close()
            raise
        self._scheduler = FrameScheduler(min(MOST_SLOTS, max(1, threads // 2)))
        self._beats = Beats()
        self._meter = LoadMeter(self._scheduler.slots)
        self._admission = Admission(max_sessions, self._meter)

    @property
    def manifest(self) -> Manifest:
        """What the engine directory says of itself."""
        return self._loaded.manifest

    @property
    def name(self) -> str:
        """What the avatar is called."""
        return self.manifest.name

    @property
    def size(self) -> int:
        """Side of its pictures unless asked otherwise, pixels."""
        return self.manifest.camera.size

    @property
    def threads(self) -> int:
        """Processor threads it may use."""
        return self._threads

    @property
    def sessions(self) -> int:
        """Sessions open now."""
        return self._admission.open

    @property
    def backends(self) -> dict[str, str]:
        """What really runs each stage."""
        return {name: runner.backend for name, runner in self._loaded.runners.items()}

    @property
    def choice(self) -> Choice:
        """Which backend was chosen, and why not the others."""
        return self._loaded.choice

    @property
    def renderer_choice(self) -> RendererChoice:
        """Which renderer paints, and why."""
        return self._renderers.choice

    def session(
        self,
        emotion: str = NEUTRAL,
        intensity: float = 1.0,
        seed: int = 0,
        profile: str | Profile = OFFLINE,
        *,
        size: int | None = None,
        idle: IdleRule = "tolerant",
        quality: str | Quality | None = None,
        sample_rate: int = SAMPLE_RATE,
    ) -> Session:
        """Begin to speak.

        Args:
            emotion: worn from the start; `Session.set_emotion` changes it.
            intensity: 0 is neutral, 1 as trained, 1.5 the most.
            seed: of all that is random; the same seed and samples give the same frames, bit by bit.
            profile: ``"offline"``, ``"live"`` or a `Profile` of your own.
            size: side of the pictures, pixels; None is the avatar's own.
            idle: ``"tolerant"`` or the paper's literal ``"strict"`` rule for still poses.
            quality: ``"fast"``, ``"balanced"``, ``"exact"`` or a `Quality` of your own; None is the
                profile's.
            sample_rate: samples a second of what will be pushed.

        Raises:
            BadAudio: no audio has that sample rate.
            BadOption: one of them is out of range.
            SessionMisuse: the avatar is closed.
            Unavailable: this machine does not hear fast enough for the profile.
            TooManySessions: it has as many sessions as it may.
        """
        profile = find_profile(profile)
        self._hearing.check(profile)
        return self._begin(
            emotion,
            intensity,
            seed,
            profile,
            size,
            idle,
            quality,
            sample_rate,
            on_time=profile.delay is not None,
        )

    def recorded(self, options: SessionOptions) -> Session:
        """A session as it was opened before, of sound that is there as a whole: nobody waits for
        its frames, so with any profile it may take as long as it takes.

        Raises:
            As `session`; never that this machine does not hear fast enough.
        """
        return self._begin(
            options.emotion,
            options.intensity,
            options.seed,
            options.profile,
            options.size,
            options.idle,
            options.quality,
            options.sample_rate,
            on_time=False,
        )

    def _begin(
        self,
        emotion: str,
        intensity: float,
        seed: int,
        profile: Profile,
        size: int | None,
        idle: IdleRule,
        quality: str | Quality | None,
        sample_rate: int,
        *,
        on_time: bool,
    ) -> Session:
        seed = checked_seed(seed)
        renderer = self.renderer(size, profile.quality if quality is None else quality)
        manifest, weights, runners = self.manifest, self._loaded.weights, self._loaded.runners
        track = build_idle_track(weights[POSES], manifest.idle, idle, seed)
        parts = SessionParts(
            speech=self._speech,
            motion=MotionPipeline(manifest.motion, weights, runners[stages.DEFORMATION], seed),
            walk=PoseWalk(weights[POSES], track),
            idle_track=track,
            renderer=renderer,
            scheduler=self._scheduler,
            meter=self._meter,
            beats=self._beats,
        )
        options = SessionOptions(
            avatar=manifest.digest,
            emotion=emotion,
            intensity=checked_intensity(intensity),
            seed=seed,
            profile=profile,
            size=renderer.camera.size,
            idle=idle,
            quality=renderer.quality,
            sample_rate=sample_rate,
        )
        return self._admission.admit(
            renderer.camera.size,
            lambda: Session(parts, options, on_time=on_time),
            on_time=on_time,
        )

    def render(
        self,
        source: AudioSource,
        emotion: str | EmotionTrack = NEUTRAL,
        intensity: float = 1.0,
        seed: int = 0,
        profile: str | Profile = OFFLINE,
        *,
        size: int | None = None,
        idle: IdleRule = "tolerant",
        quality: str | Quality | None = None,
    ) -> Iterator[Frame]:
        """Frames of a whole piece of speech: a session that is pushed all, flushed and pulled.

        Nobody waits for them by the clock: they come after those of live sessions, and with any
        profile however slowly this machine hears.

        Args:
            source: path of an audio file, the bytes of one, (n,) samples at 16 kHz, or an iterable
                of such samples.
            emotion: one for the whole, or several over time: a track, or ``"0:sad,2.5:happy@0.8"``.

        The other arguments are those of `session`.

        Raises:
            BadAudio: the source is not usable; at once, where it can be told without reading all.
            BadOption: another argument is out of range.
            SessionMisuse: the audio is longer than the profile may hold.
        """
        chunks, track = as_chunks(source), EmotionTrack.of(emotion)
        opening = track.opening
        session = self._begin(
            opening.emotion,
            intensity if opening.intensity is None else opening.intensity,
            seed,
            find_profile(profile),
            size,
            idle,
            quality,
            SAMPLE_RATE,
            on_time=False,
        )

        def frames() -> Iterator[Frame]:
            with session:
                cues = EmotionCues(session, track, intensity)
                for chunk in chunks:
                    cues.push(chunk)
                    yield from session
                session.flush()
                yield from session

        return frames()

    def renderer(
        self, size: int | None = None, quality: str | Quality = OFFLINE.quality
    ) -> Renderer:
        """The renderer for a size: condition and pose in, picture out.

        The last few sizes asked for are kept; making one again takes a moment.

        Args:
            size: side of the pictures, pixels; None is the avatar's own.
            quality: ``"fast"``, ``"balanced"``, ``"exact"`` or a `Quality` of your own.

        Raises:
            BadOption: ``size`` is out of range, or there is no such quality.
            SessionMisuse: the avatar is closed.
        """
        return self._renderers.get(self.size if size is None else size, find_quality(quality))

    def close(self) -> None:
        """Free its networks and threads, once the frames that are being computed are done; sessions
        that are still open then refuse to go on. Twice is fine."""
        self._scheduler.close()
        self._renderers.forget()
        self._renderers.close()  # which may hold contexts of the engines
        self._loaded.close()
        self._pool.close()
