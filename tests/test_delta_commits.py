"""Writers at once on one table: each key stands once, and a version is the one that its writer committed."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from filelock import FileLock

from getmore_assets.corpus.identity import content_id
from getmore_assets.delta_commits import Buffered
from getmore_assets.lake import Lake

WRITERS, ROUNDS = 8, 3


def rows(*ids: str, by: int = 0) -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids), "by": [by] * len(ids)})


def writer(lake: Lake, value: str = "e"):
    return lake.keyed("t", ("encoder", value), "id", {"dagster_run_id": "r"})


def known(writer, ids: str) -> str:
    return "".join(np.array(list(ids))[writer.knows(pl.Series(list(ids)))])


def test_a_key_is_written_once_by_whoever_comes_first(tmp_path):
    first, second = writer(Lake(tmp_path)), writer(Lake(tmp_path))
    second.look()
    assert known(second, "abc") == ""
    assert first.add(rows("a", "b", by=1)) == 2
    assert second.add(rows("b", "c", by=2)) == 1
    assert first.add(rows("a", "c", by=1)) == 0
    assert known(first, "abcd") == "abc"
    second.look()
    assert known(second, "abcd") == "abc"
    assert dict(pl.read_delta(Lake(tmp_path).table("t")).select("id", "by").rows()) == {"a": 1, "b": 1, "c": 2}


def test_of_rows_with_one_key_the_first_is_written_whether_they_come_together_or_not(tmp_path):
    lake = Lake(tmp_path)
    with Buffered(writer(lake)) as buffered:
        buffered.add(rows("a", "b", "a", by=1))
        buffered.add(rows("b", "c", by=2))
    with Buffered(writer(lake)) as again:
        again.add(rows("c", "c", "d", by=3))
    assert (buffered.written, again.written) == (3, 1)
    assert sorted(pl.read_delta(lake.table("t")).select("id", "by").rows()) == [("a", 1), ("b", 1), ("c", 2), ("d", 3)]


def test_partitions_do_not_see_each_others_keys(tmp_path):
    lake = Lake(tmp_path)
    assert writer(lake, "e").add(rows("a")) == writer(lake, "other").add(rows("a")) == 1


def test_keys_are_known_again_after_compaction(tmp_path):
    lake = Lake(tmp_path)
    one = writer(lake)
    for id_ in "abc":
        one.add(rows(id_))
    DeltaTable(lake.table("t")).optimize.compact()
    assert one.add(rows("a", "d")) == 1
    assert sorted(pl.read_delta(lake.table("t"))["id"]) == ["a", "b", "c", "d"]


def test_a_table_is_written_also_where_the_lock_is_held_by_a_stopped_process(tmp_path, monkeypatch):
    monkeypatch.setattr("getmore_assets.delta_commits._PATIENCE_S", 0.1)
    lake = Lake(tmp_path)
    with lake.lock("commit", "t"):
        assert lake.keyed("t", ("encoder", "e"), "id", {}).add(rows("a")) == 1


def test_what_a_writer_does_wrong_is_said_and_not_tried_for_ever(tmp_path):
    lake = Lake(tmp_path)
    lake.replace("t", rows("a"), {"encoder": "e"}, {})
    with pytest.raises(Exception, match="no number"):
        writer(lake).add(pl.DataFrame({"id": ["b"], "by": ["no number"]}))


def _race(folder: Path, number: int, barrier) -> None:
    """Write what all others write too, and a partition of one's own; the lock is one that reaches nobody."""
    lake = Lake(folder)
    lake.lock = lambda *_: FileLock(folder / f"{number}.lock")
    barrier.wait()
    shared = writer(lake)
    for turn in range(ROUNDS):
        shared.add(rows(*(f"{turn}-{n}" for n in range(20)), by=number))
        ref = lake.replace("u", rows("a", by=number), {"encoder": str(number)}, {})
        mine = ref.scan().filter(pl.col("encoder") == str(number)).collect()
        commit = next(c for c in DeltaTable(ref.path).history() if c["version"] == ref.version)
        assert mine["by"].to_list() == [number]
        assert commit["operation"] in ("WRITE", "CREATE TABLE"), commit


def test_writers_at_once_without_a_common_lock_leave_each_key_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WRITERS)
    processes = [context.Process(target=_race, args=(tmp_path, n, barrier)) for n in range(WRITERS)]
    for one in processes:
        one.start()
    for one in processes:
        one.join()
    assert [one.exitcode for one in processes] == [0] * WRITERS
    lake = Lake(tmp_path)
    written = pl.read_delta(lake.table("t"))
    assert sorted(written["id"]) == sorted(f"{turn}-{n}" for turn in range(ROUNDS) for n in range(20))
    assert sorted(pl.read_delta(lake.table("u"))["by"]) == list(range(WRITERS))


def test_a_hundred_writers_at_once_leave_one_row_a_key(tmp_path):
    barrier = threading.Barrier(100)

    def write(number: int) -> int:
        lake = Lake(tmp_path)
        one = lake.keyed("t", ("encoder", "e"), "id", {})
        barrier.wait()
        return one.add(rows(*(f"{n}" for n in range(50)), by=number))

    with ThreadPoolExecutor(100) as pool:
        written = list(pool.map(write, range(100)))
    assert sorted(written) == [0] * 99 + [50]
    assert sorted(pl.read_delta(Lake(tmp_path).table("t"))["id"]) == sorted(f"{n}" for n in range(50))


def test_files_have_small_row_groups_however_they_are_written(tmp_path):
    lake, most = Lake(tmp_path / "lake"), 2**13
    rows = pl.DataFrame({"part": "a", "id": [content_id(str(number)) for number in range(20_000)]})

    def groups(name):
        files = map(pq.read_metadata, DeltaTable(lake.table(name)).file_uris())
        return [file.row_group(at).num_rows for file in files for at in range(file.num_row_groups)]

    for batch in rows.iter_slices(10_000):
        lake.keyed("keyed", ("part", "a"), "id", {}).add(batch.select("id"))
    lake.append("appended", rows, ["part"], {})
    lake.replace("replaced", lambda: rows.select("id").iter_slices(7000), {"part": "a"}, {})
    for name in ("keyed", "appended", "replaced"):
        assert sum(groups(name)) == rows.height, name
        assert max(groups(name)) <= most, name
