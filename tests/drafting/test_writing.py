"""The file says what was chosen, and its commented-out settings are the schema's own defaults."""

import json
import re

import pytest
import yaml

from getmore_assets.config import Task
from getmore_assets.drafting.draft import Draft
from getmore_assets.drafting.proposal import propose
from getmore_assets.drafting.writing import write
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task


@pytest.fixture
def folder(tmp_path, documents, monkeypatch):
    """Odd names: a CSV to choose from, and three splits of JSONL."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd").mkdir()
    wanted = documents["domain"].is_in(["asyncio", "email"])
    pool = documents.filter(~wanted).head(400).rename({"text": "wording", "source": "came from", "domain": "shelf"})
    pool.write_csv(tmp_path / "odd" / "all of it.csv")
    target = documents.filter(wanted).select(documents.filter(wanted)["text"].alias("was: #1"), about="domain")
    target = target.sample(120, seed=1)
    for split, start, rows in (("train", 0, 60), ("dev", 60, 30), ("test", 90, 30)):
        target.slice(start, rows).write_ndjson(tmp_path / "odd" / f"mine-{split}.jsonl")
    return tmp_path


def written(folder, *given, target=None):
    made = propose(list(given), target)
    file = folder / "task.yaml"
    file.write_text(write(made, list(given), file.name), "utf-8")
    return made, file


def test_the_file_loads_as_what_was_guessed(folder):
    made, file = written(folder, "odd")
    task = load_task(file)
    (source,) = task.candidates
    assert (source.path, source.text) == ("odd/all of it.csv", "wording")
    assert (source.source, source.domain) == ("came from", "shelf")
    assert task.target.model_dump(exclude_unset=True, exclude_defaults=True) == {
        "train": {"path": "odd/mine-train.jsonl"},
        "validation": {"path": "odd/mine-dev.jsonl"},
        "test": {"path": "odd/mine-test.jsonl"},
        "text": "was: #1",
        "label": "about",
    }
    assert task.name == "mine"
    assert task == Task.model_validate(made.fields)
    assert task.encoder.dimensions == 100  # a pool of 400 rows does not carry the default's 256


def test_every_choice_has_its_reason_beside_it_and_what_else_it_could_be(folder):
    rows = [json.loads(line) for line in (folder / "odd" / "mine-train.jsonl").read_text().splitlines()]
    more = [row | {"remark": "a few words", "tone": "ab"[at % 2]} for at, row in enumerate(rows)]
    for split in ("train", "dev", "test"):
        (folder / "odd" / f"mine-{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in more[:30]))
        more = more[30:] or [{"was: #1": f"Other words {i}.", "about": "email", "tone": "a"} for i in range(30)]
    made, file = written(folder, "odd")
    lines = {line.strip().split(":")[0]: line for line in file.read_text().splitlines() if not line.startswith("# ")}
    assert "the longest text" in lines["text"]
    assert "alternative: tone" in lines["label"]
    assert {choice.field for choice in made.choices} >= {"target.train", "target.label", "candidates.0.domain"}
    assert all(choice.why for choice in made.choices)


def test_what_is_commented_out_is_the_default(folder):
    _, file = written(folder, "odd")
    text = file.read_text("utf-8")
    switched_on = re.sub(r"^#(?! ?$| \S)", "", text, flags=re.MULTILINE)
    assert set(yaml.safe_load(switched_on)) == set(Task.model_fields)
    (folder / "on.yaml").write_text(switched_on, "utf-8")
    assert load_task(folder / "on.yaml") == load_task(file)
    for section in ("selection", "warmup", "transport"):
        assert set(yaml.safe_load(switched_on)[section]) == {
            field.alias or name for name, field in Task.model_fields[section].annotation.model_fields.items()
        }
    assert all(len(line) <= 120 for line in text.splitlines())


def test_names_from_outside_stay_in_their_place(folder):
    evil = "x\nname: evil\u2028lake: /tmp/evil # \x1b[31m"
    rows = [{"a: b #": f"Words of row {i}, more than a few.", evil: f"v{i % 2}"} for i in range(60)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "odd" / "target, [it].jsonl").write_text(text)
    for split in ("train", "dev", "test"):
        (folder / "odd" / f"mine-{split}.jsonl").unlink()
    _, file = written(folder, "odd")
    task = load_task(file)
    assert (task.name, task.lake) == ("target-it", ".getmore")
    assert (task.target.text, task.target.label) == ("a: b #", evil)
    assert "\x1b" not in file.read_text()


def test_rows_without_text_are_skipped_and_said(folder):
    path = folder / "odd" / "all of it.csv"
    path.write_text(path.read_text() + '"",a,b\n')
    made, file = written(folder, "odd")
    assert load_task(file).candidates[0].bad_rows == "skip"
    assert {c.why for c in made.choices if c.field.endswith("bad_rows")} == {"1 of these rows are null or blank"}


def test_pairs_of_sentences_are_both_named(folder):
    for split, start in (("train", 0), ("dev", 60), ("test", 90)):
        rows = [
            {"premise": f"It rains on day {i}.", "hypothesis": f"Day {i} is wet.", "label": i % 2}
            for i in range(start, start + 30)
        ]
        (folder / "odd" / f"mine-{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, file = written(folder, "odd")
    assert load_task(file).target.text == ["premise", "hypothesis"]


def test_a_target_that_could_not_be_trained_on_is_refused(folder):
    train = folder / "odd" / "mine-train.jsonl"
    (folder / "odd" / "mine-test.jsonl").write_text(train.read_text())
    with pytest.raises(BadInput, match=r"holds every row of target\.train"):
        propose(["odd"])


def test_a_draft_of_nothing_but_what_must_be_is_all_defaults(folder):
    fields = {"name": "t", "candidates": [{"path": "a.csv"}], "target": {"train": "b.csv"}}
    text = write(Draft(fields, [], {}), ["x"], "t.yaml")
    assert Task.model_validate(yaml.safe_load(text)) == Task.model_validate(fields)
