"""The page of the tiny task, and the same page on a corpus that attacks it."""

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import polars as pl
import pytest

from getmore_assets.config import Task
from getmore_assets.corpus.reading import SourceCounts
from getmore_assets.defs.asset_metadata import materialize_result
from getmore_assets.records import STAGE_NAMES
from getmore_assets.reporting import plain, report, report_data, rows, tables, verdict
from getmore_assets.reporting.curves import Curve
from getmore_assets.reporting.dropped import dropped
from getmore_assets.reporting.gates import Gate
from getmore_assets.reporting.next_steps import next_steps
from getmore_assets.reporting.statistics import Interval
from tests.defs.damage import Copy
from tests.reporting.html_page import Page

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '" onmouseover="alert(1)" x="',
    "'><img src=x onerror=alert(1)>",
    "</p></article><b>bold</b><!--",
    "]]></text></svg><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "$\\oops$ and $x^2$",
    "&lt;b&gt; &amp;lt;",
    "\u202eright to left\u202c مرحبا",
    "日本語のテキスト",
    "nul\x00 escape\x1b[31m \ufffe",
    "W" * 4000,
]
CURVE = {"got-d": [(20.0, Interval(9.0, 0.5, 2)), (60.0, Interval(8.0, 0.4, 2))]}


@pytest.fixture(scope="module")
def parts(ran):
    """What the report is written from."""
    made, last = {name: ran.records.get(name) for name in STAGE_NAMES[:-1]}, ran.records.get("scorecard")
    task = Task.model_validate(ran.fields)
    return {
        "task": task,
        "records": made,
        "data": report_data.read(task, made),
        "scores": last.table_ref().scan().collect(),
        "curves": [Curve("labels", "labelled rows of the target", CURVE, "label efficiency: none")],
        "gates": [Gate("dose", True, "the warm-up is as long as the fine-tuning")],
        "distances": last.facts["distances"],
        "own": {"code_version": "3", "dagster_run_id": "a-run"},
    }


@pytest.fixture(scope="module")
def page(ran):
    return Page(Path(ran.printed["report"]).read_text("utf-8"))


def test_the_page_holds_its_parts_the_verdict_first(page, ran, parts):
    sections = [a["id"] for a in page.all("section") if "group" not in a.get("class", "")]
    wanted = ["verdict", "scorecard", "cost", "rows", "mix", "scores", "transport", "made"]
    assert sections == wanted
    drawn = [a["aria-label"].split(".")[0] for a in page.all("svg")]
    assert drawn[:4] == ["Scorecard", "Cost", "Domains before and after", "Distance of each domain"]
    assert drawn[4:7] == ["Distribution of the scores", "Map of candidates, target and picks", "Convergence"]
    assert len([title for title in drawn if title.startswith("Loss of")]) == 3
    for said in ran.printed["verdict"]:
        assert said in page.text
    records = parts["records"]
    gains = verdict.gains(parts["scores"], "got-d")
    kind, _ = verdict.headline(gains, "got-d")
    for step in next_steps(parts["task"], gains, [], kind):
        assert step.replace("`", "") in page.text
    for line in dropped(records):
        assert line.replace("`", "") in page.text
    for shown in (records["selected_subset"].facts["selection_hash"], records["warmed_model"].mlflow_run_id):
        assert shown in page.text
    assert records["base_model"].dagster_run_id in page.text
    assert str(ran.lake.root) not in page.text.split("The task, as it was run")[0]


def test_what_was_read_of_each_source_is_told_and_left_away_where_no_record_holds_it(page, ran, parts, tmp_path):
    fields = ["candidates.0", "target.train", "target.validation", "target.test"]
    pool, target = (parts["records"][name] for name in ("raw_corpus", "target_data"))
    lineage = dg.TableColumnLineage({})
    shown = [
        one
        for made in (pool, target)
        for one in materialize_result(made, "materialized", lineage).metadata["sources"].data
    ]
    assert [told["field"] for told in shown] == fields
    assert [told["rows"] for told in shown] == [1200, 120, 40, 80]
    assert shown[0]["path"] == ran.fields["candidates"][0]["path"]
    table = tables.sources([SourceCounts.model_validate(one) for one in shown])
    assert [row[0] for row in table.rows] == fields
    for row in table.rows:
        assert all(cell in page.text for cell in row)
    before = {
        name: replace(record, facts={fact: of for fact, of in record.facts.items() if fact != "sources"})
        for name, record in parts["records"].items()
    }
    old = Page(report.write(tmp_path / "old.html", **{**parts, "records": before}).read_text("utf-8"))
    assert table.said in page.text
    assert table.said not in old.text


def test_rows_from_the_top_the_cut_and_the_bottom_are_shown(page, parts):
    candidates = parts["data"].candidates.sort("rank")
    assert len(page.all("article")) == 4 * rows.EACH
    for at in (*range(25), *range(75, 125), *range(-25, 0)):
        assert candidates["id"][at][:12] in page.text
    first = parts["data"].texts[candidates["id"][0]]
    assert plain.parts(first)[0] in page.text


def test_nothing_is_loaded_and_only_the_pages_own_code_runs(page):
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    (script,), (style,) = page.code["script"], page.code["style"]
    digests = [base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in (script, style)]
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests[0]}'; style-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    harmless(page)
    assert not re.search(r"url\(|@import|@font-face", style)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|fetch|XMLHttp|import\(", script)


def harmless(page):
    """No element loads anything, goes anywhere but within the page, or has code or style of its own."""
    for tag, attributes in page.elements:
        assert tag not in ("img", "link", "iframe", "object", "embed", "base", "image", "video", "audio")
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "style", "srcdoc", "action", "formaction", "ping", "background")
            assert name != "href" or value.startswith("#")
            assert "url(" not in value or re.fullmatch(r"url\(#[\w-]+\)", value)


def test_it_can_be_read_without_seeing_it_and_used_without_a_mouse(page):
    assert len(page.ids) == len(set(page.ids))
    named = {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
    linked = {a["href"][1:] for a in page.all("a")} | {a["for"] for a in page.all("label") if "for" in a}
    assert named | linked <= set(page.ids)
    assert page.elements[[t for t, _ in page.elements].index("body") + 1] == (
        "a",
        {"class": "skip", "href": "#verdict"},
    )
    assert page.tags["table"] == page.tags["caption"] >= 10
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    assert all(a["role"] == "img" and len(a["aria-label"]) > 20 for a in page.all("svg"))
    assert page.tags["figcaption"] == page.tags["figure"] == page.tags["svg"]
    assert page.tags["label"] == page.tags["select"] + page.tags["input"]
    scrolled = [a for a in page.all("div") if a.get("class") == "wide"]
    assert scrolled
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrolled)
    assert page.all("html") == [{"lang": "en"}]


@pytest.fixture(scope="module")
def attacked(parts, tmp_path_factory):
    """The page of a corpus whose every text and name attacks it, and of a selector that is called so too."""
    found, count = parts["data"], len(HOSTILE)
    turn = pl.Series("turn", range(found.candidates.height)) % count
    names = pl.DataFrame({"turn": range(count), "name": HOSTILE}, schema_overrides={"turn": turn.dtype})
    ranked = found.candidates.sort("rank").with_columns(turn)
    renamed = ranked.join(names, on="turn", maintain_order="left").with_columns(domain="name", source="name")
    groups = rows.groups(renamed)
    ids = [id_ for group in groups for id_ in group.rows["id"]]
    texts = {id_: HOSTILE[at % count] for at, id_ in enumerate(ids)}
    excluded = pl.DataFrame({"stage": "domain_triage", "reason": [f"too far {text}" for text in HOSTILE]})
    triage = parts["records"]["domain_triage"]
    domains = [
        {"nearness": at, "rows": 9, "domain": name, "sampled": 9, "distance": 1.0 + at, "kept": True}
        for at, name in enumerate(HOSTILE)
    ]
    task, called = parts["task"], HOSTILE[1]
    chosen = pl.when(pl.col("selector") == "got-d").then(pl.lit(called)).otherwise("selector").alias("selector")
    path = report.write(
        tmp_path_factory.mktemp("attacked") / "report.html",
        **parts
        | {
            "task": task.model_copy(update={"selection": task.selection.model_copy(update={"name": called})}),
            "data": replace(found, candidates=renamed, groups=groups, texts=texts, near=texts, excluded=excluded),
            "records": parts["records"]
            | {"domain_triage": replace(triage, facts={**triage.facts, "domains": domains})},
            "scores": parts["scores"].with_columns(chosen),
            "curves": [replace(parts["curves"][0], points={called: CURVE["got-d"]}, sentence=HOSTILE[0])],
        },
    )
    return path


def test_a_corpus_that_attacks_the_page_is_text_in_it(attacked, page):
    written = attacked.read_text("utf-8")
    found = Page(written)
    harmless(found)
    assert len(found.code["script"]) == len(found.code["style"]) == 1
    assert found.code == page.code
    assert set(found.tags) <= set(page.tags) | {"a"}
    assert found.tags["section"] == page.tags["section"] + 1  # the curves
    for text in HOSTILE:
        assert plain.parts(text)[0] in found.text
        assert plain.name(text) in found.text
    assert plain.name(HOSTILE[1], 28) in found.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", written)
    assert len(found.ids) == len(set(found.ids))


def test_the_script_runs_in_a_browser_and_the_attack_does_not(attacked, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path}"]
    command = [browser, *flags, "--dump-dom", attacked.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    shown = Page(done.stdout)
    assert "100 of 100 rows shown" in shown.text
    assert all("hidden" not in a for a in shown.all("form"))
    harmless(shown)


def test_a_pool_that_lacks_a_candidate_is_told(ran, tmp_path):
    copy = Copy(ran, tmp_path)
    picked = copy.rows("selected_subset")["id"][0]
    copy.put("raw_corpus", copy.rows("raw_corpus").filter(pl.col("id") != picked))
    made = {name: copy.record(name) for name in STAGE_NAMES[:-1]}
    with pytest.raises(LookupError, match="candidates of the ledger are in raw_corpus"):
        report_data.read(Task.model_validate(copy.fields), made)


def test_a_classifiers_training_says_how_often_it_was_right_epoch_by_epoch(tmp_path):
    points = [{"step": 1, "loss": 2.0}, *({"step": n, "eval_loss": 1.5, "eval_accuracy": n / 8} for n in (1, 2))]
    made = {stage: SimpleNamespace(facts={}) for stage in report._TRAINED}
    made["finetuned_model"] = SimpleNamespace(facts={"curve": points})
    drawings = report._Drawings(str(tmp_path))
    report._of_training(drawings, made)
    (drawn,) = drawings.figures.values()
    assert "Accuracy on validation, epoch by epoch: 12.5%, 25.0%; the best was kept." in drawn["caption"]
