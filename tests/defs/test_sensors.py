"""Sensors as functions of task files, sources, runs and their memory; with a live daemon: tests/drives/live.py."""

import dagster as dg
import polars as pl
import pytest
from deltalake import DeltaTable

from getmore_assets import build_definitions, delta_commits, delta_versions, liveness
from getmore_assets.definitions import defs
from getmore_assets.defs import runs
from getmore_assets.lake import Lake
from getmore_assets.records import STAGE_NAMES, Records
from getmore_assets.reselection import approval
from getmore_assets.reselection.sensor_state import SensorCursor
from getmore_assets.task_parsing import load_task
from tests.conftest import task_fields, write_task

SENSORS = {sensor.name: sensor for sensor in defs.sensors}


def leave_signs(folder, run_id):
    """What a process of a run that was killed leaves: its lock, which nobody holds."""
    place = folder / run_id
    place.mkdir(parents=True)
    (place / liveness._lock(place, 2**22 + 1).name).touch()


class Watched:
    """A tasks folder with Delta targets, a sensor, and an instance whose runs are set by hand."""

    def __init__(self, instance, sources, folder, project=defs) -> None:
        self.instance, self.sources, self.folder, self.project, self.cursor = instance, sources, folder, project, None
        self.sensor = next(one for one in project.sensors if one.name.endswith("target_changes"))
        self.rows = pl.read_ndjson(sources / "train.jsonl").select("text")

    def add(self, name: str, **changes) -> None:
        self.append(name, 0, 60)
        fields = task_fields(self.sources, self.folder / "lake", name=name)
        fields["target"]["train"] = str(self.folder / name)
        write_task(self.folder / f"{name}.yaml", {**fields, **changes})

    def append(self, name: str, start: int, rows: int = 1) -> None:
        self.rows.slice(start, rows).write_delta(self.folder / name, mode="append")

    def tick(self) -> dict[str, dg.RunRequest]:
        """The runs asked for, by target; asked for is taken for started and ended well."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, sensor_name=self.sensor.name, definitions=self.project
        )
        found = self.sensor(context)
        if isinstance(found, dg.SkipReason):
            self.cursor, self.said = context.cursor, found.skip_message
            return {}
        self.cursor, self.events = found.cursor, found.asset_events
        for request in found.dynamic_partitions_requests:
            if isinstance(request, dg.DeleteDynamicPartitionsRequest):
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition("target", key)
            else:
                self.instance.add_dynamic_partitions("target", request.partition_keys)
        return {request.partition_key: request for request in found.run_requests}

    def run(self, target: str, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
        tags = {runs.PARTITION: target, "dagster/sensor_name": self.sensor.name, **tags}
        return self.instance.create_run_for_job(defs.resolve_job_def("select"), status=status, tags=tags)


@pytest.fixture
def watched(sources, tmp_path, monkeypatch):
    monkeypatch.setenv("GETMORE_TASKS", str(tmp_path))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watched(instance, sources, tmp_path)


def test_every_task_file_becomes_a_partition_once(watched):
    watched.sensor = SENSORS["task_files"]
    watched.add("one")
    (watched.folder / "broken.yaml").write_text("name: [")
    watched.tick()
    assert watched.instance.get_dynamic_partitions("target") == ["one"]
    assert watched.tick() == {}
    assert "broken.yaml: not valid YAML" in watched.said


def test_a_target_whose_file_went_is_removed_at_the_second_look_with_a_word(watched):
    watched.sensor = SENSORS["task_files"]
    for name in ("one", "two", "three"):
        watched.add(name)
    watched.tick()
    watched.instance.add_dynamic_partitions("target", ["of-a-command"])
    (watched.folder / "one.yaml").unlink()
    (watched.folder / "two.yaml").rename(watched.folder / "two.yml")
    watched.tick()
    assert len(watched.instance.get_dynamic_partitions("target")) == 4
    assert watched.tick() == {}
    assert set(watched.instance.get_dynamic_partitions("target")) == {"two", "three", "of-a-command"}
    watched.add("one")
    watched.tick()
    assert "one" in watched.instance.get_dynamic_partitions("target")


@pytest.mark.parametrize("how", ["unmounted", "unreadable"])
def test_no_target_is_removed_while_the_folder_cannot_be_read_whole(watched, monkeypatch, how):
    watched.sensor = SENSORS["task_files"]
    watched.add("one")
    watched.add("two")
    watched.tick()
    if how == "unmounted":
        monkeypatch.setenv("GETMORE_TASKS", str(watched.folder / "away"))
    else:
        (watched.folder / "one.yaml").write_text("name: [")
    for _ in range(4):
        watched.tick()
    assert set(watched.instance.get_dynamic_partitions("target")) == {"one", "two"}


def test_one_run_for_each_target_and_version_read_at_that_version(watched):
    watched.add("one")
    watched.add("two")
    first = watched.tick()
    assert set(first) == {"one", "two"}
    assert first["one"].run_config["resources"]["getmore"]["config"]["overrides"] == ["target.train.version=0"]
    assert {request.job_name for request in first.values()} == {"run"}
    assert watched.tick() == {}
    watched.append("two", 61)
    second = watched.tick()
    assert set(second) == {"two"}
    assert second["two"].run_config["resources"]["getmore"]["config"]["overrides"] == ["target.train.version=1"]
    assert second["two"].run_key != first["two"].run_key
    assert watched.tick() == {}


def test_compaction_vacuum_and_log_clean_up_ask_for_nothing(watched):
    watched.add("one")
    watched.append("one", 61)
    assert watched.tick()
    table = DeltaTable(watched.folder / "one")
    table.optimize.compact()
    assert watched.tick() == {}
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert watched.tick() == {}
    table = DeltaTable(watched.folder / "one")
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 days"})
    assert watched.tick() == {}
    table = DeltaTable(watched.folder / "one")
    table.create_checkpoint()
    table.cleanup_metadata()
    kept = [commit["operation"] for commit in DeltaTable(watched.folder / "one").history()]
    assert "WRITE" not in kept
    assert watched.tick() == {}
    watched.append("one", 62)
    assert set(watched.tick()) == {"one"}


def test_a_change_between_two_looks_is_not_lost_with_the_log_that_names_it(watched):
    watched.add("one")
    assert watched.tick()
    watched.append("one", 61)
    table = DeltaTable(watched.folder / "one")
    table.optimize.compact()
    table.alter.set_table_properties({"delta.logRetentionDuration": "interval 0 days"})
    DeltaTable(watched.folder / "one").create_checkpoint()
    DeltaTable(watched.folder / "one").cleanup_metadata()
    assert set(watched.tick()) == {"one"}
    assert watched.tick() == {}


def test_a_look_at_what_has_not_changed_opens_no_table(watched, monkeypatch):
    watched.add("one")
    watched.tick()
    opened = []
    for module in (delta_commits, delta_versions):
        monkeypatch.setattr(
            module, "DeltaTable", lambda *given, **options: opened.append(given) or DeltaTable(*given, **options)
        )
    watched.tick()
    assert not opened
    watched.append("one", 60, 65)
    watched.tick()
    assert opened


def test_a_version_that_comes_back_is_run_again(watched):
    watched.add("one")
    first = watched.tick()["one"]
    train = watched.folder / "file.jsonl"
    lines = (watched.sources / "train.jsonl").read_text().splitlines()
    keys = [first.run_key]
    for text in (lines[:60], lines[:61], lines[:60]):
        train.write_text("\n".join(text) + "\n")
        fields = task_fields(watched.sources, watched.folder / "lake", name="one")
        fields["target"]["train"] = str(train)
        write_task(watched.folder / "one.yaml", fields)
        keys.append(watched.tick()["one"].run_key)
    assert len(set(keys)) == 4
    train.touch()
    assert watched.tick() == {}


def test_a_change_during_a_run_waits_for_its_end(watched):
    watched.add("one")
    watched.tick()
    going = watched.run("one", dg.DagsterRunStatus.NOT_STARTED)
    watched.append("one", 61)
    watched.append("one", 62)
    assert watched.tick() == {}
    assert watched.said == "waiting for runs of one to end"
    watched.instance.report_run_canceled(going)
    assert watched.tick()["one"].run_config["resources"]["getmore"]["config"]["overrides"] == ["target.train.version=2"]


def test_a_source_that_cannot_be_read_is_looked_at_again(watched):
    watched.add("one")
    table, away = watched.folder / "one", watched.folder / "away"
    table.rename(away)
    assert watched.tick() == {}
    away.rename(table)
    assert set(watched.tick()) == {"one"}


def test_the_pool_is_watched_apart_and_its_first_sight_is_no_change(watched):
    watched.sensor = SENSORS["pool_changes"]
    pool = watched.folder / "pool.parquet"
    rows = pl.read_parquet(watched.sources / "pool.parquet")
    rows.head(900).write_parquet(pool)
    watched.add("one", candidates=[{"path": str(pool), "domain": "domain"}])
    assert watched.tick() == {}
    watched.append("one", 61)
    assert watched.tick() == {}
    rows.head(950).write_parquet(pool)
    assert set(watched.tick()) == {"one"}
    assert watched.tick() == {}


def test_with_approval_the_line_goes_on_when_the_selection_is_approved(watched, ran_copy):
    watched.add("tiny", approval=True, lake=str(ran_copy.lake.root))
    assert watched.tick()["tiny"].job_name == "select"
    assert watched.tick() == {}
    task = load_task(watched.folder / "tiny.yaml")
    made = Records(Lake(task.lake), "tiny").get("selected_subset").data_version
    approval.give(Lake(task.lake), task, made, "someone")
    assert watched.tick()["tiny"].job_name == "run"
    assert watched.tick() == {}
    watched.append("tiny", 61)
    assert watched.tick()["tiny"].job_name == "select"


def test_a_run_whose_process_is_gone_is_ended_at_the_second_look_and_one_that_works_is_not(watched):
    watched.add("one")
    watched.add("two")
    watched.tick()
    gone, works = watched.run("one", dg.DagsterRunStatus.STARTED), watched.run("two", dg.DagsterRunStatus.STARTED)
    signs = liveness.folder_of(watched.folder / "lake")
    leave_signs(signs, gone.run_id)
    with liveness.signs(signs, works.run_id):
        watched.tick()
        assert SensorCursor.load(watched.cursor).suspects == [gone.run_id]
        assert set(watched.tick()) == {"one"}  # it is ended, and asked for once more
    assert watched.instance.get_run_by_id(gone.run_id).status == dg.DagsterRunStatus.FAILURE
    assert watched.instance.get_run_by_id(works.run_id).status == dg.DagsterRunStatus.STARTED


@pytest.mark.parametrize(
    "how",
    [{}, {"dagster/failure_reason": "STEP_FAILURE", runs.INTERRUPTED: "embeddings"}],
    ids=["its process was killed", "its worker was killed"],
)
def test_a_run_that_is_interrupted_again_and_again_is_left_until_its_data_change(watched, how):
    watched.add("one")
    keys = {watched.tick()["one"].run_key}
    for _ in range(2):
        watched.run("one", dg.DagsterRunStatus.FAILURE, **how)
        keys.add(watched.tick()["one"].run_key)
    watched.run("one", dg.DagsterRunStatus.FAILURE, **how)
    assert watched.tick() == {}
    watched.append("one", 61)
    keys.add(watched.tick()["one"].run_key)
    assert len(keys) == 4


def test_a_run_of_which_nothing_tells_is_left_alone_while_it_may_still_be_starting(watched, monkeypatch):
    watched.add("one")
    (watched.folder / "lake").mkdir()
    watched.tick()
    starts = watched.run("one", dg.DagsterRunStatus.STARTED)
    for _ in range(3):
        assert watched.tick() == {}
    assert watched.instance.get_run_by_id(starts.run_id).status == dg.DagsterRunStatus.STARTED
    monkeypatch.setattr(runs, "_SILENT_S", -1)
    watched.tick()
    assert set(watched.tick()) == {"one"}


def test_a_run_on_another_lake_keeps_no_target_busy_and_is_judged_by_the_signs_it_gives_there(watched, tmp_path):
    watched.add("one")
    watched.tick()
    other = Lake(tmp_path / "other")
    elsewhere = watched.run("one", dg.DagsterRunStatus.STARTED, **{runs.LAKE: str(other.root)})
    leave_signs(liveness.folder_of(watched.folder / "lake"), elsewhere.run_id)
    watched.append("one", 61)
    assert set(watched.tick()) == {"one"}
    watched.tick()
    assert watched.instance.get_run_by_id(elsewhere.run_id).status == dg.DagsterRunStatus.STARTED
    leave_signs(liveness.folder_of(other.root), elsewhere.run_id)
    watched.tick()
    watched.tick()
    assert watched.instance.get_run_by_id(elsewhere.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_command_ends_what_commands_left_in_its_lake_and_nothing_else(watched, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(watched.folder))
    ours, other = Lake(watched.folder / "lake"), Lake(watched.folder / "other")
    started, command = dg.DagsterRunStatus.STARTED, {runs.OF_A_COMMAND: "one.yaml"}
    left = watched.run("one", started, **command, **{runs.LAKE: str(ours.root)})
    lives = watched.run("one", started, **command, **{runs.LAKE: str(ours.root)})
    watched.run("one", started, **command, **{runs.LAKE: str(other.root)})
    watched.run("two", started, **command, **{runs.LAKE: str(ours.root)})
    watched.run("one", started, **{runs.LAKE: str(ours.root)})
    untagged = watched.run("one", started, **command)
    with liveness.signs(liveness.folder_of(ours.root), lives.run_id):
        assert [run.run_id for run in runs.abandoned_by_commands(watched.instance, "one", ours)] == [left.run_id]
    monkeypatch.delenv("DAGSTER_HOME")  # the instance is the lake's own then
    found = {run.run_id for run in runs.abandoned_by_commands(watched.instance, "one", ours)}
    assert found == {left.run_id, lives.run_id, untagged.run_id}


def test_one_approval_starts_one_run_whichever_sensors_look(watched, ran_copy):
    ran = ran_copy
    watched.add("tiny", approval=True, lake=str(ran.lake.root))
    cursors, asked = {}, []
    task = load_task(watched.folder / "tiny.yaml")
    approval.give(ran.lake, task, ran.records.get("selected_subset").data_version, "someone")
    for sensor in (SENSORS["target_changes"], SENSORS["pool_changes"]) * 3:
        watched.sensor, watched.cursor = sensor, cursors.get(sensor.name)
        asked += [request.job_name for request in watched.tick().values()]
        cursors[sensor.name] = watched.cursor
    assert asked == ["select", "run"]


def test_a_target_that_stands_failed_is_asked_for_once_and_reported(watched):
    watched.add("one")
    watched.tick()
    failed = watched.run("one", dg.DagsterRunStatus.FAILURE, **{"dagster/failure_reason": "STEP_FAILURE"})
    assert watched.tick() == {}
    (found,) = watched.events
    assert (found.check_name, found.passed, found.metadata["one"].value) == (
        "no_target_stands_failed",
        False,
        failed.run_id,
    )
    assert watched.tick() == {}
    watched.run("one", dg.DagsterRunStatus.SUCCESS)
    watched.tick()
    assert watched.events[0].passed
    result = defs.resolve_job_def("failed_targets").execute_in_process(instance=watched.instance)
    assert [e.passed for e in result.get_asset_check_evaluations()] == [True]


def test_without_partitions_the_one_target_is_run_approved_and_run_on(ran_copy, sources, tmp_path):
    write_task(ran_copy.file, {**ran_copy.fields, "approval": True})
    project = build_definitions(tasks=ran_copy.file.parent, partitions=None, key_prefix="warm")

    def execute(job, **request):
        done = project.resolve_job_def(job).execute_in_process(instance=instance, **request)
        return {event.asset_key.path[-1] for event in done.get_asset_materialization_events()}

    with dg.DagsterInstance.ephemeral() as instance:
        watched = Watched(instance, sources, tmp_path, project)
        (select,) = watched.tick().values()
        assert (select.job_name, select.partition_key) == ("warm_select", None)
        assert watched.tick() == {}
        plan = project.resolve_job_def("warm_plan")  # a job that somebody started by hand
        going = instance.create_run_for_job(plan, status=dg.DagsterRunStatus.STARTED, tags=plan.run_tags)
        made = execute("warm_select", run_config=select.run_config, tags=select.tags)
        assert {"target_data", "selected_subset"} <= made < set(STAGE_NAMES)
        execute("warm_approve")
        assert watched.tick() == {}
        instance.report_run_canceled(going)
        (run,) = watched.tick().values()
        assert run.job_name == "warm_run"
        for _ in range(2):  # its process is killed, twice
            tags = {**run.tags, "dagster/sensor_name": "warm_target_changes"}
            instance.create_run_for_job(plan, status=dg.DagsterRunStatus.FAILURE, tags=tags)
            (again,) = watched.tick().values()
            assert again.run_key != run.run_key
        assert watched.tick() == {}


def test_without_partitions_a_second_task_is_warned_of_and_nothing_is_asked_for(ran, sources, tmp_path, capfd):
    for name in ("one", "two"):
        write_task(tmp_path / f"{name}.yaml", {**ran.fields, "name": name})
    with dg.DagsterInstance.ephemeral() as instance:
        watched = Watched(instance, sources, tmp_path, build_definitions(tasks=tmp_path, partitions=None))
        assert watched.tick() == {}
    assert "2 tasks, but a project without partitions has one" in capfd.readouterr().err
