"""Rows of chat, instructions and preferences: from `getmore init` to exports that trainers' own loaders read.

1,000 rows of all five shapes, hostile ones among them; what comes out is held against what went in, to the bit.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from getmore_assets.lake import Lake
from getmore_assets.records import Records
from getmore_assets.task_parsing import load_task
from tests.conftest import getmore

PICTURE = {"bytes": b"\x89PNG\r\n\x1a\n\x00\xff", "path": None}
ROWS = {
    "messages": 250,
    "conversations": 200,
    "alpaca": 200,
    "prompt-completion": 150,
    "preference": 150,
    "pictures": 50,
}
NULL_ROLES = 7


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def messages(number, asked, answered):
    turns = [message("user", asked), message("assistant", answered)]
    match number % 10:
        case 0:
            turns = [message("system", "Be brief. 简短。\u200d🐈"), *turns]
        case 1:
            turns += [message("user", ""), message("assistant", f"Again: {answered}")]
        case 2:
            call = {"id": f"c{number}", "function": {"name": "look_up", "arguments": json.dumps({"q": asked})}}
            turns[1:1] = [message("assistant", None, tool_calls=[call]), message("tool", "found", name="look_up")]
        case 3 if number < 10 * NULL_ROLES:
            turns[0]["role"] = None
    return {"messages": turns, "meta": {"n": 2**53 + number, "share": number / 7, "nested": [[number, None], []]}}


def conversations(number, asked, answered):
    said = [{"from": "human", "value": asked}, {"from": "gpt", "value": answered}]
    return {"id": f"c-{number}", "system": None if number % 2 else "Answer.", "conversations": said}


def alpaca(number, asked, answered):
    return {"output": answered, "instruction": asked, "input": "" if number % 3 else f"No. {number}\n\t\u2028"}


def prompt_completion(number, asked, answered):
    return {"prompt": asked, "completion": answered, "at": number, "tags": [] if number % 2 else [None, "é"]}


def preference(number, asked, answered):
    return {"prompt": asked, "chosen": answered, "rejected": None if number % 5 == 0 else answered[::-1], "margin": 0.1}


def pictures(number, asked, answered):
    shown = [{"type": "image", "text": None, "image": PICTURE}, {"type": "text", "text": asked, "image": None}]
    said = [{"type": "text", "text": answered, "image": None}]
    return {"messages": [message("user", shown), message("assistant", said)], "big": 2**63 - 1 - number}


SHAPES = {
    "messages": messages,
    "conversations": conversations,
    "alpaca": alpaca,
    "prompt-completion": prompt_completion,
    "preference": preference,
    "pictures": pictures,
}


LINES = ["messages", "conversations", "alpaca", "preference"]
TYPED = ["prompt-completion", "pictures"]
TRAINERS = ["llama-factory", "axolotl", "trl"]


@dataclass(frozen=True)
class Chat:
    """A folder with the exports, what went in (lines, or a table) by shape, and all candidates by rank."""

    folder: Path
    rows: dict[str, Any]
    candidates: pl.DataFrame

    def name(self, shape):
        return {"pictures": "selected-messages-2"}.get(shape, f"selected-{shape}")

    def expected(self, shape):
        """The input's rows that were selected, by rank."""
        origin = self.candidates.filter("selected").sort("rank")["origin"]
        mine = origin.filter(origin.str.contains(f"/{shape}.", literal=True)).str.extract(r":(\d+)$").cast(pl.Int64) - 1
        rows = self.rows[shape]
        return rows.take(mine.to_list()) if shape in TYPED else [rows[at] for at in mine]

    def values(self, shape):
        rows = self.expected(shape)
        return rows.to_pylist() if shape in TYPED else [json.loads(row) for row in rows]


@pytest.fixture(scope="module")
def chat(documents, tmp_path_factory):
    """A folder with the pool (six files), the target (messages), the task that `init` drafts, and all exports."""
    folder = tmp_path_factory.mktemp("chat")
    (folder / "data" / "pool").mkdir(parents=True)
    texts = iter(documents.sample(fraction=1, shuffle=True, seed=3)["text"])
    lines = {}
    for shape, make in SHAPES.items():
        rows = [make(n, f"{shape} {n}: {text[:60]}?", text) for n, text in zip(range(ROWS[shape]), texts, strict=False)]
        if shape in ("prompt-completion", "pictures"):
            table = pa.Table.from_pylist(rows).replace_schema_metadata({"kept": "é"})
            pq.write_table(table, folder / "data" / "pool" / f"{shape}.parquet", row_group_size=40)
            lines[shape] = pq.read_table(folder / "data" / "pool" / f"{shape}.parquet")
        else:  # as no writer of ours would write them: spaces, and letters as escapes, here and there
            lines[shape] = [json.dumps(row, ensure_ascii=n % 2 == 0) for n, row in enumerate(rows)]
            (folder / "data" / "pool" / f"{shape}.jsonl").write_text("\n".join(lines[shape]) + "\n", "utf-8")
    for split, count in (("train", 60), ("test", 30)):
        said = [next(texts) for _ in range(count)]
        rows = [{"messages": [message("user", text[:60]), message("assistant", text)]} for text in said]
        (folder / "data" / f"target-{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    done = getmore("init", "data", "--to", "chat.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    small = ["selection.budget.rows=300", "triage.sample=40", "encoder.dimensions=16"]
    done = getmore("select", "chat.yaml", *small, cwd=folder)
    assert done.returncode == 0, done.stderr
    for one in ("parquet", "huggingface", *TRAINERS):
        done = getmore("export", "chat.yaml", *small, "--format", one, "--to", one, cwd=folder)
        assert done.returncode == 0, done.stderr
    done = getmore("export", "chat.yaml", *small, "--format", "jsonl", "--to", "jsonl", cwd=folder)
    assert "format jsonl: cannot hold the rows of selected-messages-2 unchanged: `messages` holds bytes" in done.stderr
    done = getmore("export", "chat.yaml", *small, "--format", "parquet", "--all", "--to", "all", cwd=folder)
    assert done.returncode == 0, done.stderr
    return Chat(folder, lines, pl.read_parquet(folder / "all" / "candidates.parquet"))


def test_init_recognises_each_shape(chat):
    task = load_task(chat.folder / "chat.yaml")
    drafted = {Path(source.path).stem: source for source in task.candidates}
    assert {name: source.text for name, source in drafted.items()} == {
        "messages": "messages",
        "conversations": "conversations",
        "alpaca": "{instruction}\n{input}\n{output}",
        "prompt-completion": "{prompt}\n{completion}",
        "preference": "{prompt}\n{chosen}",
        "pictures": "messages",
    }
    assert all(source.whole_rows for source in task.candidates)
    assert {name for name, source in drafted.items() if source.bad_rows == "skip"} == {"messages"}  # of null roles
    assert task.target.text == "messages"


def filled(value):
    """Without nulls, which Arrow puts where a row has no such key."""
    if isinstance(value, dict):
        return {key: filled(one) for key, one in value.items() if one is not None}
    return [filled(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("shape", LINES)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_lines_of_json_come_out_as_they_went_in_by_rank(chat, shape, trainer):
    found = (chat.folder / trainer / f"{chat.name(shape)}.jsonl").read_text("utf-8").split("\n")
    assert found == [*chat.expected(shape), ""]
    assert len(found) > 10


@pytest.mark.parametrize("shape", TYPED)
@pytest.mark.parametrize("trainer", ["parquet", *TRAINERS])
def test_typed_rows_come_out_as_they_went_in_by_rank(chat, shape, trainer):
    found = pq.read_table(chat.folder / trainer / f"{chat.name(shape)}.parquet")
    assert found.equals(chat.expected(shape), check_metadata=True)
    assert found.num_rows


def test_every_selected_row_is_in_one_of_the_files(chat):
    rows = [pq.read_metadata(path).num_rows for path in (chat.folder / "parquet").glob("*.parquet")]
    assert (len(rows), sum(rows)) == (6, 300)
    hostile = "\n".join(chat.expected("messages"))
    assert "tool_calls" in hostile
    assert '"role": null' not in hostile


@pytest.mark.parametrize("shape", SHAPES)
def test_datasets_loads_what_was_saved_for_it(chat, shape):
    datasets = pytest.importorskip("datasets")
    saved = datasets.load_from_disk(str(chat.folder / "huggingface" / chat.name(shape)))
    assert filled(saved.to_list()) == filled(chat.values(shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_trl_itself_loads_each_block(chat, shape, tmp_path, monkeypatch):
    import trl

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.chdir(chat.folder)
    block = f"trl/trl-{chat.name(shape).removeprefix('selected-')}.yaml"
    (mixture,) = trl.TrlParser((trl.DatasetMixtureConfig,)).parse_args_and_config(["--config", block])
    loaded = trl.get_dataset(mixture)["train"]
    values = [{name: row.get(name) for name in loaded.column_names} for row in chat.values(shape)]
    assert filled(loaded.to_list()) == filled(values)
    assert ("TRL has no trainer" in Path(block).read_text("utf-8")) == (shape == "alpaca")


def test_the_other_trainers_blocks_name_each_file_and_its_columns(chat):
    entries = json.loads((chat.folder / "llama-factory" / "dataset_info.json").read_text("utf-8"))
    assert len(entries) == 6
    for entry in entries.values():
        assert (chat.folder / "llama-factory" / entry["file_name"]).is_file()
    blocks = [yaml.safe_load(path.read_text("utf-8")) for path in (chat.folder / "axolotl").glob("axolotl-*.yaml")]
    assert len(blocks) == 6
    for block in blocks:
        assert (chat.folder / block["datasets"][0]["path"]).is_file()
    assert [block["datasets"][0]["type"] for block in blocks if "rl" in block] == [
        {"field_prompt": "prompt", "field_chosen": "chosen", "field_rejected": "rejected"}
    ]


def test_what_was_read_is_told(chat):
    task = load_task(chat.folder / "chat.yaml")
    told = Records(Lake(chat.folder / task.lake), task.name).get("raw_corpus").facts
    assert told["read"] == sum(ROWS.values()) - NULL_ROLES
    assert told["passages"] == told["read"]  # none was cut
    assert told["longer_than_a_passage"] > 0
    assert told["parts_not_text"] == ROWS["pictures"]
