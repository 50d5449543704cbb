"""How much light a picture may leave out for speed."""

from __future__ import annotations

from dataclasses import dataclass

from ...contract.errors import BadOption


@dataclass(frozen=True)
class Quality:
    """Where rendering stops because what follows can hardly be seen.

    Attributes:
        name: what options call it.
        transmittance: a ray ends once less than this share of light comes through.
        torso_transmittance: the torso is left out where less than this share of light comes through
            the head. Only the fused renderer leaves it out.
        coarse: networks may multiply in bfloat16 where float32 takes longer; the fused renderer's
            ``amx`` then does.
    """

    name: str
    transmittance: float
    torso_transmittance: float = 0.0
    coarse: bool = False

    def __post_init__(self) -> None:
        for field in ("transmittance", "torso_transmittance"):
            value = getattr(self, field)
            if not 0.0 <= value <= 0.999:
                raise BadOption(
                    f"quality {self.name}, {field}", expected="0.0 … 0.999", found=str(value)
                )


EXACT = Quality("exact", 1e-4)
"""Whatever could change a byte by more than rounding is evaluated."""

BALANCED = Quality("balanced", 1e-2, 1e-3)
"""No difference can be seen."""

FAST = Quality("fast", 3e-2, 3e-2, coarse=True)
"""Fewer samples behind translucent edges, and networks in bfloat16 where that saves time."""

QUALITIES: dict[str, Quality] = {quality.name: quality for quality in (FAST, BALANCED, EXACT)}


def find_quality(quality: str | Quality) -> Quality:
    """The quality of this name; a `Quality` is returned as it is.

    Raises:
        BadOption: there is none of this name.
    """
    if isinstance(quality, Quality):
        return quality
    if quality in QUALITIES:
        return QUALITIES[quality]
    raise BadOption(
        "quality",
        expected=f"one of {', '.join(QUALITIES)}",
        found=repr(quality),
        remedy=f"leave it out for {BALANCED.name}",
    )
