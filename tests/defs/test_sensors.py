import dagster as dg

from getmore_assets.defs.sensors import new_targets, task_files
from tests.conftest import task_fields, write_task


def test_only_new_names_are_targets():
    assert new_targets({"b", "a", "c"}, {"c", "gone"}) == ["a", "b"]


def test_every_task_file_becomes_a_partition_once(sources, tmp_path, monkeypatch):
    monkeypatch.setenv("GETMORE_TASKS", str(tmp_path))
    write_task(tmp_path / "one.yaml", task_fields(sources, tmp_path / "lake", name="one"))
    (tmp_path / "broken.yaml").write_text("name: [")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        asked = task_files(context).dynamic_partitions_requests
        assert [r.partition_keys for r in asked] == [["one"]]
        instance.add_dynamic_partitions("target", ["one"])
        assert isinstance(task_files(context), dg.SkipReason)
