"""YAML made to exhaust a machine, or to run something, is refused by name and at once."""

import time

import pytest
import yaml

from getmore_assets import safe_yaml
from getmore_assets.errors import BadInput
from getmore_assets.task_files import find_task_files, load_task, unreadable

MINIMAL = "name: t\ntarget: {train: a.jsonl}\n"
LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 30))
HARMFUL = {
    "aliases of aliases": (MINIMAL + LAUGHS, "holds more than 20,000 values"),
    "merges of merges": (MINIMAL + MERGES, "holds more than 20,000 values"),
    "many values": (MINIMAL + "x: [" + "1, " * 21_000 + "]\n", "holds more than 20,000 values"),
    "an alias within itself": (MINIMAL + "x: &a [*a]\n", "stands within itself"),
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
    assert find_task_files(tmp_path) == {"t": tmp_path / "good.yaml"}
    (said,) = unreadable(tmp_path)
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
