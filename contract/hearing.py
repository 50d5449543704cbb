"""How sound becomes what the audio-to-motion network is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .units import SAMPLES_PER_FEATURE

Ending = Literal["silence", "cut"]


@dataclass(frozen=True)
class HearingSpec:
    """Where the networks of an avatar were trained to look for pitch, and how their speech ended.

    Attributes:
        pitch_middle: sample of a feature's 320 that its pitch window lies around, 1…320.
        ending: of an utterance that is heard whole. ``silence``: zeros follow until its last latent
            is whole. ``cut``: nothing follows. The speech encoder hears no more than was said, and
            features that do not fill a latent are dropped, so that up to five frames at the end
            have none of their own: they keep the face of the last that has.
    """

    pitch_middle: int = SAMPLES_PER_FEATURE // 2
    ending: Ending = "silence"


OWN_HEARING = HearingSpec()
"""Of networks that are trained here."""

PUBLISHED_HEARING = HearingSpec(pitch_middle=SAMPLES_PER_FEATURE, ending="cut")
"""Of the authors' feature extraction, and so of every checkpoint trained with it."""
