import polars as pl
import pytest

from getmore_assets.corpus.leakage import Guard
from getmore_assets.corpus.passages import cut

SENTENCE = (
    "Transmitting a rather long series of bytes over a slow connection, the client must wait until the buffer is "
    "drained, unless it was told not to."
)
PASSAGE = (
    "Nobody in the village had seen the river so high, and those who lived beside it carried their chairs upstairs "
    "while the children counted the trees that came floating past the church, the mill and the old bridge."
)


@pytest.fixture(scope="module")
def texts(documents):
    """Real passages of twelve words and more, each other than all before it."""
    long = documents.filter(pl.col("text").str.count_matches(r"\w+") > 30)
    return [passage for text in long["text"].head(400) for passage in cut(text, 1000)][:300]


@pytest.fixture(scope="module")
def guard(texts):
    evaluated = [*texts[:40], SENTENCE, "Wait until the buffer is drained completely."]
    return Guard(pl.DataFrame({"id": [f"e{i}" for i in range(42)], "split": "test", "text": evaluated}))


def leak(guard, *texts):
    return guard.leaks(pl.DataFrame({"id": [f"p{i}" for i in range(len(texts))], "text": list(texts)}))


def changed(text, at):
    words = text.split(" ")
    return " ".join([*words[:at], "otherwise", *words[at + 1 :]])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("exact", SENTENCE),
        ("exact", SENTENCE.upper()),
        ("exact", "  " + SENTENCE.replace(" ", "\n ").replace(",", " ;") + "  "),
        *[("near", changed(SENTENCE, at)) for at in (0, 5, 12, 20, 24)],
        ("contained", f"{PASSAGE} {SENTENCE} {PASSAGE[::-1]}"),
        ("contained", f"{PASSAGE} wait until the buffer is drained completely, and only then go on."),
    ],
)
def test_what_is_planted_is_found(guard, texts, kind, text):
    found = leak(guard, texts[100], text, texts[101])
    assert found["id"].to_list() == ["p1"]
    assert found["kind"].to_list() == [kind]
    assert found["of"][0] in ("e40", "e41")
    assert found["split"][0] == "test"
    assert 0.5 <= found["overlap"][0] <= 1


def test_a_word_changed_in_the_middle_of_a_longer_passage_is_found(guard):
    inside = f"{PASSAGE} {changed(SENTENCE, 20)} {PASSAGE[::-1]}"
    assert leak(guard, inside)["kind"].to_list() == ["contained"]


def test_a_long_evaluated_row_is_found_by_its_pieces(texts):
    whole = " ".join(texts[:8])
    guard = Guard(pl.DataFrame({"id": ["e0"], "split": "validation", "text": whole}))
    pieces = [piece for piece in cut(whole, 400) if len(piece.split()) > 20]
    found = leak(guard, texts[100], *pieces, f"{pieces[1]} {PASSAGE[:200]}", f"{PASSAGE} {pieces[1][:200]}")
    assert len(pieces) > 5
    assert found["id"].to_list() == [f"p{at + 1}" for at in range(len(pieces) + 1)]
    assert set(found["kind"]) == {"piece"}
    assert found["overlap"].min() >= 0.5


def test_a_text_that_is_evaluated_in_many_rows_is_no_boilerplate():
    """As where a sentence stands once for each pair of entities that it names, with other marks."""
    marked = [SENTENCE.replace(word, f"<< {word} >>") for word in dict.fromkeys(SENTENCE.split(" ")[:20])]
    assert len(marked) > 15
    guard = Guard(pl.DataFrame({"id": [f"e{i}" for i in range(len(marked))], "split": "test", "text": marked}))
    found = leak(guard, f"{PASSAGE} {SENTENCE} {PASSAGE[::-1]}", PASSAGE)
    assert found.select("id", "kind", "of").rows() == [("p0", "contained", "e0")]


def test_every_evaluated_row_leaks_itself(guard, texts):
    found = leak(guard, *texts[:40])
    assert found["kind"].to_list() == ["exact"] * 40
    assert found["of"].to_list() == [f"e{i}" for i in range(40)]
    assert found["overlap"].to_list() == [1.0] * 40


def test_what_is_clean_passes(guard):
    clean = "The weather was fine that year, and nobody thought of leaving the village before the harvest was in."
    assert leak(guard, clean, "", "...", "One two three.").is_empty()


def test_boilerplate_is_no_leak(texts):
    licence = "this program is distributed in the hope that it will be useful but without any warranty whatsoever"
    rows = [f"{text} {licence}" for text in texts[:30]]
    guard = Guard(pl.DataFrame({"id": [f"e{i}" for i in range(30)], "split": "test", "text": rows}))
    assert leak(guard, f"{texts[200]} {licence}").is_empty()


def test_nothing_is_evaluated_on():
    guard = Guard(pl.DataFrame(schema={"id": pl.String, "split": pl.String, "text": pl.String}))
    assert leak(guard, SENTENCE).is_empty()
