"""What a library says of a damaged file, short enough for a message of one line."""

from __future__ import annotations

import textwrap

LONGEST = 160
"""Characters that are kept of it."""


def in_words(error: Exception) -> str:
    """``ValueError: no thing``, cut off behind a word; the kind alone where no more is said."""
    said = textwrap.shorten(str(error), LONGEST, placeholder=" …")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
