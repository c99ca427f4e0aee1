"""Several nodes must be able to meet, and a call names nothing but a training."""

from pathlib import Path

import pytest

from getmore_assets.config import Processes, Task
from getmore_assets.errors import BadInput
from getmore_assets.nodes import Call, Nodes
from getmore_assets.workers.node import nodes_of
from tests.conftest import task_fields, write_task


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"nnodes": 2}, "give both or neither"),
        ({"rdzv_endpoint": "here:29500"}, "give both or neither"),
        ({"nnodes": 2, "rdzv_endpoint": "here"}, "rdzv_endpoint"),
        (
            {"nnodes": 2, "rdzv_endpoint": "here:1", "pod": {"image": "i", "volume_claim": "c", "mount_path": "/m"}},
            "a pod is one node",
        ),
    ],
    ids=["no endpoint", "one node", "no port", "a pod"],
)
def test_nodes_that_cannot_meet_are_refused(fields, refusal):
    with pytest.raises(ValueError, match=refusal):
        Processes.model_validate(fields)


def test_batches_are_shared_out_over_all_nodes(sources, tmp_path):
    launched = {"train": {"processes": 2, "nnodes": 3, "rdzv_endpoint": "here:29500"}}
    with pytest.raises(ValueError, match=r"which 6 processes .* times launch\.train\.nnodes"):
        Task.model_validate(task_fields(sources, tmp_path, launch=launched))


def test_a_node_that_nobody_calls_is_refused(sources, tmp_path):
    file = write_task(tmp_path / "task.yaml", task_fields(sources, tmp_path / "lake"))
    with pytest.raises(BadInput, match=r"launch\.train\.rdzv_endpoint: is not set"):
        nodes_of(file)


def test_a_call_stands_as_long_as_it_is_waited_for(tmp_path):
    nodes, spec = Nodes(2, "here:29500"), tmp_path / "work" / "abc" / "spec.json"
    (tmp_path / "work").mkdir()
    with nodes.called("train", spec, spec.with_name("result.json"), 4):
        file = nodes.file(tmp_path / "work")
        assert Call.model_validate_json(file.read_text()).spec == spec
    assert not file.exists()
    with pytest.raises(ValueError, match="worker"):
        Call(worker="os", spec=spec, result=spec, processes=1)


def test_the_first_of_ranked_nodes_is_where_they_meet():
    arguments = Nodes(2, "10.0.0.1:1234", 1, "10.0.0.2").arguments(Path("result.json"))
    assert dict(zip(arguments[::2], arguments[1::2], strict=True)) == {
        "--nnodes": "2",
        "--node-rank": "1",
        "--master-addr": "10.0.0.1",
        "--master-port": "1234",
    }
