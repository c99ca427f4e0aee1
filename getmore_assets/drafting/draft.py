"""A draft of a task from the user's data, with the reason for every choice.

Belongs here: turning inferred roles into fields of the task. Does not: inferring roles (`assignments.py`,
`column_roles.py`), checking that the task can be run (`proposal.py`), or writing the task file (`writing.py`).
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from getmore_assets.config import LEXICAL, Corpus, Encoder, Task
from getmore_assets.corpus.shapes import CHAT_EXPORT
from getmore_assets.drafting.assignments import Assignment
from getmore_assets.drafting.column_roles import Role, domain_and_source_of, label_of, pair_of, text_of
from getmore_assets.drafting.column_samples import NoTextsError, Table, look
from getmore_assets.json_models import JsonObject
from getmore_assets.lake import unreadable_in

_POOL_ROWS, _TARGET_ROWS = 20_000, 200_000  # sizes of samples; larger for targets, because labels may be rare
_ROWS_A_DIMENSION = 4
_FEW = 0.05  # share of letters that counts as few


@dataclass(frozen=True)
class Choice:
    """One value of the task file.

    Attributes:
        field: Dotted name of the field.
        value: The value; None if the field has its default.
        why: Reason for the choice.
        others: Alternatives.
    """

    field: str
    value: Any
    why: str
    others: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return the reason and the alternatives as text."""
        alternatives = f"; alternative{'s' * (len(self.others) > 1)}: {', '.join(self.others)}" if self.others else ""
        return self.why + alternatives


@dataclass(frozen=True)
class Draft:
    """The contents of a task file.

    Attributes:
        fields: Fields of the task, as in the file.
        choices: All inferred fields, including those for which nothing was found.
        left: Unused files under the given paths, with reasons.
    """

    fields: JsonObject
    choices: list[Choice]
    left: dict[str, str]


def drafted(assignment: Assignment) -> Draft:
    """Return the draft of a task for one assignment of pool and target, from samples of all files.

    Raises:
        BadInput: A file cannot be read, or has no texts.
    """
    splits = {split: look(data, _TARGET_ROWS) for split, data in assignment.target.items()}
    pool, left = _with_texts(assignment)
    candidates, choices = _candidates(pool)
    of_target, more = _target(assignment, splits)
    fields: JsonObject = {"name": assignment.name, "candidates": candidates, "target": of_target}
    choices = [Choice("name", assignment.name, "named after the target"), *choices, *more]
    if character := unreadable_in(Path(Task.model_fields["lake"].default)):
        why = f"`{character}` in the path of this folder, so no lake can be read in it: "
        why += "set one of plain letters, digits and - _ . /"
        choices.append(Choice("lake", None, why))
    if all(table.whole for table in pool):
        rows = sum(_passages(table, source) for table, source in zip(pool, candidates, strict=True))
        if rows < _ROWS_A_DIMENSION * Encoder().dimensions:
            fields["encoder"] = {"dimensions": max(2, rows // _ROWS_A_DIMENSION)}
            choices.append(
                Choice("encoder.dimensions", fields["encoder"]["dimensions"], f"the pool has about {rows:,} rows")
            )
    if foreign := _foreign(pool, candidates):
        fields["encoder"] = {"model": LEXICAL, **fields.get("encoder", {})}
        why = f"{foreign:.0%} of the pool's letters are not Latin: lexical reads every script, minilm only English"
        choices.append(Choice("encoder.model", LEXICAL, why, ("a hub id of a multilingual encoder",)))
    return Draft(fields, choices, assignment.left | left)


def _with_texts(assignment: Assignment) -> tuple[list[Table], dict[str, str]]:
    """Return the tables of the pool with texts, and the reasons for leaving out the others.

    Raises:
        BadInput: A table cannot be read, or no table has texts.
    """
    tables, left, refused = [], dict[str, str](), list[NoTextsError]()
    for data in assignment.pool:
        try:
            table = look(data, _POOL_ROWS)
            text_of(table)
        except NoTextsError as error:
            refused.append(error)
            left[data.named] = error.what
        else:
            tables.append(table)
    if not tables:
        raise refused[0]
    return tables, left


def _passages(table: Table, source: JsonObject) -> int:
    """Estimate the number of pool rows of a table: long texts are cut into passages, whole rows are not."""
    column = table.columns.get(source["text"]) if isinstance(source["text"], str) else None
    if column is None or source.get("whole_rows"):
        return table.rows
    return math.ceil(table.rows * max(1.0, column.length / Corpus().passage_chars))


def _foreign(pool: list[Table], candidates: list[JsonObject]) -> float:
    """Return the share of non-Latin letters in the sampled texts of the pool; 0 if they are few."""
    texts = [v for table, source in zip(pool, candidates, strict=True) for v in _values(table, source["text"])]
    seen = pl.Series(texts, dtype=pl.String)
    letters, latin = (int(seen.str.count_matches(p).sum()) for p in (r"\p{L}", r"\p{Latin}"))
    share = 1 - latin / letters if letters else 0.0
    return share if share > _FEW else 0.0


def _values(table: Table, column: Any) -> tuple[str, ...]:
    return table.columns[column].values if isinstance(column, str) and column in table.columns else ()


def _candidates(pool: list[Table]) -> tuple[list[JsonObject], list[Choice]]:
    sources, choices = [], []
    for number, table in enumerate(pool):
        text = text_of(table)
        assert isinstance(text.column, str)
        domain, source = domain_and_source_of(_rows_with_text(table, text, _POOL_ROWS), _texts(table, text))
        field, named = f"candidates.{number}", table.data.source().model_dump(exclude_unset=True)
        named |= {"text": text.column}
        choices += [
            Choice(f"{field}.path", table.data.path, f"{_looked(table)}; everything but the target"),
            _choice(f"{field}.text", text, table.partly),
        ]
        if table.shape:
            named |= {"whole_rows": True}
            taken = table.shape.name != CHAT_EXPORT
            why = "trainers take such rows as they are, never cut" if taken else "a conversation is one text, never cut"
            choices.append(Choice(f"{field}.whole_rows", True, why))
        if table.data.kind == "text":
            why = f"text has no columns, so the {'folder' if len(table.data.files) > 1 else 'file'}'s name is used"
            source, domain = Role(None, "text has no columns, so the file's name is used"), Role(None, why)
        for name, role in (("source", source), ("domain", domain)):
            choices.append(_choice(f"{field}.{name}", role))
            named |= {name: role.column} if role.column else {}
        sources.append(named | _bad_rows(table, _texts(table, text), field, choices))
    return sources, choices


def _target(assignment: Assignment, splits: dict[str, Table]) -> tuple[JsonObject, list[Choice]]:
    choices, others = [], [table for split, table in splits.items() if split != "train"]
    text, pair = text_of(splits["train"]), pair_of(splits["train"])
    texts = _texts(splits["train"], text)
    with_text = _rows_with_text(splits["train"], text, _TARGET_ROWS)
    label = label_of(with_text, others, [*texts, *(pair.column if pair and pair.column else [])])
    if pair and isinstance(pair.column, list) and label.column and text.column in pair.column:
        text, texts = pair, pair.column
    fields: JsonObject = {}
    for split in ("train", "validation", "test"):
        field, table = f"target.{split}", splits.get(split)
        if table is None:
            choices.append(Choice(field, None, f"no {split} file found, so 10 % of train is held out for it"))
            continue
        named: JsonObject = table.data.source().model_dump(exclude_unset=True)
        why = f"{_looked(table)}; {assignment.why if split == 'train' else 'its name says so'}"
        choices.append(Choice(field, table.data.path, why))
        own = texts
        if not set(texts) <= set(table.columns):
            role = text_of(table)
            choices.append(_choice(f"{field}.text", role))
            named["text"], own = role.column, _texts(table, role)
        read = [*own, *([label.column] if isinstance(label.column, str) else [])]
        named |= _bad_rows(table, read, field, choices)
        fields[split] = named["path"] if set(named) == {"path"} else named
    choices += [_choice("target.text", text), _choice("target.label", label)]
    fields["text"] = text.column
    return fields | ({"label": label.column} if label.column else {}), choices


def _rows_with_text(table: Table, text: Role, most: int) -> Table:
    """Return a sample of only the rows with text. Other rows, such as notices in a chat export, would add labels."""
    column = table.columns.get(text.column) if isinstance(text.column, str) else None
    if column is None or not column.is_text or column.filled == 1:
        return table
    return look(table.data, most, column.name)


def _texts(table: Table, text: Role) -> list[str]:
    """Return the columns of a table's text."""
    return table.shape.columns if table.shape else [str(text.column)]


def _choice(field: str, role: Role, partly: tuple[str, ...] = ()) -> Choice:
    lacking = f"; not in every file, so not used: {', '.join(partly)}" if partly else ""
    return Choice(field, role.column, role.why + lacking, role.others)


def _looked(table: Table) -> str:
    parts = f" of {len(table.data.files):,} files" if len(table.data.files) > 1 else ""
    many = "row" if table.rows == 1 else "rows"
    return f"{'all' if table.whole else 'the first'} {table.rows:,} {many}{parts} looked at"


def _bad_rows(table: Table, columns: list[str], field: str, choices: list[Choice]) -> dict[str, str]:
    """Return `bad_rows: skip` if a sampled row has no text or no label, and note the choice."""
    plain = [column for column in columns if table.shape is None or column not in table.shape.columns]
    empty = max([round((1 - table.columns[c].filled) * table.rows) for c in plain], default=0)
    empty = max(empty, table.unusable)
    if not empty:
        return {}
    what = "null, blank or no messages" if table.shape else "null or blank"
    choices.append(Choice(f"{field}.bad_rows", "skip", f"{empty:,} of these rows are {what}", ("error",)))
    return {"bad_rows": "skip"}
