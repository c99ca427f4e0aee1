"""`imported`: the rows that another tool chose, in the order of that tool."""

from typing import TYPE_CHECKING

from getmore_assets.selectors.kind import Kind

if TYPE_CHECKING:
    from getmore_assets.config import Budget, Selector
    from getmore_assets.selection.context import SelectionContext
    from getmore_assets.selection.ranking import Ranking


def _rank(context: "SelectionContext", chosen: "Selector", _budget: "Budget") -> "Ranking":
    import numpy as np
    import polars as pl

    from getmore_assets.errors import BadInput
    from getmore_assets.selection import imported
    from getmore_assets.selection.ranking import Ranking

    assert chosen.imported is not None
    rows = imported.read(chosen.imported, context.task)
    indices = context.eligible.select("id").with_columns(index=np.arange(context.count))
    joined = rows.join(indices, on="id", how="left", maintain_order="left")
    others = joined.filter(pl.col("index").is_null())
    if others.height == joined.height:
        what = f"none of its {joined.height} rows is eligible, the first is {others['origin'][0]}"
        raise BadInput(chosen.imported.path, what, "Check that these rows were chosen from this pool")
    order = joined["index"].drop_nulls().to_numpy()
    scores = np.full(context.count, float(len(order)))
    scores[order] = np.arange(len(order))
    facts = {"imported": joined.height, "not_candidates": others.height, "first": others["origin"].head(10).to_list()}
    return Ranking(order, scores, facts)  # only rows that the other tool chose


KIND = Kind(
    name="imported",
    ranks_by="the order in which another tool gives rows, ids, or row numbers in pool files",
    rank=_rank,
    settings=("imported",),
    of_another_tool=True,
)
