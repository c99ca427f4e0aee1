from pathlib import Path

import pytest

from getmore_assets.config import Task
from getmore_assets.errors import BadInput
from getmore_assets.task_parsing import load_task

MINIMAL = "name: t\ncandidates: [pool.jsonl]\ntarget: {train: a.jsonl}\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "task.yaml"
    path.write_text(text)
    return path


def theirs(fields: str) -> str:
    return f"compare=[{{selector: imported, imported: {{{fields}}}}}]"


def test_everything_but_name_pool_and_target_has_a_default(tmp_path):
    assert load_task(write(tmp_path, MINIMAL)).selection.selector == "got-d-rounds"


def test_what_has_no_default_is_refused_by_name_with_what_to_write(tmp_path):
    with pytest.raises(BadInput) as refused:
        load_task(write(tmp_path, "target: {train: a.jsonl}\n"))
    assert "name: missing (name of the target and its results, for example `name: mine`)" in str(refused.value)
    example = "for example `candidates: [{path: corpus/*.jsonl}]`"
    assert f"candidates: missing (the sources of the corpus to select from, {example})" in str(refused.value)
    with pytest.raises(BadInput, match=r"target.train: missing \(the rows to select for"):
        load_task(write(tmp_path, "name: t\ncandidates: [a.jsonl]\ntarget: {}\n"))


def test_the_target_lends_its_fields_to_its_splits(tmp_path):
    text = MINIMAL.replace("{", "{test: {path: b.csv, text: body}, negative: c.csv, text: words, label: kind, ")
    target = load_task(write(tmp_path, text)).target
    assert target.source("train").text == "words"
    assert target.source("test").text == "body"
    assert target.source("test").label == "kind"
    assert target.source("validation") is None
    assert (target.source("negative").text, target.source("negative").label) == ("words", None)


def test_overrides_reach_into_sources(tmp_path):
    text = "name: t\ncandidates: [a.jsonl, {path: b.csv}]\ntarget: {train: c.jsonl}\n"
    task = load_task(
        write(tmp_path, text), ["candidates.0.sample=5", "candidates.1.text=body", "target.train.sample=7"]
    )
    assert [(s.path, s.sample, s.text) for s in task.candidates] == [("a.jsonl", 5, "text"), ("b.csv", None, "body")]
    assert (task.target.train.path, task.target.train.sample) == ("c.jsonl", 7)


def test_overrides_change_nested_fields(tmp_path):
    task = load_task(write(tmp_path, MINIMAL), ["selection.budget={tokens: 500}", "seeds=5"])
    assert task.selection.budget.tokens == 500
    assert task.seeds == 5


def test_selectors_are_given_by_name_or_with_settings(tmp_path):
    chosen = "selection: {selector: got-d-rounds, rounds: {lambda: 0.5}}\ncompare: [none, got-d, knn]\n"
    task = load_task(write(tmp_path, MINIMAL + chosen), ["compare.1.name=one-shot", "compare.2={selector: dsir}"])
    assert task.selection.rounds.lambda_ == 0.5
    assert [one.called for one in task.rivals] == ["one-shot", "dsir"]
    assert task.unselected == ["none"]
    assert Task.model_validate(task.model_dump(mode="json", exclude_unset=True)) == task
    same = load_task(write(tmp_path, MINIMAL), ["selection.selector=random"])
    assert same.rivals == []  # the default's random rows are the chosen ones


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        (MINIMAL + "selecton: {}\n", [], "selecton: unknown key (did you mean `selection`?)"),
        (MINIMAL, ["selection.budgets={rows: 5}"], "accepted here: selector, name, seed, rounds"),
        (MINIMAL, ["seeds=many"], "seeds: input should be a valid integer"),
        (MINIMAL, ["selection.budget={rows: 0}"], "selection.budget.rows"),
        (MINIMAL, ["selection.budget={rows: 5, fraction: 0.1}"], "give exactly one of rows, tokens and fraction"),
        (MINIMAL, ["selection.selector=best"], "selection.selector: input should be"),
        (MINIMAL, ["compare=[none, randon]"], "compare.1.selector: input should be"),
        (MINIMAL, ["compare=[knn, {selector: dsir, nmae: x}]"], "did you mean `name`?"),
        (MINIMAL, ["compare=[knn, knn]"], "two selectors are called `knn`: give one a `name`"),
        (MINIMAL, ["compare=[{selector: none, name: base}]"], "`none` has neither a name nor settings"),
        (MINIMAL, ["compare=[{selector: target, seed: 3}]"], "`target` has neither a name nor settings"),
        (MINIMAL, ["selection.selector=target"], "`target` does not select"),
        (MINIMAL, ["selection.selector=none"], "it is for `compare`"),
        (MINIMAL, ["selection.selector=imported"], "needs `imported: {path: ...}`"),
        (MINIMAL, [theirs("path: a.csv, sample: 5")], "compare.0.imported.sample: unknown key"),
        (MINIMAL, [theirs("path: a.csv, exclude: [a], index: i")], "accepted here: path, asset, format, text, version"),
        (MINIMAL, [theirs("path: a.csv, id: id, index: i")], "rows are named once: by `id`, by `index`, or"),
        (MINIMAL, [theirs("path: a.csv, pool: p.jsonl")], "name the column of row numbers as `index`"),
        (MINIMAL, [theirs("path: a.csv, index: i, file_name: f")], "(a file for each name in it) go together"),
        (MINIMAL, [theirs("path: a.csv, index: i, file_name: f, pool: p, pools: {a: p}")], "give one of the two"),
        (MINIMAL, [theirs("path: a.csv, index: i, pools: {a: {paht: p}}")], "pools.a.paht: unknown key (did you mean"),
        (MINIMAL, [theirs("path: a.npy, score: s")], "take `score` and `file_name` out"),
        (MINIMAL, ["selection={selector: race, entrants: [knn]}"], "at least two `entrants`"),
        (MINIMAL, ["selection={selector: race, entrants: [knn, none]}"], "an entrant of a race selects rows"),
        (MINIMAL, ["selection.rounds.lambda=2"], "lambda is between 0 and 1, or auto"),
        (MINIMAL, ["encoder.model=brought"], "must name its `vector` column"),
        (MINIMAL, ["nothing"], "not an override"),
        (MINIMAL, ["name.sub=3"], "there is no such field to change"),
        ("name: t\n", [], "target: missing"),
        ("name: ../up\ntarget: {train: a}\n", [], "name: string should match pattern"),
        ("- a list\n", [], "not a mapping"),
        ("a: [\n", [], "not valid YAML"),
        ("!!python/object/apply:os.system ['true']\n", [], "not valid YAML"),
    ],
)
def test_a_wrong_task_file_is_refused_by_field(tmp_path, text, overrides, said):
    with pytest.raises(BadInput) as refusal:
        load_task(write(tmp_path, text), overrides)
    assert said in str(refusal.value)


def test_a_missing_task_file_is_refused():
    with pytest.raises(BadInput, match="no such task file"):
        load_task("nowhere.yaml")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("zero_shot: {labels: {a: x, b: y}}\n", "needs `target.label`"),
        ("finetune: {epochs: 0}\ntarget: {train: a.jsonl, label: kind}\n", "no classifier learns the labels"),
        ("base_model: {model: m, objective: masked}\ntoxicity: {prompts: p.jsonl, classifier: c}\n", "causal"),
        ("zero_shot: {template: no places, labels: {a: x, b: y}}\n", "must hold {text} and {label}"),
    ],
)
def test_what_cannot_be_judged_is_refused(tmp_path, more, says):
    text = more if "target:" in more else f"target: {{train: a.jsonl}}\n{more}"
    with pytest.raises(BadInput, match=says):
        load_task(write(tmp_path, "name: t\ncandidates: [pool.jsonl]\n" + text))


@pytest.mark.parametrize(
    ("lake", "said"),
    [
        ("https://host/x", "`https` is not a store for lakes: use s3://, gs://, az://, or give a folder"),
        ("abfss://c@account.dfs.core.windows.net/x", "`abfss` is not a store"),
        ("S3:/bucket", "`S3` is not a store"),
        ("file:///srv/lake", "write the path alone: /srv/lake"),
        ("file:/srv/lake", "write the path alone: /srv/lake"),
        ("''", "give a folder"),
        ("'  '", "give a folder"),
        ("~other/lake", "write the whole path"),
    ],
)
def test_a_lake_that_is_no_folder_is_refused_by_name(tmp_path, lake, said):
    with pytest.raises(BadInput, match="lake: ") as refusal:
        load_task(write(tmp_path, MINIMAL), [f"lake={lake}"])
    assert said in str(refusal.value)


def test_a_lake_on_a_store_stays_a_url_wherever_the_task_file_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    for lake in ("s3://bucket/a/lake/", "gs://bucket/a/lake", "az://container/a/lake"):
        assert load_task(write(tmp_path / "tasks", MINIMAL), [f"lake={lake}"]).lake == lake.rstrip("/")


@pytest.mark.parametrize(
    ("lake", "found"), [("~/a/lake", "HOME/a/lake"), ("'~'", "HOME"), ("a/~/b", "HOME/a/~/b"), ("x:y", "HOME/x:y")]
)
def test_a_lake_in_ones_home_lies_there(tmp_path, monkeypatch, lake, found):
    monkeypatch.setenv("HOME", str(tmp_path))
    task = load_task(write(tmp_path, MINIMAL), [f"lake={lake}"])
    assert task.lake == found.replace("HOME", str(tmp_path))
    assert Task.model_validate(task.model_dump(mode="json", exclude_unset=True)) == task  # as workers get it


@pytest.mark.parametrize(
    ("named", "weight"), [({}, 0), ({"base_model": {"model": "small"}}, 0), ({"base_model": {"model": "gpt2"}}, 2)]
)
def test_by_default_only_a_model_that_the_task_names_is_asked(named, weight):
    race = {
        "selector": "race",
        "entrants": ["got-d-rounds", "knn", {"selector": "got-d-rounds", "name": "set", "rounds": {"loss": 1}}],
    }
    fields = {"name": "t", "candidates": [{"path": "p.jsonl"}], "target": {"train": "t.jsonl"}, **named}
    task = Task(**fields, compare=["none", "knn", race])
    chosen, (first, _, second) = task.selection, task.compare[2].entrants
    assert (chosen.selector, chosen.rounds.lambda_) == ("got-d-rounds", 0.9)
    assert (chosen.rounds.loss, first.rounds.loss, second.rounds.loss) == (weight, weight, 1)
    assert chosen.needs_base_model == bool(weight)
    assert Task.model_validate(task.model_dump()) == task, "a worker gets the same weights"
