import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from getmore_assets.corpus import growing, id_index
from getmore_assets.corpus.id_index import IdIndex
from getmore_assets.corpus.identity import content_id

IDS = [f"{first:x}.{rest:x}" for first in (0, 1, 2**63, 2**64 - 1) for rest in (0, 1, 2**64 - 1)]


def halves(ids: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Hashes that collide: of each half alone."""
    parts = [[int(part, 16) for part in id_.split(".")] for id_ in ids]
    found = np.array(parts, np.uint64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


@pytest.fixture
def colliding(monkeypatch):
    monkeypatch.setattr(id_index, "_halves", halves)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(IDS), max_size=8), max_size=8))
def test_the_place_of_each_id_is_found(colliding, batches):
    index, known = IdIndex(), {}
    for batch in batches:
        ids = pl.Series(batch, dtype=pl.String)
        assert index.find(ids).tolist() == [known.get(id_, -1) for id_ in batch]
        before = len(known)
        for id_ in batch:
            known.setdefault(id_, len(known))
        assert index.add(ids) == len(known) - before
    assert len(index) == len(known)
    assert index.find(pl.Series(IDS)).tolist() == [known.get(id_, -1) for id_ in IDS]


@pytest.mark.parametrize("stored", [False, True])
def test_many_ids_keep_their_places(tmp_path, monkeypatch, stored):
    monkeypatch.setattr(growing, "_MOST_IN_MEMORY", 50_000)
    ids = pl.Series([content_id(str(number)) for number in range(20_000)])
    index = IdIndex(tmp_path if stored else None)
    for start in range(0, len(ids), 3000):
        index.add(ids[start : start + 3000])
    assert index.find(ids).tolist() == list(range(len(ids)))
    assert IdIndex.of(ids[::-1]).find(ids[:3]).tolist() == [19_999, 19_998, 19_997]


def test_an_id_that_stands_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        IdIndex.of(pl.Series([IDS[0], IDS[1], IDS[0]]))
