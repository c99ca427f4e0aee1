"""The table of stages, and the cache keys that follow from it."""

import json
from pathlib import Path

import pytest

from getmore_assets.config import Task
from getmore_assets.stages.table import CHECKS, STAGES

SNAPSHOT = Path(__file__).with_name("cache_keys.json")
SOURCES = {"name": "t", "target": {"train": "absent.jsonl"}, "candidates": ["absent.parquet"]}
SELECTIONS = {"plain": {}, "asks a model": {"selector": "got-d-rounds", "rounds": {"loss": 1}}}


def cache_keys() -> dict[str, str]:
    """The keys of stages that read no source, for inputs of made-up versions."""
    found = {}
    for name, selection in SELECTIONS.items():
        fields = {"encoder": {"model": "lexical"}, "base_model": {"model": "small"}, "selection": selection}
        task = Task.model_validate({**SOURCES, **fields})
        for stage in STAGES.values():
            if stage.reads:
                used = {read: f"version of {read}" for read in stage.inputs(task)}
                found[f"{name}: {stage.name}"] = stage.cache_key(task, used)
    return found


def test_a_lake_made_before_goes_on_as_cache_keys_are_what_they_were():
    """Where a code version was raised on purpose: `python -m tests.stages.test_table` writes the new keys."""
    assert cache_keys() == json.loads(SNAPSHOT.read_text())


def test_a_stage_reads_only_stages_that_stand_before_it():
    before = set()
    for stage in STAGES.values():
        assert set(stage.reads) <= before, stage.name
        assert set(stage.reads_if) | set(stage.versions) <= set(stage.reads), stage.name
        assert {read for check in stage.checks for read in check.reads} <= before, stage.name
        before.add(stage.name)


def test_groups_follow_each_other_in_one_direction():
    groups = ["inputs", "transport", "selection", "models", "proof"]
    for stage in STAGES.values():
        assert all(groups.index(STAGES[name].group) <= groups.index(stage.group) for name in stage.reads), stage.name


def test_a_column_comes_from_columns_of_stages_that_are_read_or_of_sources():
    fields = {"candidates": {"text", "source", "domain"}, "target": {"text", "domain", "label"}}
    for stage in STAGES.values():
        read = {name: set(STAGES[name].columns) for name in stage.reads} or fields
        known = {f"{name}.{column}" for name, columns in read.items() for column in columns}
        assert {one for column in stage.columns.values() for one in column.comes_from} <= known, stage.name


def test_every_check_has_a_name_of_its_own_and_knows_its_stage():
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check in STAGES[check.stage].checks for check in CHECKS)


@pytest.mark.parametrize(("selection", "reads"), [("plain", False), ("asks a model", True)])
def test_the_selection_reads_the_base_model_where_its_selector_asks_one(selection, reads):
    task = Task.model_validate({**SOURCES, "selection": SELECTIONS[selection]})
    assert ("base_model" in STAGES["selected_subset"].inputs(task)) == reads


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(cache_keys(), indent=1) + "\n")
