"""The blocks of each trainer, for each shape that it takes; the others are refused by name."""

import json
from pathlib import Path

import pytest
import yaml

from getmore_assets.corpus.shapes import shape_of
from getmore_assets.errors import BadInput
from getmore_assets.exports.trainers import TRAINERS, RowFile
from tests.corpus.test_shapes import ANSWER, CHAT, SHAREGPT

FILE = Path("out/selected.jsonl")


def described(texts, row, name="t", path=FILE):
    return RowFile(name, path, shape_of(texts, [row]))


def block(trainer, texts, row, **more):
    (text,) = TRAINERS[trainer]([described(texts, row, **more)]).values()
    return json.loads(text)["t"] if trainer == "llama-factory" else yaml.safe_load(text)


TAGS = {
    **{"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    **{"system_tag": "system", "observation_tag": "tool"},
}
TALK = {"conversations": SHAREGPT, "system": "x"}
BOTH = {"prompt": "p", "chosen": "c", "rejected": "r"}
SIDES = {"field_chosen": "chosen", "field_rejected": "rejected"}
ROLES = {"message_property_mappings": {"role": "role", "content": "content"}}


@pytest.mark.parametrize(
    ("texts", "row", "entry"),
    [
        (["body"], {"body": "x"}, {"columns": {"prompt": "body"}}),
        (["m"], {"m": CHAT}, {"formatting": "sharegpt", "columns": {"messages": "m"}, "tags": TAGS}),
        (
            ["m"],
            {"m": [{**ANSWER[0], "tool_calls": [{"function": {}}]}], "tools": "[]"},
            {"formatting": "openai", "columns": {"messages": "m", "tools": "tools"}, "tags": TAGS},
        ),
        (
            ["conversations"],
            TALK,
            {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system"}},
        ),
        (
            ["instruction", "input", "output"],
            {"instruction": "i", "input": "", "output": "o"},
            {"columns": {"prompt": "instruction", "query": "input", "response": "output"}},
        ),
        (
            ["prompt", "completion"],
            {"prompt": "p", "completion": "c"},
            {"columns": {"prompt": "prompt", "response": "completion"}},
        ),
        (["prompt", "chosen"], BOTH, {"ranking": True, "columns": dict(zip(BOTH, BOTH, strict=True))}),
        (
            ["conversations", "chosen"],
            {"conversations": SHAREGPT[:1], "chosen": SHAREGPT[1], "rejected": SHAREGPT[1]},
            {
                "formatting": "sharegpt",
                "ranking": True,
                "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
            },
        ),
    ],
)
def test_llama_factory_is_told_the_columns_and_roles(texts, row, entry):
    assert block("llama-factory", texts, row) == {"file_name": "selected.jsonl", **entry}


@pytest.mark.parametrize(
    ("texts", "row", "settings"),
    [
        (["body"], {"body": "x"}, {"type": "completion", "field": "body"}),
        (["m"], {"m": CHAT}, {"type": "chat_template", "field_messages": "m", **ROLES}),
        (
            ["conversations"],
            TALK,
            {
                "type": "chat_template",
                "field_messages": "conversations",
                "message_property_mappings": {"role": "from", "content": "value"},
            },
        ),
        (["instruction", "input", "output"], {"instruction": "i", "input": "x", "output": "o"}, {"type": "alpaca"}),
        (
            ["instruction", "context", "response"],
            {"instruction": "i", "context": "x", "response": "o"},
            {
                "type": {
                    **{"field_instruction": "instruction", "field_input": "context", "field_output": "response"},
                    **{"format": "{instruction}\n{input}", "no_input_format": "{instruction}"},
                }
            },
        ),
        (["prompt", "chosen"], BOTH, {"type": {"field_prompt": "prompt", **SIDES}}),
        (["chosen"], {"chosen": CHAT, "rejected": CHAT}, {"type": "chat_template.argilla_chat", **SIDES, **ROLES}),
        (
            ["prompt", "chosen"],
            {"prompt": CHAT[:1], "chosen": ANSWER, "rejected": ANSWER},
            {"type": "chat_template.default", "field_messages": "prompt", **SIDES, **ROLES},
        ),
    ],
)
def test_axolotl_is_told_the_kind_of_prompt(texts, row, settings):
    said = block("axolotl", texts, row)
    (found,) = said["datasets"]
    assert found == {"path": str(FILE), "ds_type": "json", "split": "train", **settings}
    assert said.get("rl") == ("dpo" if "chosen" in texts else None)


def test_trl_is_told_the_columns_and_the_reader_of_the_form_its_rows_have():
    for form, loader in (("jsonl", "json"), ("parquet", "parquet")):
        path = FILE.with_suffix(f".{form}")
        (found,) = block("trl", ["messages"], {"messages": CHAT, "tools": []}, path=path)["datasets"]
        assert found == {"path": loader, "data_files": str(path), "split": "train", "columns": ["messages", "tools"]}
    assert (
        "TRL has no trainer for these columns (talk)"
        in TRAINERS["trl"]([described(["talk"], {"talk": CHAT})])["trl.yaml"]
    )


@pytest.mark.parametrize(
    ("trainer", "texts", "row"),
    [
        ("llama-factory", ["a", "b"], {"a": "x", "b": "y"}),
        ("llama-factory", ["prompt", "completion"], {"prompt": CHAT[:1], "completion": ANSWER}),
        ("llama-factory", ["chosen"], {"chosen": "x", "rejected": "y"}),
        ("axolotl", ["a", "b"], {"a": "x", "b": "y"}),
        ("axolotl", ["prompt", "completion"], {"prompt": CHAT[:1], "completion": ANSWER}),
        ("axolotl", ["chosen"], {"chosen": "x", "rejected": "y"}),
    ],
)
def test_rows_that_a_trainer_has_no_format_for_are_refused(trainer, texts, row):
    with pytest.raises(BadInput, match=f"format {trainer}: does not read rows of `"):
        TRAINERS[trainer]([described(texts, row)])


def test_of_several_files_each_has_a_name_of_its_own():
    files = [
        described(["m"], {"m": CHAT}, "t-messages", Path("out/selected-messages.jsonl")),
        described(["prompt", "chosen"], BOTH, "t-preference", Path("out/selected-preference.jsonl")),
    ]
    assert list(TRAINERS["axolotl"](files)) == ["axolotl-messages.yaml", "axolotl-preference.yaml"]
    assert list(TRAINERS["trl"](files)) == ["trl-messages.yaml", "trl-preference.yaml"]
    assert list(json.loads(TRAINERS["llama-factory"](files)["dataset_info.json"])) == ["t-messages", "t-preference"]
