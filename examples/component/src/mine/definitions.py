"""The definitions in `defs/`: the pipeline, as written by `dg scaffold defs getmore_assets.GetmoreComponent warm`."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
