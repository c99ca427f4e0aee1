import json

import polars as pl

from getmore_assets.lake import Lake
from getmore_assets.records import Records
from tests.conftest import getmore, task_fields, write_task


def test_only_the_nearest_domains_are_encoded_and_chosen_from(sources, tmp_path):
    pool = pl.read_parquet(sources / "pool.parquet")
    counts = pool["domain"].value_counts(sort=True).head(4)
    four = pool.filter(pl.col("domain").is_in(counts["domain"].implode()))
    four.write_parquet(tmp_path / "pool.parquet")
    fields = task_fields(
        sources,
        tmp_path / "lake",
        candidates=[{"path": str(tmp_path / "pool.parquet"), "domain": "domain"}],
        triage={"sample": 20, "keep": 2},
        selection={"selector": "got-d", "budget": {"rows": 10}},
    )
    file, lake = write_task(tmp_path / "task.yaml", fields), Lake(tmp_path / "lake")
    done = getmore("select", str(file), "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    triage = pl.read_delta(lake.table("domain_triage")).sort("nearness")
    assert triage["domain"].n_unique() == 4
    assert triage["distance"].is_sorted()
    assert triage["sampled"].to_list() == [min(20, n) for n in triage["rows"]]
    kept = set(triage.filter("kept")["domain"])
    assert len(kept) == 2
    picked = pl.read_parquet(json.loads(done.stdout.splitlines()[-1])["selected"])
    assert set(picked["domain"]) <= kept
    # Of the domains that are too far only the samples have a vector, and the ledger says why their rows are out.
    vectors = set(pl.read_delta(lake.table("embeddings"))["id"])
    rows = pl.read_delta(lake.table("raw_corpus")).filter(~pl.col("domain").is_in(list(kept)))
    assert len(vectors & set(rows["id"])) == triage.filter(~pl.col("kept"))["sampled"].sum()
    ledger = pl.read_delta(lake.table("row_ledger"))
    far = ledger.filter(pl.col("reason").str.starts_with("domain is too far"))
    assert far.height == triage.filter(~pl.col("kept"))["rows"].sum()

    # Keeping all of them encodes the rest, and nothing twice.
    again = getmore("select", str(file), "triage.keep=4", "--json")
    assert again.returncode == 0, again.stderr[-2000:]
    records = Records(lake, "tiny")
    assert records.get("domain_triage").facts["encoded"] == 0
    table = pl.read_delta(lake.table("embeddings"))
    assert table["id"].is_unique().all()
    assert table.height > len(vectors)


def test_a_budget_beyond_the_kept_domains_is_refused(sources, tmp_path):
    fields = task_fields(
        sources,
        tmp_path / "lake",
        triage={"sample": 5, "keep": 1},
        selection={"selector": "got-d", "budget": {"rows": 900}},
    )
    done = getmore("select", str(write_task(tmp_path / "task.yaml", fields)))
    assert done.returncode == 2
    assert "selection.budget.rows" in done.stderr
