"""Precisions as a command line and the C ABI write them."""

from __future__ import annotations

from collections.abc import Iterable

from ...contract.errors import BadOption


def named_precisions(option: str, words: Iterable[str]) -> dict[str, str]:
    """``("hubert=int8",)`` → ``{"hubert": "int8"}``; empty words are left out.

    Raises:
        BadOption: one is written otherwise; named ``option``.
    """
    wanted = [word for word in words if word]
    for word in wanted:
        if word.count("=") != 1:
            raise BadOption(
                option,
                expected="STAGE=NAME, such as hubert=int8",
                found=word,
                remedy="see what a directory holds with: emogene-export inspect DIRECTORY",
            )
    return dict(word.split("=") for word in wanted)
