import pytest

from getmore_assets.corpus.shapes import recognise, shape_of

CHAT = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
SHAREGPT = [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "Because."}]
ANSWER = CHAT[1:]

TABLES = {
    "messages": ({"id": "1", "messages": CHAT, "tools": []}, "messages", "messages"),
    "messages of another name": ({"dialogue_turns": CHAT, "lang": "en"}, "messages", "dialogue_turns"),
    "the usual name first": ({"extra": CHAT, "messages": CHAT}, "messages", "messages"),
    "sharegpt": ({"conversations": SHAREGPT, "system": "Be."}, "conversations", "conversations"),
    "alpaca": ({"output": "3", "instruction": "Add.", "input": "1 2"}, "alpaca", "{instruction}\n{input}\n{output}"),
    "alpaca, no input": ({"instruction": "Add.", "input": "", "output": "3"}, "alpaca", "{instruction}\n{output}"),
    "dolly": (
        {"instruction": "Add.", "context": "1 2", "response": "3", "category": "c"},
        "alpaca",
        "{instruction}\n{context}\n{response}",
    ),
    "completions": ({"prompt": "Why", "completion": "so"}, "prompt-completion", "{prompt}\n{completion}"),
    "completions as messages": (
        {"prompt": CHAT[:1], "completion": ANSWER},
        "prompt-completion",
        "{prompt}\n{completion}",
    ),
    "responses": ({"prompt": "Why", "response": "so"}, "prompt-completion", "{prompt}\n{response}"),
    "preference": ({"prompt": "Why", "chosen": "so", "rejected": "no"}, "preference", "{prompt}\n{chosen}"),
    "preference, prompt in both": ({"prompt": "Why", "chosen": "Why so", "rejected": "Why no"}, "preference", "chosen"),
    "preference, no prompt": ({"chosen": "H: Why A: so", "rejected": "H: Why A: no"}, "preference", "chosen"),
    "preference of messages": ({"prompt": "Why?", "chosen": CHAT, "rejected": CHAT}, "preference", "chosen"),
    "preference, prompt of messages": (
        {"prompt": CHAT[:1], "chosen": ANSWER, "rejected": ANSWER},
        "preference",
        "{prompt}\n{chosen}",
    ),
    "preference of sharegpt": (
        {"conversations": SHAREGPT[:1], "chosen": SHAREGPT[1], "rejected": SHAREGPT[1]},
        "preference",
        "{conversations}\n{chosen}",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_shape_is_recognised_also_among_bad_rows(case):
    row, name, text = TABLES[case]
    for rows in ([row], [row, row, dict.fromkeys(row)], [row, row, dict.fromkeys(row, 7)]):
        found = recognise(rows)
        assert (found.name, found.text) == (name, text)
    assert shape_of(found.columns, [row]).name == name


@pytest.mark.parametrize(
    "row",
    [
        {"text": "words", "label": "a"},
        {"question": "Why?", "answer": "So.", "label": "a"},
        {"turns": [["a", "b"]]},
        {"turns": ["a", "b"]},
        {"instruction": 3, "output": "x"},
        {"chosen": "x"},
        {},
    ],
)
def test_other_rows_have_no_shape(row):
    assert recognise([row, row]) is None


def test_a_shape_says_what_a_trainer_must_know():
    calls = [*CHAT, {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]
    shape = shape_of(["messages"], [{"messages": CHAT}, {"messages": calls, "tools": [], "n": 1}])
    assert (shape.columns, shape.keys, shape.has, shape.calls_tools) == (
        {"messages": "messages"},
        ("role", "content"),
        ("tools",),
        True,
    )
    assert shape_of(["system", "talk"], [{"system": "x", "talk": SHAREGPT}]).keys == ("from", "value")
    assert shape_of(["body"], [{"body": "x"}]).columns == {"text": "body"}
    assert shape_of(["a", "b"], [{"a": "x", "b": "y"}]).name == "template"
