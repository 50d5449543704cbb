"""What with blocks do at their end."""

from __future__ import annotations

import pytest

from emogene.contract.closing import Closing, Keeping


class Closed(Closing):
    def __init__(self) -> None:
        self.said: list[str] = []

    def close(self) -> None:
        self.said.append("closed")


class Kept(Keeping):
    def __init__(self) -> None:
        self.said: list[str] = []

    def close(self) -> None:
        self.said.append("closed")

    def discard(self) -> None:
        self.said.append("discarded")


@pytest.mark.parametrize(("kind", "after_an_error"), [(Closed, "closed"), (Kept, "discarded")])
def test_the_end_of_a_block(kind: type[Closed] | type[Kept], after_an_error: str) -> None:
    with kind() as whole:
        assert whole.said == []
    assert whole.said == ["closed"]
    broken = kind()
    with pytest.raises(ZeroDivisionError), broken:
        raise ZeroDivisionError
    assert broken.said == [after_an_error]
