import numpy as np
import polars as pl

from getmore_assets.corpus.duplicates import NearDuplicates
from getmore_assets.corpus.shingles import Shingles


def of(texts: list[str]) -> Shingles:
    return Shingles.of(pl.Series(texts, dtype=pl.String))


def test_a_row_with_one_word_changed_is_a_copy_and_others_are_not(documents):
    texts = documents.filter(documents["text"].str.len_chars() > 400)["text"].head(300).to_list()
    words = texts[7].split()
    changed = " ".join([*words[:-1], "altogether"])
    ids = [f"{i:03}" for i in range(len(texts) + 1)]
    index = NearDuplicates(0.8)
    marks = index.mark(ids, of([*texts, changed]))
    assert marks[-1] == "007"
    assert sum(mark is not None for mark in marks) < 40  # the standard library repeats itself a little


def test_marks_are_those_of_every_pair_compared(documents):
    texts = documents["text"].head(400).to_list()
    words = [text.split() for text in texts]
    for row in range(0, 400, 9):  # some copies a little below the threshold, some a little above
        cut = max(1, len(words[row]) * (row % 20 + 5) // 100)
        texts.append(" ".join(words[row][cut:]))
    ids, found = [f"{i:03}" for i in range(len(texts))], of(texts)
    index = NearDuplicates(0.8)
    marks = index.mark(ids, found)
    sets = [set(found.rows(np.array([row])).hashes.tolist()) for row in range(len(texts))]
    for row, mark in enumerate(marks):
        alike = [other for other in range(row) if len(sets[row] & sets[other]) >= 0.8 * len(sets[row] | sets[other])]
        assert (mark is not None) == bool(alike), (row, mark, alike)
    assert 10 < sum(mark is not None for mark in marks[400:]) < 45


def test_marks_do_not_depend_on_batches(documents):
    texts = documents["text"].head(200).to_list()
    texts += [texts[3] + " more", texts[5] + " more"]
    ids, found = [f"{i:03}" for i in range(len(texts))], of(texts)
    early, late = np.arange(90), np.arange(90, len(texts))
    index = NearDuplicates(0.8)
    together = index.mark(ids, found)
    index = NearDuplicates(0.8)
    apart = index.mark(ids[:90], found.rows(early)) + index.mark(ids[90:], found.rows(late))
    assert apart == together
    kept = np.array([i for i, mark in enumerate(together[:90]) if mark is None])
    index = NearDuplicates(0.8)
    index.add_known([ids[i] for i in kept], Shingles.from_bytes(found.rows(kept).to_bytes()))
    assert index.mark(ids[90:], found.rows(late)) == together[90:]


def test_a_chain_of_copies_points_at_its_first_row():
    text = " ".join(f"word{i}" for i in range(200))
    index = NearDuplicates(0.7)
    marks = index.mark(["a", "b", "c"], of([text, text + " x", text + " x y"]))
    assert marks == [None, "a", "a"]


def test_no_rows_are_no_copies():
    index = NearDuplicates(0.8)
    assert index.mark([], of([])) == []
    assert index.mark(["a"], of(["one two three four"])) == [None]
    assert index.mark(["b"], of(["One, two - three; four!"])) == ["a"]
