import json

import pytest

from getmore_assets.corpus.rendering import NotTextError, is_messages, render

ALPACA = "{instruction}\n{input}\n{output}"
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Köln", "days": 3}}}


def said(*contents, role="user"):
    return [{"role": role, "content": content} for content in contents]


@pytest.mark.parametrize(
    ("row", "text", "rendered"),
    [
        ({"text": " as it\nstands "}, "text", " as it\nstands "),
        ({"text": None}, "text", ""),
        ({}, "text", ""),
        ({"messages": said("one", "two\n\nthree")}, "messages", "one\ntwo\n\nthree"),
        ({"messages": said("", "two", None, role="assistant")}, "messages", "two"),
        ({"messages": []}, "messages", ""),
        ({"turns": [{"from": "human", "value": "猫"}, {"from": "gpt", "value": "🐈"}]}, "turns", "猫\n🐈"),
        # Arrow gives every message all keys that any of them has.
        ({"turns": [{"from": "gpt", "value": "a", "role": None, "content": None}]}, "turns", "a"),
        ({"chosen": {"role": "assistant", "content": "one message"}}, "chosen", "one message"),
        ({"m": [{"role": "assistant", "thinking": "hm", "content": "yes"}]}, "m", "hm\nyes"),
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, ALPACA, "Add.\n1 2\n3"),
        ({"instruction": "Go.", "input": "", "output": "Gone."}, ALPACA, "Go.\nGone."),
        ({"instruction": "Go.", "input": " ", "output": None}, ALPACA, "Go."),
        ({"instruction": "Go."}, "### Do: {instruction}!\nAlways.", "### Do: Go.!\nAlways."),
        ({"instruction": " "}, "### Do: {instruction}!\nAlways.", ""),  # what the template says is no row's text
        ({"a b": "x", "c": "y"}, "{a b} {c} {a b}", "x y x"),
        ({"a": "{b}", "b": "\\1"}, "{a}{b}", "{b}\\1"),  # a value is never read as a template
        ({"prompt": said("why?"), "chosen": "because"}, "{prompt}\n{chosen}", "why?\nbecause"),
        ({"m": [{"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["a", "b"]}}]}, "m", "a\nb"),
        ({"m": [{"sender": "human", "text": "said", "content": [{"type": "text", "text": "said"}]}]}, "m", "said"),
        ({"m": [{"sender": "human", "text": "said"}]}, "m", "said"),
        ({"text": ["See ", {"type": "link", "text": "https://a.org"}, "."]}, "text", "See https://a.org."),
        ({"m": [{"from": "Ann", "text": ["a", {"type": "bold", "text": "b"}]}]}, "m", "ab"),
        (
            {"m": [{"from": None, "from_id": "user7", "text": "of an account that is gone"}]},
            "m",
            "of an account that is gone",
        ),
        ({"m": [{"author": {"role": "tool"}, "content": {"content_type": "code", "text": "x = 1"}}]}, "m", "x = 1"),
    ],
)
def test_the_text_of_a_row(row, text, rendered):
    assert render(row, text).text == rendered


def test_calls_of_tools_are_rendered_as_json_without_the_keys_of_other_calls():
    call = CALL | {"id": None, "function": CALL["function"] | {"arguments": {"city": "Köln", "days": 3, "zip": None}}}
    messages = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "4 °C", "tool_calls": None}]
    first, second = render({"m": messages}, "m").text.split("\n")
    assert json.loads(first) == CALL
    assert "Köln" in first
    assert second == "4 °C"


def node(parent, said, written, **content):
    content = content or {"content_type": "text", "parts": [said]}
    message = None if said is None else {"author": {"role": "user"}, "content": content, "create_time": written}
    return {"message": message, "parent": parent, "children": []}


def test_of_a_tree_of_messages_the_branch_that_ends_last_is_rendered_and_the_others_counted():
    tree = {
        "root": node(None, None, None),
        "b": node("a", "first answer", 2.0),
        "a": node("root", "question", 1.0),
        "c": node("b", "thanks", 3),
        "d": node("a", "second answer", 4.0),
        "e": node("d", "thoughts", 5.0, content_type="thoughts", thoughts=[{"content": "hm"}]),
    }
    rendered = render({"mapping": tree}, "mapping")
    assert rendered.text == "question\nsecond answer"
    assert (rendered.left_out, rendered.other_branches) == (1, 2)
    assert is_messages(tree)
    circle = {"a": node("b", "one", 1.0), "b": node("a", "two", 2.0)}
    assert render({"mapping": circle}, "mapping").text == ""


def test_what_is_no_text_of_an_exported_chat_is_counted():
    notices = [{"type": "service", "actor": "Ann", "text": ""}, {"from": "Ann", "photo": "a.jpg", "text": ""}]
    rendered = render({"m": [*notices, {"from": "Ann", "text": "said"}]}, "m")
    assert (rendered.text, rendered.left_out) == ("said", 2)


def test_parts_that_are_no_text_are_counted_and_left_out():
    picture = {"type": "image", "image": {"bytes": b"\x89PNG", "path": None}, "text": None}
    parts = [{"type": "text", "text": "What is"}, picture, {"type": "text", "text": "this?"}, {"type": "input_audio"}]
    rendered = render({"m": said(parts, "A cat")}, "{m}\n{m}")
    assert rendered.text == "What is\nthis?\nA cat\nWhat is\nthis?\nA cat"
    assert rendered.left_out == 4
    assert render({"m": said(parts, "A cat")}, "m").left_out == 2


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (3, "`m` holds a number, neither text nor messages"),
        (True, "`m` holds a truth value"),
        (b"text", "`m` holds bytes"),
        (["a", "b"], "`m` holds a message that is text, not an object.*.message 1.$"),
        ([said("nested")], "`m` holds a message that is a list, not an object.*.message 1.$"),
        ([*said("one"), None], "`m` holds a message that is null.*.message 2.$"),
        ([{"role": None, "content": "who?"}], "`m` holds a message that has no role.*.message 1.$"),
        ([{"role": " ", "content": "who?"}], "has no role"),
        ([{"role": 1, "content": "who?"}], "has no role"),
        ([{"content": "who?"}], "has no role"),
        ({"a": "b"}, "has no role"),
        ([{"role": "user"}], "says nothing"),
        (said({"text": "x"}), "has an object in `content`"),
        (said(7), "has a number in `content`"),
        (said(["x"]), "has a part in `content` without a type"),
        (said([{"type": "text", "text": None}]), "of type `text` in `content` without text"),
        ([{"role": "assistant", "content": "", "tool_calls": "f()"}], "has text in `tool_calls`, not a list"),
        ([{"role": "assistant", "tool_calls": [{"function": b"x"}]}], "has a call in `tool_calls` that is no JSON"),
    ],
)
def test_what_is_neither_text_nor_messages_is_refused_by_its_place(value, why):
    for text in ("m", "{m}"):
        with pytest.raises(NotTextError, match=why):
            render({"m": value}, text)
    assert not is_messages(value)


def test_messages_are_told_from_other_values():
    assert is_messages(said("one"))
    assert is_messages({"from": "gpt", "value": ""})
    assert not is_messages("text")
    assert not is_messages([])
