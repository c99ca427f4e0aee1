import polars as pl
import pytest

from getmore_assets.corpus import id_order
from getmore_assets.corpus.identity import content_id


@pytest.mark.parametrize("count", [0, 1, 5000, 10**9], ids=lambda count: f"about {count}")
def test_pieces_are_all_rows_in_order_of_id(count, monkeypatch):
    monkeypatch.setattr(id_order, "PIECE_ROWS", 1000)
    ids = [content_id(str(number)) for number in range(5000)] + ["0" * 32, "f" * 32, "a" * 32, "", "zebra"]
    rows = pl.DataFrame({"id": ids}).with_row_index("at")
    pieces = list(id_order.in_id_order(rows.lazy(), count))
    assert pl.concat(pieces).equals(rows.sort("id"))
    assert len(pieces) == {0: 1, 1: 1, 5000: 5, 10**9: 32}[count]
    if len(pieces) > 1:
        assert max(piece.height for piece in pieces) < 1.3 * len(ids) / len(pieces)
