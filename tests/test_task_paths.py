"""Paths of a task file start from its folder, wherever a command is run."""

import logging
from pathlib import Path

import pytest
import yaml

from getmore_assets.corpus import pool, readers, target
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task

FIELDS = {
    "name": "mine",
    "candidates": [{"path": "pool/*.jsonl"}, "~/not-ours.jsonl"],
    "target": {"train": "train.jsonl", "test": {"path": "test.jsonl"}},
    "encoder": {"model": "models/own"},
    "selection": {"selector": "imported", "imported": {"path": "ids.jsonl", "index": "at", "pool": "pool/a.jsonl"}},
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a task file and all that it names; the working directory is beside it."""
    folder = tmp_path / "project"
    (folder / "pool").mkdir(parents=True)
    (folder / "models" / "own").mkdir(parents=True)
    for name in ("pool/a.jsonl", "train.jsonl", "test.jsonl", "ids.jsonl"):
        (folder / name).write_text('{"text": "one", "at": 0}\n{"text": "two", "at": 1}\n')
    (folder / "task.yaml").write_text(yaml.safe_dump(FIELDS))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return folder


def test_a_task_means_the_same_files_from_every_folder(project, monkeypatch, caplog):
    away = load_task("../project/task.yaml")
    monkeypatch.chdir(project)
    home = load_task("task.yaml")
    assert away.candidates[0].place == str(project / "pool" / "*.jsonl")
    assert home.candidates[0].place == "pool/*.jsonl"
    assert [len(readers.paths(task.candidates[0])) for task in (away, home)] == [1, 1]
    assert away.encoder.model == str(project / "models" / "own")
    assert away.selection.imported.place == str(project / "ids.jsonl")
    assert away.selection.imported.pool.place == str(project / "pool" / "a.jsonl")
    assert str(Path(home.lake).absolute()) == away.lake == str(project / ".getmore")
    assert caplog.text == ""


def test_cache_keys_do_not_depend_on_where_a_command_is_run(project, monkeypatch):
    monkeypatch.chdir(project)
    (project / "plain.yaml").write_text(yaml.safe_dump({**FIELDS, "candidates": ["pool/a.jsonl"]}))
    keys = []
    for folder in (project, project.parent):
        monkeypatch.chdir(folder)
        task = load_task(project / "plain.yaml")
        keys.append((pool.pool_key(task), pool.source_version(task), target.recipe(task)))
    assert keys[0] == keys[1]


def test_a_file_written_for_the_working_directory_still_works_and_says_so(project, monkeypatch, caplog):
    monkeypatch.chdir(project)
    (project / "tasks").mkdir()
    (project / "tasks" / "old.yaml").write_text(yaml.safe_dump(FIELDS))
    with caplog.at_level(logging.WARNING):
        task = load_task("tasks/old.yaml")
    assert task.candidates[0].place == "pool/*.jsonl"
    assert task.target.train.place == "train.jsonl"
    assert "tasks/old.yaml: not found beside the task file" in caplog.text


def test_the_lake_is_the_nearest_one_above_the_task_file(project, monkeypatch):
    (project / "tasks").mkdir()
    (project / "tasks" / "mine.yaml").write_text(yaml.safe_dump(FIELDS))
    assert load_task(project / "tasks" / "mine.yaml").lake == str(project / "tasks" / ".getmore")
    (project / ".getmore").mkdir()
    for number, folder in enumerate((project, project / "tasks", project.parent)):
        monkeypatch.chdir(folder)
        task = load_task(project / "tasks" / "mine.yaml", [f"seeds={number + 1}"])
        assert str(Path(task.lake).absolute()) == str(project / ".getmore")


def test_a_path_that_is_nowhere_is_refused_as_relative_to_the_task_file(project):
    task = load_task("../project/task.yaml", ["target.train=nowhere.jsonl"])
    with pytest.raises(BadInput, match="relative to the folder of the task file"):
        readers.paths(task.target.train)


def test_no_task_file_says_where_its_paths_start(project):
    with pytest.raises(BadInput, match="base: unknown key"):
        load_task("../project/task.yaml", ["target.train={path: a.jsonl, base: /}"])
