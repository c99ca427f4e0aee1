import numpy as np
import pytest

from getmore_assets.transport.rows import NpyFile
from tests.transport.problems import points


def test_slices_of_a_file_are_those_of_the_array(tmp_path):
    x = points(100, 7, 0)
    np.save(tmp_path / "x.npy", x)
    file = NpyFile(tmp_path / "x.npy")
    assert file.shape == (100, 7)
    for rows in (slice(0, 100), slice(13, 14), slice(95, 200), slice(None, 5)):
        np.testing.assert_array_equal(file[rows], x[rows])
    first = NpyFile(tmp_path / "x.npy", 60)
    assert first.shape == (60, 7)
    np.testing.assert_array_equal(first[50:90], x[50:60])


def test_a_file_that_is_cut_off_says_so(tmp_path):
    np.save(tmp_path / "x.npy", points(100, 7, 0))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-40])
    with pytest.raises(EOFError, match="ends before row 100"):
        NpyFile(tmp_path / "x.npy")[90:100]


@pytest.mark.parametrize("x", [np.ones((4, 3)), np.ones(4, np.float32), np.asfortranarray(np.ones((4, 3), np.float32))])
def test_other_files_are_refused(x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(ValueError, match="expected float32"):
        NpyFile(tmp_path / "x.npy")
