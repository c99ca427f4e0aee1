import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from getmore_assets.corpus import bands
from getmore_assets.corpus.bands import FirstRows
from getmore_assets.metering import metered


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12), st.booleans())
def test_the_first_row_of_each_key_is_found(tmp_path, monkeypatch, batches, stored):
    monkeypatch.setattr(bands, "_MOST_IN_MEMORY", 3)
    index, known, row = FirstRows(tmp_path if stored else None), {}, 0
    for batch in batches:
        keys = np.array(batch, np.uint64)
        np.testing.assert_array_equal(index.find(keys), [known.get(key, -1) for key in batch])
        new = np.array([key not in known for key in batch], bool)
        index.add(keys[new], np.arange(row, row + len(batch))[new])
        for at, key in enumerate(batch):
            known.setdefault(key, row + at)
        row += len(batch)
    np.testing.assert_array_equal(index.find(np.arange(42, dtype=np.uint64)), [known.get(k, -1) for k in range(42)])


def test_few_runs_hold_many_keys():
    keys = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    index = FirstRows()
    for start in range(0, len(keys), 100):
        index.add(keys[start : start + 100], np.arange(start, start + 100))
    sizes = [[len(run.keys) for run in runs] for runs in index._parts]
    assert sum(map(sum, sizes)) == len(keys)
    assert max(map(len, sizes)) <= np.log2(len(keys))
    assert max(map(sum, sizes)) < 2 * np.mean([sum(each) for each in sizes])  # a merge holds twice a part alone
    np.testing.assert_array_equal(index.find(keys), np.arange(len(keys)))


def test_more_rows_than_can_be_numbered_are_refused():
    index = FirstRows()
    index.add(np.array([1], np.uint64), np.array([2**32 - 1]))
    assert index.find(np.array([1, 2], np.uint64)).tolist() == [2**32 - 1, -1]
    with pytest.raises(OverflowError, match="4,294,967,296 rows"):
        index.add(np.array([2], np.uint64), np.array([2**32]))


def test_long_runs_are_files_that_take_no_memory_and_go_with_the_index(tmp_path, monkeypatch):
    monkeypatch.setattr(bands, "_MOST_IN_MEMORY", 2**10)
    keys = np.random.default_rng(0).integers(0, 2**64, 2**21, dtype=np.uint64)
    with metered() as before:
        np.sort(keys)
    index = FirstRows(tmp_path)
    for start in range(0, len(keys), 2**17):
        index.add(keys[start : start + 2**17], np.arange(start, start + 2**17))
    with metered() as during:
        for start in range(0, len(keys), 2**15):
            assert (index.find(keys[start : start + 2**15]) == np.arange(start, start + 2**15)).all()
    assert during.peak_rss_mb < before.peak_rss_mb + 12 * len(keys) / 2**20 / 2
    assert list(tmp_path.iterdir()) == []  # they have no name
    mapped = f"{tmp_path}/"
    assert mapped in Path("/proc/self/maps").read_text()
    del index
    gc.collect()
    assert mapped not in Path("/proc/self/maps").read_text()
