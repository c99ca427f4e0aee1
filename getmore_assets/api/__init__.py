"""The pipeline from Python, for notebooks and scripts, without Dagster.

Belongs here: frames, paths and data sets in, results with frames out. Does not: the work. The stages do it, as for the
command and for Dagster's assets, in the same lake, so all three share cached results.
"""

from getmore_assets.api.arrays import embed, solve
from getmore_assets.api.comparison import Comparison, compare
from getmore_assets.api.selection import Selection, explain, select

__all__ = ["Comparison", "Selection", "compare", "embed", "explain", "select", "solve"]
