"""Words: README, docs, the terminal, the report and Dagster's UI use the field's own, not words of this project alone.

The words on the left are what this project once called things; on the right is what people who know scikit-learn,
Hugging Face and Dagster call them. What stands in backticks (fields, values, names of code) is not looked at.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "getmore_assets"
WORDS = {
    r"\bstations?\b": "stage, or asset in Dagster",
    r"\bthe (whole )?line\b(?! (below|above|at|of|to|for))": "the pipeline",
    r"\bfingerprints?\b": "cache key",
    r"\b(re)?made (again|anew)\b": "recomputed",
    r"\bmakings?\b(?! (a|an|the|it|them|everything|sure))": "materialization",
    r"\breused\b": "cached",
    r"\bselected anew\b": "selected again",
    r"\bjudged?\b|\bjudges\b": "evaluator, evaluated",
    r"\bheats?\b|\bentrants?\b": "trial results, contestants",
    r"\bforesees?\b|\bforesight\b|\bforetells?\b": "staleness check, estimate",
    r"\badvice\b": "warning",
    r"\bpose[sd]? (a|the) problem\b": "build the problem",
    r"\brough pass(es)?\b": "low-precision pass",
    r"\bholds? what lies\b|\bwhat lies in\b": "what is in",
}
#: Phrases in which such a word is meant as everybody means it.
EXCEPTIONS = ("the first line", "last line", "one line", "a line")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What the terminal, the report, Dagster's UI and `getmore explain` say.
SAID_BY = [
    path
    for folder in ("cli", "reporting", "defs", "stages", "selection")
    for path in sorted((PACKAGE / folder).glob("*.py"))
]


def found_in(text: str) -> list[str]:
    """The words that should be others, each with what to write."""
    for phrase in EXCEPTIONS:
        text = text.replace(phrase, "")
    return [
        f"`{hit[0]}` -> {better}: …{' '.join(text[max(0, hit.start() - 40) : hit.end() + 40].split())}…"
        for word, better in WORDS.items()
        for hit in re.finditer(word, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_uses_the_fields_words(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert found_in(re.sub(r"`[^`\n]*`", "", text)) == []


def said(path: Path) -> list[str]:
    """What a module may print: its strings, and the help of commands; other docstrings are for readers of code."""
    tree = ast.parse(path.read_text("utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Module)]
    silent = {
        id(n.body[0].value)
        for n in functions
        if n.body
        and isinstance(n.body[0], ast.Expr)
        and not any("command" in ast.dump(d) for d in getattr(n, "decorator_list", []))
    }
    texts = [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in silent
    ]
    return [re.sub(r"`[^`]*`", "", text) for text in texts if " " in text]


@pytest.mark.parametrize("path", SAID_BY, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_printed_uses_the_fields_words(path):
    assert [hit for text in said(path) for hit in found_in(text)] == []


def test_the_reports_frame_uses_the_fields_words():
    text = (PACKAGE / "reporting" / "report.html").read_text("utf-8")
    assert found_in(re.sub(r"\{[{%].*?[%}]\}|<[^>]*>", " ", text)) == []
