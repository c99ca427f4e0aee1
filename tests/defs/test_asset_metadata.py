"""What Dagster's UI is given: text of the corpus as text, never as Markdown, and not without end."""

import re

import dagster as dg

from getmore_assets.defs.asset_metadata import materialize_result
from getmore_assets.records import Record, now
from getmore_assets.reporting.figures import as_markdown
from tests.reporting.test_report import HOSTILE

NO_TABLE = dg.TableColumnLineage({})
ATTACK = "![x](http://127.0.0.1:9/seen) [click](javascript:alert(1)) <img src=x onerror=alert(1)>"


def record(**facts) -> Record:
    fields = dict.fromkeys(("stage", "task", "fingerprint", "data_version", "code_version", "dagster_run_id"), "x")
    numbers = {"rows": 1, "seconds": 0.1, "peak_rss_mb": 1.0}
    empty = {"inputs": {}, "lineage": {}, "folders": {}, "table": None, "mlflow_run_id": None, "mlflow_url": None}
    return Record(**fields, **numbers, **empty, facts=facts, made_at=now(), kept=ATTACK)


def test_text_of_a_corpus_is_never_markdown():
    domains = dict.fromkeys([ATTACK, *HOSTILE], 1)
    left = [{"id": "1", "origin": text, "reason": ATTACK} for text in HOSTILE]
    metadata = materialize_result(record(domains=domains, nearest=ATTACK, left=left), "materialized", NO_TABLE).metadata
    assert not [name for name, value in metadata.items() if isinstance(value, dg.MarkdownMetadataValue)]
    assert metadata["domains"] == dg.MetadataValue.json(domains)
    assert metadata["nearest"] == metadata["kept"] == ATTACK  # text, which the UI escapes


def test_the_verdict_is_first_and_a_selectors_name_is_no_markup():
    metadata = materialize_result(record(verdict=[f"{ATTACK} is better"]), "materialized", NO_TABLE).metadata
    assert next(iter(metadata)) == "verdict"
    assert not re.search(r"(?<!\\)[\[\]<>()!]", metadata["verdict"].md_str)
    assert "is better" in metadata["verdict"].md_str


def test_a_long_list_is_cut():
    metadata = materialize_result(
        record(left=[{"id": str(n)} for n in range(10_000)]), "materialized", NO_TABLE
    ).metadata
    assert len(metadata["left"].data) == 50


def test_a_figure_is_a_picture_and_nothing_else(tmp_path):
    (tmp_path / "mix.png").write_bytes(ATTACK.encode())
    said = as_markdown(tmp_path / "mix.png")
    assert said.startswith("![mix](data:image/png;base64,")
    assert not set("<>[]()") & set(said.removeprefix("![mix](").removesuffix(")"))
