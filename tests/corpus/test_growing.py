import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from getmore_assets.corpus import growing
from getmore_assets.corpus.growing import GrowingArray
from getmore_assets.metering import metered


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=20), max_size=12), st.booleans(), st.randoms())
def test_elements_are_read_as_they_were_added(tmp_path, monkeypatch, batches, stored, random):
    monkeypatch.setattr(growing, "_MOST_IN_MEMORY", 200)
    monkeypatch.setattr(growing, "_START", 2)
    array, added = GrowingArray("<u8", tmp_path if stored else None), []
    for batch in batches:
        array.add(np.array(batch, np.uint64))
        added += batch
        places = [random.randrange(len(added)) for _ in range(5)] if added else []
        assert array.at(np.array(places, np.int64)).tolist() == [added[place] for place in places]
        assert len(array) == len(added)
    assert array.at(np.arange(len(added))).tolist() == added


@pytest.mark.parametrize("stored", [False, True])
def test_a_position_beyond_the_end_is_refused(tmp_path, monkeypatch, stored):
    monkeypatch.setattr(growing, "_MOST_IN_MEMORY", 16)
    array = GrowingArray("<i8", tmp_path if stored else None)
    array.add(np.arange(5))
    with pytest.raises(IndexError):
        array.at(np.array([2000]))


def test_a_long_array_is_a_file_that_takes_no_memory_and_goes_with_the_array(tmp_path):
    def files():
        return sum(
            str(one.readlink()).startswith(f"{tmp_path}/") for one in Path("/proc/self/fd").iterdir() if one.exists()
        )

    piece = np.arange(2**16)
    with metered() as before:
        piece.copy()
    array = GrowingArray("<i8", tmp_path)
    with metered() as during:
        for _ in range(128):
            array.add(piece)
        places = np.arange(0, len(array), 3)  # all pages of the file
        assert (array.at(places) == places % 2**16).all()
    assert during.peak_rss_mb < before.peak_rss_mb + 100  # places and elements take 43, the file 64
    assert list(tmp_path.iterdir()) == []  # it has no name
    assert files() == 1
    del array
    gc.collect()
    assert files() == 0
