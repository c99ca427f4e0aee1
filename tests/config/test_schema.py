"""The JSON schema of the task file accepts what the reader accepts, and refuses what it refuses."""

import json
from pathlib import Path

import pytest
import yaml

from getmore_assets.config import Task
from getmore_assets.config.schema import language_server_line, task_schema
from getmore_assets.task_parsing import load_task
from tests.conftest import getmore, task_fields, write_task

jsonschema = pytest.importorskip("jsonschema")

DEMO = yaml.safe_load((Path(__file__).parents[2] / "tasks" / "demo.yaml").read_text())
SHORT = {
    "name": "t",
    "target": {"train": "a.jsonl"},
    "candidates": ["b.parquet", {"asset": "my_docs"}],
    "compare": ["none", "knn"],
}


def problems(fields):
    return [error.message for error in jsonschema.Draft202012Validator(task_schema()).iter_errors(fields)]


def test_the_schema_is_one_and_says_what_fields_mean():
    schema = task_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(Task.model_fields)
    assert "description" in schema["properties"]["leakage"]


@pytest.mark.parametrize("fields", [SHORT, DEMO], ids=["short forms", "the demo"])
def test_what_can_be_read_is_accepted(fields):
    assert problems(fields) == []
    Task.model_validate(fields)


@pytest.mark.parametrize(
    "change",
    [{"warmpu": {}}, {"seeds": 0}, {"leakage": "perhaps"}, {"target": {}}, {"candidates": [{"text": "of no source"}]}],
    ids=str,
)
def test_what_cannot_be_read_is_refused(change):
    assert problems({**SHORT, **change})
    with pytest.raises(ValueError, match="validation error"):
        Task.model_validate({**SHORT, **change})


def test_a_task_that_runs_is_accepted(sources, tmp_path):
    fields = task_fields(sources, tmp_path / "lake")
    assert problems(fields) == []
    assert problems(load_task(write_task(tmp_path / "t.yaml", fields)).model_dump(mode="json")) == []


def test_the_command_writes_it_with_the_line_that_editors_read(tmp_path):
    assert json.loads(getmore("schema").stdout) == task_schema()
    done = getmore("schema", "--to", str(tmp_path / "task.schema.json"), cwd=tmp_path)
    assert done.stdout.strip() == "# yaml-language-server: $schema=task.schema.json"
    assert json.loads((tmp_path / "task.schema.json").read_text()) == task_schema()
    assert language_server_line(tmp_path / "s.json", tmp_path / "tasks") == "# yaml-language-server: $schema=../s.json"
