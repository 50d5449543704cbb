"""An utterance that has ended: what is said, and when nobody speaks."""

from __future__ import annotations

from ...contract.data import Float32
from ..audio.silence import Silences
from ..audio.store import SampleStore
from ..profiles import Profile
from .landmarks import UtteranceLandmarks
from .networks import SpeechNetworks


class WholeSpeech:
    """See `StreamedSpeech`, whose methods these are; hops are computed as they are asked for.

    Attributes:
        frames: how many have landmarks of their own; later ones keep the face of the last.
    """

    ahead = 0
    kept_from = 0

    def __init__(
        self,
        networks: SpeechNetworks,
        samples: SampleStore,
        profile: Profile,
        *,
        first_latent: int,
        seed: int,
    ) -> None:
        whole = samples.read(0, samples.end)
        self._landmarks = UtteranceLandmarks(
            networks, whole, profile, first_latent=first_latent, seed=seed
        )
        self.frames = self._landmarks.frames
        self._silences = Silences()
        self._silences.push(whole)
        self._silences.flush()

    def hop(self, index: int) -> Float32:
        """Frames ``index * hop`` …: (≤ hop, 204) float32, head space."""
        return self._landmarks.hop(index)

    def silent(self, frame: int) -> bool:
        """Whether nobody speaks during ``frame``."""
        return self._silences[frame]
