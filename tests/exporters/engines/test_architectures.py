"""Which GPUs TensorRT-RTX builds for, and what is said about the others."""

from __future__ import annotations

import pytest

from emogene.contract.errors import BadOption
from emogene.exporters.engines.architectures import (
    DEFAULT_RTX_ARCHITECTURES,
    check_architectures,
    kernel_architectures,
    parse_architectures,
    rtx_architectures,
)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("86,89,120", ("sm_86", "sm_89", "sm_120")),
        ("12.0, 8.6,sm_86,SM89", ("sm_86", "sm_89", "sm_120")),
        ("121", ("sm_121",)),
        ("75,80", ("sm_75", "sm_80")),
    ],
)
def test_spellings(text: str, parsed: tuple[str, ...]) -> None:
    assert parse_architectures(text) == parsed


def test_the_usual_ones_bear_every_precision() -> None:
    for precision in ("fp32", "fp16", "bf16"):
        assert check_architectures(DEFAULT_RTX_ARCHITECTURES, precision) == (86, 89, 120)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("61", "75, 80, 86, 87, 89, 90, 100, 103, 110, 120, 121, found sm_61"),
        ("", "write them as in 86,89,120"),
        ("86;89", "'86;89'"),
    ],
)
def test_others_are_refused_with_what_to_do(text: str, said: str) -> None:
    with pytest.raises(BadOption, match=said) as refused:
        parse_architectures(text)
    assert refused.value.remedy


def test_who_serves_which() -> None:
    chosen = parse_architectures("75,80,86,89,90,100,120")
    assert rtx_architectures(chosen) == ("sm_75", "sm_80", "sm_86", "sm_89", "sm_120")
    assert kernel_architectures(chosen) == chosen[1:]


@pytest.mark.parametrize(("name", "generation"), [("sm_90", "Hopper"), ("sm_100", "Blackwell")])
def test_the_data_centre_is_for_tensorrt_proper(name: str, generation: str) -> None:
    with pytest.raises(BadOption, match=f"{generation} of the data centre.*--target tensorrt$"):
        check_architectures((name, "sm_86"))


def test_turing_takes_fp16_alone() -> None:
    assert check_architectures(("sm_75", "sm_86"), "fp16") == (75, 86)
    for precision in ("fp32", "bf16"):
        with pytest.raises(BadOption, match=f"in {precision}, found sm_75.*leave 75 out"):
            check_architectures(("sm_75", "sm_86"), precision)


def test_none_is_refused() -> None:
    with pytest.raises(BadOption, match="found none"):
        check_architectures(())
