"""A checkpoint is looked through before it is loaded: damage, memory bombs, other tensors."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from emogene.contract.errors import BadCheckpoint
from emogene.exporters.authors.state import load_model, newest_checkpoint

from .checkpoints import write_run
from .test_pickles import Calling

MODEL = {"a.weight": torch.arange(6.0).view(2, 3), "mouth": torch.zeros(4)}

TERABYTES = 1 << 42


def test_files_of_the_first_years_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    state = {"state_dict": {"model": {**MODEL, "part": MODEL["a.weight"].T}}, "epoch": 1}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    found = load_model(path)
    assert torch.equal(found["a.weight"], MODEL["a.weight"])
    assert torch.equal(found["part"], MODEL["a.weight"].T)
    whole = path.read_bytes()
    for length in (3, 40, len(whole) - 8):
        path.write_bytes(whole[:length])
        with pytest.raises(BadCheckpoint, match="copy it again"):
            load_model(path)


def test_tensors_that_were_on_a_gpu_are_read_without_one(tmp_path: Path) -> None:
    """As in every checkpoint of a real training: the same records, located on ``cuda:0``."""
    path = write_run(tmp_path, MODEL | {"half": torch.ones(3, dtype=torch.float16)}, {})
    trained = tmp_path / "trained.ckpt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(trained, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert data.count(b"X\x03\0\0\0cpu") == 1  # written once, then referred to
                data = data.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:0")
            new.writestr(entry.filename, data)
    found = load_model(trained)
    assert set(found) == {*MODEL, "half"} and found["half"].device.type == "cpu"
    assert all(torch.equal(found[name], tensor) for name, tensor in MODEL.items())


@pytest.mark.parametrize("old", [False, True])
def test_what_asks_for_memory_is_refused_before_it_gets_any(tmp_path: Path, old: bool) -> None:
    path = tmp_path / "x.ckpt"
    for bomb in (bytearray, torch.FloatTensor):
        state = {"state_dict": {"model": MODEL}, "epoch": Calling(bomb, TERABYTES)}
        torch.save(state, path, _use_new_zipfile_serialization=not old)
        with pytest.raises(BadCheckpoint, match=f"a call of .*{bomb.__name__}.*fill the memory"):
            load_model(path)


@pytest.mark.parametrize("name", ["DATA.PKL", "Data.pkl"])
def test_names_are_looked_at_as_torch_does(tmp_path: Path, name: str) -> None:
    """It finds a record whatever the case of its name."""
    path, renamed = tmp_path / "x.ckpt", tmp_path / "y.ckpt"
    torch.save({"state_dict": {"model": MODEL}, "epoch": Calling(bytearray, 8)}, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(renamed, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename.replace("data.pkl", name), old.read(entry))
    assert torch.load(renamed, weights_only=True)["epoch"] == bytes(8)
    with pytest.raises(BadCheckpoint, match=r"a call of .*bytearray"):
        load_model(renamed)


def _repeated() -> torch.Tensor:
    return torch.zeros(1).expand(TERABYTES)


def _sparse() -> torch.Tensor:
    at, of = torch.zeros(2, 1, dtype=torch.long), torch.ones(1)
    return torch.sparse_coo_tensor(at, of, (TERABYTES, 8), check_invariants=True)


@pytest.mark.parametrize(
    "made, said",
    [
        (_repeated, rf"a claims \({TERABYTES},\) numbers that are not there"),
        (_sparse, "a call of torch._utils._rebuild_sparse_tensor"),
        (lambda: torch.empty(TERABYTES, device="meta"), "a call of torch._utils._rebuild_meta"),
        (lambda: torch.zeros(4, dtype=torch.complex64), "a is torch.complex64"),
        (lambda: torch.zeros(4).to(torch.float8_e4m3fn), "a call of torch._utils._rebuild"),
    ],
)
def test_tensors_that_are_no_plain_numbers_are_refused(
    tmp_path: Path, made: Callable[[], torch.Tensor], said: str
) -> None:
    with pytest.raises(BadCheckpoint, match=said):
        load_model(write_run(tmp_path, {"a": made(), "b": torch.ones(1)}, {}))


def test_a_byte_that_changed_on_the_way_is_noticed(tmp_path: Path) -> None:
    """torch itself takes it for a number."""
    path = write_run(tmp_path, {"a": torch.full((1_000,), 1.5)}, {})
    data = bytearray(path.read_bytes())
    at = data.index(bytes(torch.full((8,), 1.5).numpy().tobytes()))
    data[at + 3] ^= 1
    path.write_bytes(data)
    assert torch.load(path, weights_only=False)["state_dict"]["model"]["a"][0] != 1.5
    with pytest.raises(BadCheckpoint, match=r"Bad CRC-32 for file .*data/0"):
        load_model(path)


def test_records_that_unpack_to_more_than_the_file_are_refused(tmp_path: Path) -> None:
    path = write_run(tmp_path, MODEL, {})
    packed = tmp_path / "packed.ckpt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(BadCheckpoint, match="records that are packed, or overlap"):
        load_model(packed)


def test_a_newest_step_that_was_not_written_to_its_end(tmp_path: Path) -> None:
    """It is not passed over in silence; the steps that are there are named."""
    whole = write_run(tmp_path, MODEL, {}, 4_000).read_bytes()
    (tmp_path / "model_ckpt_steps_8000.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadCheckpoint) as caught:
        load_model(newest_checkpoint(tmp_path))
    assert "model_ckpt_steps_8000.ckpt" in caught.value.thing
    assert "bytes without a table of its records" in caught.value.found
    assert "beside it: model_ckpt_steps_4000.ckpt" in caught.value.remedy


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "model_ckpt_steps_1.ckpt"
    os.mkfifo(pipe)
    with pytest.raises(BadCheckpoint, match="no regular file"):
        load_model(newest_checkpoint(tmp_path))
    pipe.unlink()
    pipe.mkdir()
    with pytest.raises(BadCheckpoint, match="no regular file"):
        load_model(newest_checkpoint(tmp_path))
    pipe.rmdir()
    pipe.symlink_to(tmp_path / "gone")
    with pytest.raises(BadCheckpoint, match="nothing there"):
        load_model(newest_checkpoint(tmp_path))


@pytest.mark.parametrize(
    "names", [{3: torch.ones(1)}, {"a\x1b[31m": torch.ones(1)}, {("a", 1): torch.ones(1)}]
)
def test_names_of_any_kind_are_strings_afterwards(tmp_path: Path, names: dict[Any, Any]) -> None:
    found = load_model(write_run(tmp_path, names, {}))
    assert list(found) == [str(name) for name in names]
