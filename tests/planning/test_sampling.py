"""Sources are counted whole, and samples of them can be run."""

import polars as pl
import pytest

from getmore_assets.planning import sampling
from getmore_assets.planning.miniature import write
from getmore_assets.planning.sampling import LARGE, SMALL, look
from getmore_assets.task_files import load_task
from tests.conftest import task_fields, write_task


def test_every_row_is_counted_and_samples_are_of_the_whole(sources, tmp_path):
    task = load_task(write_task(tmp_path / "t.yaml", task_fields(sources, tmp_path / "lake")))
    seen = look(task, tmp_path)
    pool = pl.read_parquet(sources / "pool.parquet")
    assert (seen.rows, seen.chars) == (pool.height, pool["text"].str.len_chars().sum())
    assert seen.samples == {SMALL: 300, LARGE: 600}
    assert seen.splits["test"] == 80
    assert 100 < seen.splits["train"] <= 120  # those that overlap what is evaluated have left
    for size, rows in seen.samples.items():
        sample = pl.read_parquet(tmp_path / f"pool-{size}.parquet")
        assert sample.height == rows
        assert sample["text"].is_in(pool["text"].implode()).all()
        assert sample["domain"].n_unique() > pool["domain"].n_unique() // 4
    assert not (tmp_path / "lake").exists()


def test_of_a_long_stream_every_kth_row_is_kept():
    stride = sampling._Stride(100)
    for start in range(0, 1000, 70):
        stride.add(pl.DataFrame({"text": [str(n) for n in range(start, min(start + 70, 1000))]}))
    kept = [int(text) for text in stride.rows["text"]]
    assert stride.seen == 1000
    assert stride.chars == sum(len(str(n)) for n in range(1000))
    assert kept == list(range(0, 1000, 16))


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_miniature_is_a_task_on_the_sample(size, sources, tmp_path):
    fields = task_fields(sources, tmp_path / "lake", approval=True)
    fields["target"] |= {"label": "label"}
    fields["compare"] = ["none", "knn", {"selector": "race", "entrants": ["random", "got-d"]}]
    pl.DataFrame({"text": ["It rains.", "It snows."]}).write_parquet(tmp_path / "general.parquet")
    fields["general"] = str(tmp_path / "general.parquet")
    task = load_task(write_task(tmp_path / "t.yaml", fields))
    small = load_task(write(task, look(task, tmp_path), tmp_path, size))
    assert small.lake == str(tmp_path / f"lake-{size}")
    assert (small.approval, small.seeds) == (False, 1)
    assert [one.selector for one in small.compare] == ["none", "random"]
    labels = {split: set(pl.read_parquet(small.target.source(split).path)["label"]) for split in ("train", "test")}
    assert labels["test"] <= labels["train"] == {"asyncio", "email"}
    assert pl.read_parquet(small.general.path).height == 2  # text without a label stays
    if size == LARGE:  # the same share of the pool
        assert small.selection.budget.rows == 50
    else:  # a few steps of each training
        assert small.finetune.rows == 4 * task.finetune.batch_size
        assert small.base_model.small.epochs < task.base_model.small.epochs
