"""Weights are looked at as they lie in the file, whatever their type."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from getmore_assets.weights import not_finite, write_tensors

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def largest(kind):
    info = torch.finfo(kind)
    return torch.tensor([info.max, info.min, info.tiny, info.smallest_normal / 2, -0.0, 0.0, 1.0], dtype=kind)


@pytest.mark.parametrize("kind", FLOATS)
def test_every_finite_number_passes_and_nothing_else(kind, tmp_path):
    tensors = {
        "good": largest(kind),
        "whole": torch.arange(3),
        "flags": torch.tensor([True]),
        "none": largest(kind)[:0],
    }
    for name, value in (("nan", float("nan")), ("up", float("inf")), ("down", float("-inf"))):
        tensors[name] = torch.ones(7, 5, dtype=kind)
        tensors[name][6, 4] = value
    save_file(tensors, tmp_path / "model.safetensors")
    count, bad = not_finite(tmp_path / "model.safetensors")
    assert count == 7
    assert set(bad) == {"nan", "up", "down"}


def test_a_bad_number_is_found_in_the_last_of_several_pieces(tmp_path):
    weights = torch.zeros((1 << 22) + 9, dtype=torch.bfloat16)
    weights[-1] = float("nan")
    save_file({"long": weights}, tmp_path / "model.safetensors")
    assert not_finite(tmp_path / "model.safetensors") == (1, ["long"])


def test_a_torn_file_and_an_unknown_type_are_refused(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file({"a": torch.from_numpy(np.ones(50, np.float32))}, file)
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(SafetensorError):
        not_finite(file)
    save_file({"a": torch.ones(4, dtype=torch.float8_e4m3fn)}, file)
    with pytest.raises(ValueError, match=r"model.safetensors, a: .* F8_E4M3"):
        not_finite(file)


def test_a_file_is_written_whole_and_what_a_killed_process_left_of_it_goes(tmp_path):
    tensors = {"idf": np.arange(5, dtype=np.float32), "components": np.ones((2, 3), np.float32)}
    path, others = tmp_path / "fit.safetensors", tmp_path / ".other.safetensors.1.partial"
    (tmp_path / f".{path.name}.0123.partial").write_bytes(b"half")
    others.write_bytes(b"half of another's")
    write_tensors(tensors, path)
    assert sorted(tmp_path.iterdir()) == [others, path]
    save_arrays(tensors, tmp_path / "by the library")
    assert path.read_bytes() == (tmp_path / "by the library").read_bytes()


def test_a_writer_beyond_the_lock_takes_no_file_from_another(tmp_path):
    path = tmp_path / "fit.safetensors"
    with ThreadPoolExecutor(4) as writers:
        list(writers.map(lambda number: write_tensors({"w": np.full(9, number)}, path), range(200)))
    assert load_file(path)["w"].std() == 0
    assert list(tmp_path.iterdir()) == [path]
