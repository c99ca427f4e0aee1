"""A lake on an S3 server of loopback: its tables there, its files by a mirror on each machine."""

import json
import threading

import polars as pl
import pytest

from getmore_assets import damage
from getmore_assets.errors import BadInput
from getmore_assets.lake import Lake, TableRef
from getmore_assets.preflight import require_writable
from getmore_assets.records import Record, Records
from getmore_assets.relative_paths import absolute, relative
from getmore_assets.stages.unchanged import unchanged
from getmore_assets.task_parsing import load_task
from getmore_assets.tracking_place import OF_A_MIRROR, Tracking, lost
from tests import in_process
from tests.conftest import write_task
from tests.s3_server import BUCKET
from tests.test_relative_paths import RECORD

URL = f"s3://{BUCKET}/lakes/one"


@pytest.fixture
def machine(named_machine):
    """Have this process be a machine with a name; return its view of the lake."""

    def lake(name):
        named_machine(name)
        return Lake(URL)

    return lake


def rows(*values):
    return pl.DataFrame({"id": [str(v) for v in values], "value": list(values)})


def test_tables_lie_on_the_store_and_are_read_at_their_version(machine):
    here = machine("here")
    require_writable(here)
    assert here.latest("t") is None and here.tables() == []
    first = here.replace("t", rows(1, 2), {"target": "a"}, {})
    here.replace("t", rows(3), {"target": "a b/c"}, {})
    last = here.replace("t", rows(4), {"target": "a"}, {"dagster_run_id": "r"})
    there = machine("there")
    assert (there.latest("t"), there.tables()) == (last, ["t"])
    assert sorted(last.scan().collect()["value"]) == [3, 4]
    assert sorted(first.scan().collect()["value"]) == [1, 2]
    assert last.of_target("a b/c").collect()["value"].to_list() == [3]
    there.delete_where("t", "target = 'a'", {})
    assert here.latest("t").scan().collect()["value"].to_list() == [3]
    assert there.holds(last) and there.holds(first)
    assert not there.holds(TableRef(first.path, 99)) and not there.holds(TableRef(there.table("none"), 0))
    assert not list((here.root / "tables").glob("*"))


def test_machines_that_add_the_same_keys_at_once_write_each_once(machine):
    lakes, written = [machine(name) for name in ("here", "there", "third")], []
    writers = [lake.keyed("v", ("encoder", "e"), "id", {}) for lake in lakes]

    def add(writer, start):
        written.append(writer.add(rows(*range(start, start + 4))))

    for _ in range(2):
        threads = [threading.Thread(target=add, args=(one, 2 * n)) for n, one in enumerate(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(written) == 8
    assert sorted(lakes[0].latest("v").scan().collect()["value"]) == list(range(8))


def test_a_file_of_a_table_that_is_gone_is_damage(machine, server):
    here = machine("here")
    ref = here.replace("t", rows(1), {"target": "a"}, {})
    assert not list(damage.find(here))
    (file,) = (name for name in server.names() if name.endswith(".parquet"))
    server.client.delete_object(Bucket=BUCKET, Key=file)
    assert not here.holds(ref)
    (found,) = damage.find(here)
    assert (found.kind, found.where, found.since) == (damage.ROWS, f"s3://{BUCKET}/{file}", "")
    with pytest.raises(BadInput, match="is gone"):
        damage.require_undamaged(here, "t")


def test_a_store_that_is_away_is_no_table_that_is_gone(machine, monkeypatch):
    here = machine("here")
    ref = here.replace("t", rows(1), {"target": "a"}, {})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for look in (lambda: here.holds(ref), lambda: here.latest("t"), lambda: list(damage.of_table(here, "t"))):
        with pytest.raises(BadInput, match="cannot be reached"):
            look()


def test_records_are_relative_and_name_tables_by_url_and_files_in_the_mirror(machine):
    lake = machine("here")
    found = absolute(relative(RECORD, Lake("/a/lake")), lake)
    assert found["table"]["path"] == f"{URL}/tables/t"
    assert found["folders"]["model"] == str(lake.root / "models/m/0f")
    assert found["lineage"]["table.x"] == f"{URL}/tables/x@v3"
    assert found["settings"]["lake"] == URL
    assert relative(found, lake) == relative(RECORD, Lake("/a/lake"))
    assert absolute(RECORD, lake) == found


def test_runs_that_are_tracked_in_the_mirror_of_another_machine_are_not_lost(machine, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    lake, table = machine("here"), TableRef("t", 0)
    known = {"mlflow_run_id": "r", "tracked_at": Tracking().recorded(lake)}
    made = [Record("s", "t", "", "", "", {}, {}, table, {}, 0, {}, 0.0, 0.0, "", mlflow_url=None, made_at="", **known)]
    assert made[0].tracked_at.startswith(OF_A_MIRROR) and not lost(machine("there"), made)
    assert Tracking("http://mlflow").recorded(lake) == "http://mlflow"
    assert Tracking().recorded(Lake(lake.root)) == ""


def test_a_lake_that_was_copied_to_a_store_goes_on_there_from_any_machine(machine, ran, tmp_path, server):
    home = ran.lake.root
    left_out = ("dagster", "mlflow.db", "mlartifacts", "locks", "work", "checks")
    for path in (path for path in home.rglob("*") if path.is_file()):
        if path.relative_to(home).parts[0] not in left_out:
            server.put(f"lakes/one/{path.relative_to(home).as_posix()}", path.read_bytes())
    task = str(write_task(tmp_path / "tiny.yaml", {**ran.fields, "lake": URL}))
    statuses = []
    for name in ("here", "there"):
        machine(name)
        done = getmore_on_store("select", task, "selection.budget.rows=90", "--json")
        assert done.returncode == 0, done.stderr
        made = json.loads(done.stdout.splitlines()[-1])
        statuses.append({one["name"]: one["status"] for one in made["stages"]})
        assert len(pl.read_parquet(made["selected"])) == 90
    assert [name for name, status in statuses[0].items() if status != "cached"] == ["selected_subset"]
    assert set(statuses[1].values()) == {"cached"}
    there = Records(machine("there"), "tiny")
    assert there.require("selected_subset", "").folders["parquet"].startswith(str(there.lake.root))
    chosen, record = (
        load_task(task, ["selection.budget.rows=90"]),
        there.lake.root / "records/tiny/selected_subset.json",
    )
    assert unchanged(chosen, "selected_subset")
    record.touch()  # as a record that was written here, before the connection was lost
    assert unchanged(chosen, "selected_subset") is None
    there.put(there.require("selected_subset", ""))
    assert unchanged(chosen, "selected_subset")
    for command in ("clean", "repair"):
        done = getmore_on_store(command, task)
        assert done.returncode == 2
        assert f"lies on a store, where `getmore {command}` does not work" in done.stderr


def getmore_on_store(*arguments):
    """The command, with the credentials of this test in place of those that every other command is given."""
    return in_process.run_command(list(arguments), dict.fromkeys(("DAGSTER_HOME", "MLFLOW_TRACKING_URI")), None)
