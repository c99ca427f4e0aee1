"""YAML made to exhaust a machine, or to run something, is refused by name and at once."""

import time

import pytest
import yaml

from getmore_assets import safe_yaml
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task
from getmore_assets.tasks_folder import read_folder

MINIMAL = "name: t\ncandidates: [p.jsonl]\ntarget: {train: a.jsonl}\n"
LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30))
HARMFUL = {
    "aliases of aliases": (MINIMAL + LAUGHS, "has more than 20,000 values"),
    "merges of merges": (MINIMAL + MERGES, "has more than 20,000 values"),
    "many values": (MINIMAL + "x: [" + "1, " * 21_000 + "]\n", "has more than 20,000 values"),
    "an alias within itself": (MINIMAL + "x: &a [*a]\n", "contains itself"),
    "nested lists": ("x: " + "[" * 100_000, "nested more than 32 levels deep"),
    "nested blocks": ("".join(" " * n + f"a{n}:\n" for n in range(200)), "nested more than 32 levels deep"),
    "a number to base 60": (MINIMAL + "seeds: 1" + ":59" * 50_000 + "\n", "a number that is too long"),
    "a number of many digits": (MINIMAL + "seeds: " + "9" * 5000 + "\n", "a number that is too long"),
    "a day that is none": (MINIMAL + "approval: 2001-99-99\n", "month must be in 1..12"),
    "a huge file": (MINIMAL + "#" + "x" * 50_000_000, "larger than 256 KiB"),
    "an object": (MINIMAL + "x: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
    "a name": (MINIMAL + "x: !!python/name:os.system\n", "could not determine a constructor"),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_a_harmful_task_file_is_refused_quickly(tmp_path, case):
    text, said = HARMFUL[case]
    path = tmp_path / "task.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(BadInput, match=said) as refusal:
        load_task(path)
    assert time.process_time() - began < 3
    assert refusal.value.where == str(path)
    assert len(str(refusal.value)) < 1000


def test_one_among_the_task_files_does_not_keep_the_others_from_being_found(tmp_path):
    (tmp_path / "good.yaml").write_text(MINIMAL)
    (tmp_path / "laughs.yaml").write_text(MINIMAL + LAUGHS)
    files = read_folder(tmp_path)
    assert {name: file.path for name, file in files.by_name.items()} == {"t": tmp_path / "good.yaml"}
    (said,) = files.problems
    assert "laughs.yaml" in said


@pytest.mark.parametrize("value", ["[" * 1000, "1" + ":59" * 50_000, "!!python/name:os.system", "&a [*a]"])
def test_a_harmful_override_is_refused(tmp_path, value):
    path = tmp_path / "task.yaml"
    path.write_text(MINIMAL)
    with pytest.raises(BadInput, match="not valid YAML"):
        load_task(path, [f"seeds={value}"])


def test_what_people_write_is_read_as_before(tmp_path):
    text = MINIMAL + "warmup: &r {epochs: 2, dtype: float32}\nfinetune:\n  <<: *r\n  patience: 3\n# ε\n"
    assert safe_yaml.parse(text) == yaml.safe_load(text)
    path = tmp_path / "task.yaml"
    path.write_text(text, "utf-8")
    task = load_task(path)
    assert (task.warmup.epochs, task.finetune.epochs, task.finetune.patience) == (2, 2, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nname: b\ntarget: {train: a}\n", r"the key `name` occurs twice, first on line 1 .*line 2"),
        (
            MINIMAL + "warmup:\n  epochs: 1\n  dtype: float32\n  epochs: 2\n",
            "`epochs` occurs twice, first on line 5 .*line 7",
        ),
        (MINIMAL + 'seeds: 1\n"seeds": 2\n', "`seeds` occurs twice, first on line 4"),
        (MINIMAL + "zero_shot: {labels: {1: a, true: b}}\n", "`true` occurs twice, first on line 4"),
        (MINIMAL + "compare: [{selector: knn, selector: dsir}]\n", "`selector` occurs twice"),
        (MINIMAL + "warmup: &r {epochs: 2, epochs: 3}\nfinetune: {<<: *r}\n", "`epochs` occurs twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_line(tmp_path, text, said):
    path = tmp_path / "task.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=said):
        load_task(path)


def test_a_merged_key_may_be_changed_and_merges_may_follow_each_other():
    text = "a: &a {x: 1, y: 1}\nb: &b\n  <<: *a\n  x: 2\nc:\n  <<: *b\n  <<: {z: 3}\n  y: 4\n"
    assert safe_yaml.parse(text) == yaml.safe_load(text)
    assert safe_yaml.parse(text)["c"] == {"x": 2, "y": 4, "z": 3}
