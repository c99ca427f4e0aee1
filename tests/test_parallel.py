"""Functions over batches: the same results in order in every place, and an error that says what ended."""

import importlib.util
import os
import signal
import time

import pytest

from getmore_assets import parallel
from getmore_assets.config import Task, Texts
from getmore_assets.corpus import pool, readers
from getmore_assets.errors import BadInput, WorkerKilledError
from getmore_assets.lake import Lake
from getmore_assets.parallel import mapped
from tests.conftest import task_fields

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed")
PLACES = [{"processes": 1}, {"processes": 2}, pytest.param({"ray": "local"}, marks=needs_ray)]


def later_the_smaller(number: int) -> tuple[int, int]:
    time.sleep(0.0005 * (60 - number))
    return number * number, os.getpid()


def refuse(number: int) -> int:
    if number == 11:
        raise BadInput("row 11", "is bad", "Mend it")
    return number


def die(number: int) -> int:
    if number == 11:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def batches(count: int, read: list[int] | None = None):
    for number in range(count):
        if read is not None:
            read.append(number)
        yield f"key {number}", (number,)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_results_come_in_order_with_their_keys_and_batches_are_read_as_they_are_needed(place):
    read: list[int] = []
    results = mapped(later_the_smaller, batches(60, read), Texts(**place))
    first = next(results)
    assert len(read) <= 20
    keys, values = zip(first, *results, strict=True)
    assert keys == tuple(f"key {number}" for number in range(60))
    assert [square for square, _ in values] == [number**2 for number in range(60)]
    elsewhere = {process for _, process in values} - {os.getpid()}
    assert bool(elsewhere) == (place != {"processes": 1})


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_an_error_of_the_function_is_raised_here_as_it_is(place):
    with pytest.raises(BadInput, match=r"row 11: is bad\. Mend it"):
        list(mapped(refuse, batches(30), Texts(**place)))


def test_few_batches_start_no_process():
    found = list(mapped(later_the_smaller, batches(8), Texts(processes=2)))
    assert {process for _, (_, process) in found} == {os.getpid()}


def test_a_killed_process_says_so_and_the_next_call_has_new_ones():
    with pytest.raises(WorkerKilledError, match=r"run again, with fewer launch\.texts\.processes"):
        list(mapped(die, batches(30), Texts(processes=2)))
    assert len(list(mapped(later_the_smaller, batches(30), Texts(processes=2)))) == 30


@pytest.mark.parametrize("place", PLACES[1:], ids=str)
def test_a_pool_is_that_of_one_process(place, sources, tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "BATCH_ROWS", 40)
    monkeypatch.setattr(parallel, "_HERE", 0)

    def build(name: str, **launch) -> tuple[str, object]:
        task = Task.model_validate(task_fields(sources, tmp_path / name, launch={"texts": launch}))
        _, version, facts = pool.build(task, Lake(tmp_path / name), {})
        return version, facts

    assert build("there", **place) == build("here", processes=1)
