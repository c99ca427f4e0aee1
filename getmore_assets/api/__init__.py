"""The pipeline from Python, for notebooks and scripts, without Dagster.

Belongs here: frames, paths and data sets in, results with frames out. Does not: work; the stages do it as they do for
the command and for Dagster's assets, in the same lake, so what one of them made the others reuse.
"""

from getmore_assets.api.arrays import embed, solve
from getmore_assets.api.comparison import Comparison, compare
from getmore_assets.api.selection import Selection, explain, select

__all__ = ["Comparison", "Selection", "compare", "embed", "explain", "select", "solve"]
