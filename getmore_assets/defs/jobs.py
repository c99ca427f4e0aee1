"""Jobs: the line, and parts of it, under the names of the command line's verbs."""

import dagster as dg

from getmore_assets.records import STATIONS

_UP_TO_SUBSET = STATIONS[: STATIONS.index("selected_subset") + 1]

select = dg.define_asset_job(
    "select",
    dg.AssetSelection.assets(*_UP_TO_SUBSET),
    description="From the sources to the selected subset.",
)
run = dg.define_asset_job(
    "run",
    dg.AssetSelection.all(),
    description="The whole line, from the sources to the scorecard.",
)
