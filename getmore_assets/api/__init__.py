"""The pipeline from Python, for notebooks and scripts, without Dagster.

Belongs here: frames, paths and data sets in, results with frames out. Does not: computing. The stages compute, as for
the command line and Dagster's assets. All three share cached results if they use the same lake.
"""

from getmore_assets.api.arrays import embed, solve
from getmore_assets.api.comparison import Comparison, compare
from getmore_assets.api.selection import Selection, explain, select

__all__ = ["Comparison", "Selection", "compare", "embed", "explain", "select", "solve"]
