from getmore_assets.corpus.duplicates import NearDuplicates, signatures


def test_a_row_with_one_word_changed_is_a_copy_and_others_are_not(documents):
    texts = documents.filter(documents["text"].str.len_chars() > 400)["text"].head(300).to_list()
    words = texts[7].split()
    changed = " ".join([*words[:-1], "altogether"])
    ids = [f"{i:03}" for i in range(len(texts) + 1)]
    with NearDuplicates(0.8) as index:
        marks = index.mark(ids, signatures([*texts, changed]))
    assert marks[-1] == "007"
    assert sum(mark is not None for mark in marks) < 40  # the standard library repeats itself a little


def test_marks_do_not_depend_on_batches(documents):
    texts = documents["text"].head(200).to_list()
    texts += [texts[3] + " more", texts[5] + " more"]
    ids, found = [f"{i:03}" for i in range(len(texts))], signatures(texts)
    with NearDuplicates(0.8) as index:
        together = index.mark(ids, found)
    with NearDuplicates(0.8) as index:
        apart = index.mark(ids[:90], found[:90]) + index.mark(ids[90:], found[90:])
    assert apart == together
    kept = [i for i, mark in enumerate(together[:90]) if mark is None]
    with NearDuplicates(0.8) as index:
        index.add_known([ids[i] for i in kept], found[kept])
        assert index.mark(ids[90:], found[90:]) == together[90:]


def test_a_chain_of_copies_points_at_its_first_row():
    text = " ".join(f"word{i}" for i in range(200))
    with NearDuplicates(0.7) as index:
        marks = index.mark(["a", "b", "c"], signatures([text, text + " x", text + " x y"]))
    assert marks == [None, "a", "a"]
