import polars as pl

from getmore_assets.reporting import report
from tests.reporting.test_statistics import scores


def test_text_from_a_corpus_cannot_reach_the_page_as_markup(tmp_path):
    frame = scores(**{"got-d": [1.0, 2.0], "random": [2.0, 3.5]}).with_columns(
        warmup_tokens=pl.lit(10),
        selection_seconds=pl.lit(1.0),
        warmup_seconds=pl.lit(1.0),
        finetune_seconds=pl.lit(1.0),
    )
    text = "<script>alert(1)</script>"
    subset = pl.DataFrame({"rank": [1], "score": [-1.0], "domain": [text], "text": [text]})
    path = report.write(
        tmp_path / "r.html",
        task="t",
        selector="got-d",
        scores=frame,
        subset=subset,
        candidates=5,
        hash_="h",
        records=[],
        figures=[],
    )
    page = path.read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
