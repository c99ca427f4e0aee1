import json

from hypothesis import given
from hypothesis import strategies as st

from getmore_assets.reselection.sensor_state import FolderCursor, LastRequest, SensorCursor, targets_to_run

NAMES = st.sampled_from("abc")


def test_what_is_new_or_changed_is_due_and_what_is_busy_waits():
    asked = {"a": LastRequest("1"), "b": LastRequest("1"), "c": LastRequest("1")}
    now = {"a": "1", "b": "2", "c": "2", "new": "1"}
    assert targets_to_run(now, asked, {"c"}, set()) == ["b", "new"]


def test_a_target_that_cannot_be_read_now_is_not_due():
    assert targets_to_run({}, {"a": LastRequest("1")}, set(), {"a"}) == []


def test_a_run_that_was_interrupted_is_asked_for_again_three_times_in_all():
    asked = {
        "a": LastRequest("1"),
        "b": LastRequest("1", attempts=2),
        "c": LastRequest("1"),
        "d": LastRequest("1", attempts=3),
    }
    assert targets_to_run(dict.fromkeys("abcd", "1"), asked, {"c"}, set("abcd")) == ["a", "b"]


def test_the_memory_survives_as_a_cursor():
    memory = SensorCursor({"a": LastRequest("v", 3, 2, "hash")}, {"/t": ("id:4", 6)}, ["run"], ["a"], ["b"], 12.5)
    assert SensorCursor.load(memory.dump()) == memory
    assert SensorCursor.load(json.dumps(json.loads(memory.dump()) | {"a_field_of_tomorrow": 1})) == memory
    assert SensorCursor.load(None) == SensorCursor() == SensorCursor.load("")


@given(st.lists(st.tuples(NAMES, st.booleans()), max_size=40))
def test_every_last_version_is_asked_for_once_however_looks_and_changes_fall(steps):
    """A step changes a target's version, or lets a run of it begin or end; looks happen after every other step."""
    version, asked, busy, runs = dict.fromkeys("abc", "0"), {}, set(), []
    for at, (name, changes) in enumerate(steps):
        if changes:
            version[name] = str(at)
        else:
            busy ^= {name}
        if at % 2:
            for found in targets_to_run(version, asked, busy, set()):
                asked[found] = LastRequest(version[found])
                runs.append((found, version[found]))
    for found in targets_to_run(version, asked, set(), set()):
        runs.append((found, version[found]))
    assert len(runs) == len(set(runs))
    assert {name: [v for n, v in runs if n == name][-1] for name in "abc"} == version


def test_a_name_is_gone_when_it_is_missing_at_two_complete_looks_in_a_row():
    memory = FolderCursor()
    looks = [({"a", "b"}, True), ({"a"}, True), ({"a", "b"}, True), ({"a"}, False), ({"a"}, True), ({"a"}, True)]
    found = []
    for names, complete in looks:
        found.append(memory.update(names, complete))
        memory = FolderCursor.load(memory.dump())
    assert found == [set(), set(), set(), set(), {"b"}, set()]
