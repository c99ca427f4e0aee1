"""Jobs: the line, and parts of it, under the names of the command line's verbs."""

import dagster as dg

UP_TO_SUBSET = ["raw_corpus", "target_data", "embeddings", "ot_potentials", "selected_subset"]

select = dg.define_asset_job(
    "select",
    dg.AssetSelection.assets(*UP_TO_SUBSET),
    description="From the sources to the selected subset.",
)
run = dg.define_asset_job(
    "run",
    dg.AssetSelection.all(),
    description="The whole line, from the sources to the scorecard.",
)
