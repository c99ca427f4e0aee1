"""A check that passed stands until a record it depends on changes; one that failed is evaluated anew."""

import pytest

from getmore_assets.stages import check_cache
from getmore_assets.stages.checks import CheckResult
from getmore_assets.task_parsing import load_task
from tests.defs.damage import Copy


def check(_of):
    return CheckResult(True, {})


def other_check(_of):
    return CheckResult(False, {})


@pytest.fixture
def copy(ran, tmp_path):
    return Copy(ran, tmp_path)


def test_the_key_moves_with_records_up_to_the_stage_with_the_task_and_with_the_code(copy):
    task = load_task(copy.task)

    def key(of=check, with_task=task):
        return check_cache.key_of(of, with_task, "embeddings")

    before = key()
    copy.change("selected_subset", rows=7)  # stands after the embeddings
    assert key() == before
    copy.change("raw_corpus", rows=7)
    assert key() != before
    assert key(of=other_check) != key()
    assert key(with_task=load_task(copy.task, ["seeds=9"])) != key()


def test_a_result_that_passed_stands_with_its_metadata_and_one_that_failed_does_not(copy):
    task = load_task(copy.task)
    found = CheckResult(passed=True, metadata={"rows": 7, "share": 0.5, "first": ["a", "b"], "wrong": {}})
    check_cache.remember(task, "name", "key", found)
    last = check_cache.last_result(task, "name", "key")
    assert last.passed
    assert {name: last.metadata[name] for name in found.metadata} == found.metadata
    assert last.metadata[check_cache.EVALUATED_AT].startswith("20")
    assert check_cache.last_result(task, "name", "other key") is None
    check_cache.remember(task, "failed", "key", CheckResult(False, {}))
    assert check_cache.last_result(task, "failed", "key") is None


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"key": "key"}', b'{"key": "key", "metadata": {"a": "torn"}}'])
def test_a_torn_file_is_as_none(copy, torn):
    task = load_task(copy.task)
    folder = copy.lake.folder("checks", task.name)
    (folder / "name.json").write_bytes(torn)
    assert check_cache.last_result(task, "name", "key") is None
