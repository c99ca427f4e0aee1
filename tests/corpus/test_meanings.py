"""A value has the meaning of its column or a reason; none is cast."""

import polars as pl
import pytest

from getmore_assets.corpus import meanings

NAN = float("nan")


def objects(*values) -> pl.Series:
    return pl.Series(values, dtype=pl.Object)


def pairs(validated: meanings.Validated) -> list:
    return list(zip(validated.values.to_list(), validated.reasons.to_list(), strict=True))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is null or blank"),
        ("", "is null or blank"),
        (" \t\n\u00a0", "is null or blank"),
        ("\ufeff\u200b\u2060", "is null or blank"),
        (5, "is a whole number, not text"),
        (0.5, "is a number, not text"),
        (NAN, "is a number, not text"),
        (True, "is true or false, not text"),
        (["part one", "part two"], "is a list, not text"),
        ({"a": 1}, "is an object, not text"),
    ],
)
def test_a_text_is_a_string_that_shows_something(value, reason):
    assert pairs(meanings.text(objects("fine", value))) == [("fine", None), (None, reason)]


@pytest.mark.parametrize(
    ("value", "named", "reason"),
    [
        ("a", "a", None),
        (0, "0", None),
        (10**40, str(10**40), None),
        (True, "true", None),
        (1.5, "1.5", None),
        (1e20, "1e+20", None),
        (None, None, "is null"),
        (" ", None, "is blank"),
        (NAN, None, "is NaN or infinite"),
        (float("-inf"), None, "is NaN or infinite"),
        (["a"], None, "is a list"),
        ({"a": 1}, None, "is an object"),
    ],
)
def test_a_label_is_a_name_or_a_finite_number(value, named, reason):
    assert pairs(meanings.label(objects(value, "b"))) == [(named, reason), ("b", None)]


def test_typed_columns_are_proved_as_single_values_are():
    assert pairs(meanings.label(pl.Series([1.0, NAN, None]))) == [
        ("1.0", None),
        (None, "is NaN or infinite"),
        (None, "is null"),
    ]
    assert pairs(meanings.text(pl.Series(["a", "", None], dtype=pl.Categorical)))[0] == ("a", None)
    assert pairs(meanings.domain(pl.Series(["2024-01-02"]).str.to_date())) == [("2024-01-02", None)]


@pytest.mark.parametrize(
    ("meaning", "column"),
    [
        (meanings.text, pl.Series([1])),
        (meanings.text, pl.Series([b"bytes"])),
        (meanings.text, pl.Series([["a", "b"]])),
        (meanings.label, pl.Series([{"a": 1}])),
        (meanings.label, pl.Series(["2024-01-02"]).str.to_date()),
        (meanings.domain, pl.Series([1], dtype=pl.Duration)),
        (meanings.id_, pl.Series([1.0])),
        (meanings.vector, pl.Series(["[1, 2]"])),
        (meanings.vector, pl.Series([["1", "2"]])),
    ],
    ids=lambda one: str(one.dtype) if isinstance(one, pl.Series) else one.__name__,  # the same in every process
)
def test_a_column_of_a_type_that_cannot_have_the_meaning_does_not_fit(meaning, column):
    validated = meaning(column)
    assert not validated.fits
    assert validated.values.null_count() == len(column)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is null"),
        ([], "is an empty list"),
        ([None, 1.0], "holds a null"),
        ([NAN, 1.0], "holds NaN or infinity"),
        ([1e300, 1.0], "holds NaN or infinity"),
        ([0, 0], "is all zero"),
        ([True, 1.0], "holds true or false"),
        (["1", "2"], "holds text"),
        ("1 2", "is text, not a list of numbers"),
    ],
)
def test_a_vector_is_a_list_of_finite_numbers(value, reason):
    validated = meanings.vector(objects([1, 0.5], value))
    assert pairs(validated) == [([1.0, 0.5], None), (None, reason)]
    assert validated.values.dtype == pl.List(pl.Float32)


def test_what_rows_hold_is_named():
    assert meanings.kinds(objects(1, "1", None, 1.0)).to_list() == ["a whole number", "text", None, "a number"]
    assert meanings.kinds(pl.Series([1, None])).to_list() == ["a whole number", None]
