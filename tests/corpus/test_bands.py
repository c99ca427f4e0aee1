import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from getmore_assets.corpus import bands
from getmore_assets.corpus.bands import FirstRows


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12))
def test_the_first_row_of_each_key_is_found(batches):
    index, known, row = FirstRows(), {}, 0
    for batch in batches:
        keys = np.array(batch, np.uint64)
        np.testing.assert_array_equal(index.find(keys), [known.get(key, -1) for key in batch])
        new = np.array([key not in known for key in batch], bool)
        index.add(keys[new], np.arange(row, row + len(batch))[new])
        for at, key in enumerate(batch):
            known.setdefault(key, row + at)
        row += len(batch)
    np.testing.assert_array_equal(index.find(np.arange(42, dtype=np.uint64)), [known.get(k, -1) for k in range(42)])


def test_few_runs_hold_many_keys_and_none_grows_beyond_its_limit(monkeypatch):
    monkeypatch.setattr(bands, "_LONGEST", 1000)
    index, keys = FirstRows(), np.random.default_rng(0).permutation(20_000).astype(np.uint64)
    for start in range(0, len(keys), 100):
        index.add(keys[start : start + 100], np.arange(start, start + 100))
    sizes = [len(run) for run, _ in index._runs]
    assert sum(sizes) == len(keys)
    assert max(sizes) <= 1000
    assert len(sizes) <= 30
    np.testing.assert_array_equal(index.find(keys), np.arange(len(keys)))
