"""`imported`: what another tool chose, in its order."""

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
    from getmore_assets.selection.ranking import Ranking, by_order

    assert chosen.imported is not None
    wanted = imported.read(chosen.imported, context.task)
    place = context.eligible.select("id").with_columns(place=np.arange(context.eligible.height))
    met = wanted.join(place, on="id", how="left", maintain_order="left")
    lost = met.filter(pl.col("place").is_null())
    if lost.height == met.height:
        what = f"none of its {met.height} rows may be chosen, the first is {lost['origin'][0]}"
        raise BadInput(chosen.imported.path, what, "Check that it was chosen from this pool")
    order = met["place"].drop_nulls().to_numpy()
    scores = np.full(context.eligible.height, float(len(order)))
    scores[order] = np.arange(len(order))
    facts = {"imported": met.height, "not_candidates": lost.height, "first": lost["origin"].head(10).to_list()}
    taken = by_order(context, order, scores, **facts)
    return Ranking(taken.rows.head(len(order)), facts)  # what the other tool left out is not its choice


KIND = Kind(
    name="imported",
    ranks_by="what another tool chose: rows, ids, or places in pool files",
    rank=_rank,
    settings=("imported",),
    of_another_tool=True,
)
