"""One exception tree. Its branches tell whose turn it is to act.

* `BadInput`   – the caller's file, option or data is at fault; changing it helps.
* `Unavailable` – this machine or installation cannot do it; installing or moving helps.
* `Failure`    – we failed; the message says what to report.

Every message names the thing, what was expected, what was found and the remedy.
"""

from __future__ import annotations


class EmoGeneError(Exception):
    """Base of everything the package raises on purpose.

    Args:
        thing: what the message is about: a path, an option, a tensor.
        expected: what would have been right.
        found: what was there instead.
        remedy: what the reader can do about it.
    """

    exit_code = 1

    def __init__(
        self, thing: str, *, expected: str = "", found: str = "", remedy: str = ""
    ) -> None:
        self.thing, self.expected, self.found, self.remedy = thing, expected, found, remedy
        super().__init__(self._message())

    def _message(self) -> str:
        said = [
            f"expected {self.expected}" if self.expected else "",
            f"found {self.found}" if self.found else "",
        ]
        body = ", ".join(part for part in said if part)
        text = f"{self.thing}: {body}" if body else self.thing
        return f"{text} — {self.remedy}" if self.remedy else text


class BadInput(EmoGeneError):
    """Something handed in is at fault."""

    exit_code = 2


class BadOption(BadInput):
    """An option or argument has a value outside its range."""


class BadAudio(BadInput):
    """An audio file or sample array cannot be used."""


class BadEngineDirectory(BadInput):
    """An engine directory is missing, damaged, or does not fit this version."""


class BadCheckpoint(BadInput):
    """A checkpoint is missing, damaged, or does not fit the network it is loaded into."""


class BadOutput(BadInput):
    """The place to write to cannot be written."""


class SessionMisuse(BadInput):
    """A session was used after `close`, or more audio was pushed than it may hold."""


class Unavailable(EmoGeneError):
    """This machine or installation lacks something."""


class TooManySessions(Unavailable):
    """An avatar has as many sessions as it may, or can, serve."""


class MissingExtra(Unavailable):
    """An optional dependency is not installed; the remedy is the `pip install` that brings it."""

    def __init__(self, module: str, extra: str, purpose: str) -> None:
        super().__init__(
            purpose,
            expected=f"the Python module {module!r}",
            found="not installed",
            remedy=f'pip install "emogene[{extra}]"',
        )


class KernelLibraryMissing(Unavailable):
    """The compiled kernels were not found or have another ABI version."""


class Failure(EmoGeneError):
    """We failed at something that should have worked."""


class ToleranceMissed(Failure):
    """An exported stage differs from the reference by more than its tolerance."""
