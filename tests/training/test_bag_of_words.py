"""A classifier of words alone."""

from getmore_assets.training import bag_of_words
from tests.scripts import written


def split(script, start, rows):
    texts = [written(script, n % 2, start + n) for n in range(rows)]
    return texts, ["stars" if n % 2 == 0 else "kitchen" for n in range(rows)]


def right(script):
    test, labels = split(script, 2000, 40)
    found, _ = bag_of_words.predict(split(script, 0, 60), split(script, 1000, 20), test)
    return sum(a == b for a, b in zip(found, labels, strict=True))


def test_it_tells_two_subjects_apart_also_without_spaces():
    assert right("English") >= 38
    assert right("Chinese") >= 38


def test_labels_without_order_are_not_told():
    texts, labels = split("English", 0, 60)
    turned = [labels[(n * 7 + n // 3) % 60] for n in range(60)]
    test, wanted = split("English", 2000, 40)
    found, _ = bag_of_words.predict((texts, turned), ([], []), test)
    assert sum(a == b for a, b in zip(found, wanted, strict=True)) < 35


def test_one_label_is_all_there_is_to_say():
    assert bag_of_words.predict((["a", "b"], ["x", "x"]), ([], []), ["c", "d"]) == (["x", "x"], 1.0)
