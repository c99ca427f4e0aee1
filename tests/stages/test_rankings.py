"""A ranking is made again when what it was made of has changed."""

import numpy as np
import polars as pl
import pytest

from getmore_assets.config import Selector, Task
from getmore_assets.errors import BadInput
from getmore_assets.stages.rankings import imported_version


@pytest.fixture
def task(tmp_path):
    pool(tmp_path / "pool.parquet", "One text.", "Another text.")
    return Task(name="t", candidates=[{"path": str(tmp_path / "pool.parquet")}], target={"train": "t.jsonl"})


def pool(path, *texts):
    pl.DataFrame({"text": texts}).write_parquet(path)


def selector(**fields):
    return Selector.model_validate({"selector": "imported", "imported": fields})


def test_index_arrays_have_a_version(task, tmp_path):
    path = tmp_path / "chosen.npy"
    np.save(path, np.array([1, 0]))
    chosen = selector(path=str(path))
    (first,) = imported_version(chosen, task)
    race = Selector.model_validate({"selector": "race", "entrants": ["knn", chosen.model_dump(exclude_unset=True)]})
    assert imported_version(race, task) == [first]
    np.save(path, np.array([1, 1]))
    assert imported_version(chosen, task) != [first]
    path.unlink()
    with pytest.raises(BadInput, match=r"chosen\.npy: no such file"):
        imported_version(chosen, task)


@pytest.mark.parametrize("name", ["", "pool", "pools"])
def test_a_pool_file_that_changes_changes_what_places_in_it_choose(name, task, tmp_path):
    path = tmp_path / ("named.parquet" if name else "pool.parquet")
    (tmp_path / "less.csv").write_text("file name, index\na, 1\n")
    given = {"": {}, "pool": {"pool": str(path)}, "pools": {"file_name": "file name", "pools": {"a": str(path)}}}
    chosen = selector(path=str(tmp_path / "less.csv"), index="index", **given[name])
    pool(path, "One text.", "Another text.")
    first = imported_version(chosen, task)
    pool(tmp_path / "beside.parquet", "What nothing counts in.")
    assert imported_version(chosen, task) == first
    pool(path, "Another text.", "One text.")
    assert imported_version(chosen, task) != first
