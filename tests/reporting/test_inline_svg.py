"""Figures: what they are drawn from may be called anything; in a page they are part of it."""

import polars as pl
import pytest

from getmore_assets.reporting import figures, inline_svg
from getmore_assets.reporting.statistics import Interval
from tests.reporting.html_page import Page

NAMES = ["$\\oops$ $x$", "</text></svg><script>alert(1)</script>", "日本語", "a" * 500, "\x00\x1b\ufffe", "", "plain"]


def composition(path):
    pool = pl.DataFrame({"domain": NAMES * 3})
    return figures.composition(*(dict(rows["domain"].value_counts().rows()) for rows in (pool, pool.head(5))), path)


def test_a_name_that_looks_like_a_formula_or_markup_is_drawn_as_it_is(tmp_path):
    assert composition(tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    drawn = Page(str(inline_svg.inline(composition(tmp_path / "one.svg").read_text("utf-8"), "one", "alt")))
    assert "script" not in drawn.tags
    assert NAMES[0] in drawn.text
    assert "</text></svg><script>al" in drawn.text
    assert "日本語" in drawn.text
    assert "a" * 27 + "…" in drawn.text


def test_a_drawing_takes_the_pages_ink_and_keeps_its_ids_to_itself(tmp_path):
    summary = {s: {"perplexity": Interval(m, 1.0, 3)} for s, m in (("got-d", 9.0), ("none", 12.0))}
    path = figures.scorecard(summary, {"none": [12.0, 12.5]}, "perplexity", "got-d", tmp_path / "s.svg")
    written = [inline_svg.inline(path.read_text("utf-8"), name, 'an "alt" & more') for name in ("a", "b")]
    one, other = (Page(str(svg)) for svg in written)
    assert one.elements[0][0] == "svg"
    assert one.elements[0][1]["aria-label"] == 'an "alt" & more'
    assert {"width", "height", "style"}.isdisjoint(one.elements[0][1])
    assert figures.INK not in written[0]
    assert "currentcolor" in written[0].lower()
    assert "#ffffff" not in written[0]  # no ground of its own
    assert not set(one.ids) & set(other.ids)
    used = {a["href"][1:] for a in one.all("use")} | {a["clip-path"][5:-1] for _, a in one.elements if "clip-path" in a}
    assert used
    assert used <= set(one.ids)
    assert not {"style", "metadata", "image"} & set(one.tags)
    assert all("style" not in a for _, a in one.elements)
    assert all("font-size" in a for a in one.all("text"))


def test_the_same_data_are_the_same_drawing(tmp_path):
    first, second = (composition(tmp_path / name).read_bytes() for name in ("1.svg", "2.svg"))
    assert first == second


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_errors_over_less_than_a_decade_and_more_have_plain_numbers(kind, tmp_path):
    history = [[4096.0, 1.0, 0.3], [4096.0, 1.0, 0.2], [9000.0, 1.0, 0.0004]]
    path = figures.convergence(history, 1e-3, tmp_path / f"one.{kind}")
    assert path.stat().st_size > 1000
    if kind == "svg":
        assert "mathdefault" not in path.read_text("utf-8")
