"""The iBUG 68-point face layout: which indices are what. Left and right are the image's."""

from __future__ import annotations

LANDMARKS = 68
"""Points of one face; flattened (x, y, z of point 0, then of point 1, …) they are 204 numbers."""

FLAT = 3 * LANDMARKS

JAW = slice(0, 17)
BROWS = slice(17, 27)
NOSE = slice(27, 36)
EYES = slice(36, 48)
MOUTH = slice(48, 68)
OUTER_LIPS = slice(48, 60)
INNER_LIPS = slice(60, 68)

UPPER_LIDS: tuple[int, ...] = (37, 38, 43, 44)
LOWER_LIDS: tuple[int, ...] = (41, 40, 47, 46)
"""Lower-lid points, each below the upper-lid point at the same place of `UPPER_LIDS`."""

UPPER_LIP_CENTRE, LOWER_LIP_CENTRE = 62, 66
"""Inner-lip points whose distance is the opening of the mouth."""
