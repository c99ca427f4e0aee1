"""Figures as small files: PNG on white, or, where the path ends in `.svg`, without a ground, for `inline_svg.py`.

Belongs here: one function a figure, data in, file out. Does not: reading tables.
"""

import base64
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.facts import MeasuredDomain
from getmore_assets.lake import unfinished
from getmore_assets.reporting import plain
from getmore_assets.reporting.pca_map import Landscape
from getmore_assets.reporting.seeds import range_of
from getmore_assets.reporting.statistics import COSTS, Interval, shown
from getmore_assets.reselection.drift import Difference

INK = "#1f2328"  # text and axes; in a page it becomes the page's own
_BLUE, _ORANGE, _GREY = "#3f86d2", "#d86f26", "#858f99"  # each at least 3:1 against white and against near-black
_MOST_BARS = 12
_WIDTH = 5.6  # inches: as wide as a telephone can show with text that can be read
_NAME_CHARS = 28
_STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.titlesize": 11,
    "axes.axisbelow": True,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "text.parse_math": False,  # a domain may be called $\oops$
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "getmore",  # the same drawing, byte for byte
}


def as_markdown(path: Path) -> str:
    """A PNG as Markdown that carries it inline."""
    return f"![{path.stem}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})"


def _canvas(title: str, height: float = 3.0) -> tuple[Any, Any]:
    # Matplotlib takes a second to load: only where something is drawn, not where a stage finds nothing to do.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=(_WIDTH, height), dpi=120, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    return figure, figure.subplots()


def _save(figure: Any, path: Path) -> Path:
    drawn = path.suffix == ".svg"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a name in a script that the font lacks
        # Runs that make the same share the place: a reader sees one whole picture or the other.
        partial = unfinished(path)
        figure.savefig(partial, format=path.suffix[1:], transparent=drawn, metadata={"Date": None} if drawn else None)
        partial.replace(path)
    return path


def _names(axes: Any, names: list[str]) -> None:
    """A row of bars for each name, the first on top."""
    axes.set_yticks(range(len(names)), [plain.name(name, _NAME_CHARS) for name in names])
    axes.invert_yaxis()


def _legend_below(figure: Any) -> None:
    """A legend in one line under the axes, where it hides no bar and no point."""
    figure.legend(frameon=False, fontsize=8, ncols=3, markerscale=2, loc="outside lower center")


def _whole_steps(axes: Any, name: str) -> None:
    """An axis along steps or passes: there is no step 2.5."""
    axes.set_xlabel(name)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _commonest(names: pl.Series) -> list[str]:
    """Names by how often they are there, ties in order of the alphabet."""
    return names.value_counts().sort(["count", names.name], descending=[True, False])[names.name].to_list()


def composition(pool: pl.DataFrame, selected: pl.DataFrame, path: Path) -> Path:
    """Shares of domains among the candidates and in the selection."""
    names = list(dict.fromkeys(name for frame in (selected, pool) for name in _commonest(frame["domain"])))[:_MOST_BARS]
    figure, axes = _canvas("Domains: candidates and selection", 1.4 + 0.28 * len(names))
    at = np.arange(len(names))
    for frame, offset, colour, label in ((pool, 0.2, _GREY, "candidates"), (selected, -0.2, _ORANGE, "selected")):
        shares = [100 * (frame["domain"] == name).sum() / frame.height for name in names]
        axes.barh(at - offset, shares, 0.38, color=colour, label=label)
    _names(axes, names)
    axes.set_xlabel("% of rows")
    _legend_below(figure)
    return _save(figure, path)


def distances(domains: Sequence[MeasuredDomain], path: Path) -> Path:
    """How far each domain is, nearest first, as points: their axis need not begin at 0. Those left out are grey."""
    nearest = domains[:_MOST_BARS]
    left_out = f" (nearest {len(nearest)} of {len(domains)})" if len(nearest) < len(domains) else ""
    figure, axes = _canvas(f"Transport distance to the target{left_out}", 1.2 + 0.28 * len(nearest))
    places, colours = range(len(nearest)), [_ORANGE if one.kept else _GREY for one in nearest]
    axes.scatter([one.distance for one in nearest], places, s=36, color=colours, zorder=2)
    _names(axes, [one.domain for one in nearest])
    axes.grid(axis="y", color=_GREY, alpha=0.3)
    grey = "" if all(one.kept for one in nearest) else "; grey: left out"
    axes.set_xlabel(f"entropic transport cost{grey}")
    return _save(figure, path)


def scores(values: np.ndarray, cut: float, path: Path) -> Path:
    """The distribution of scores (`[n]`), with the cut below which rows are selected."""
    figure, axes = _canvas("Score of every candidate (selected: left of the mark)")
    axes.hist(values, bins=100, color=_BLUE)
    axes.axvline(cut, color=_ORANGE, lw=2)
    axes.set_xlabel("score")
    axes.set_ylabel("candidates")
    return _save(figure, path)


def difference(changed: Difference, path: Path) -> Path:
    """Rows that came into the selection and rows that left it, by domain."""
    names = list(dict.fromkeys([*changed.domains_added, *changed.domains_dropped]))[:_MOST_BARS]
    title = f"Since the last selection: {changed.added} in, {changed.dropped} out (Jaccard {changed.jaccard:.3f})"
    figure, axes = _canvas(title, 1.4 + 0.28 * len(names))
    for counts, sign, colour, label in (
        (changed.domains_added, 1, _ORANGE, "in"),
        (changed.domains_dropped, -1, _GREY, "out"),
    ):
        axes.barh(range(len(names)), [sign * counts.get(name, 0) for name in names], 0.7, color=colour, label=label)
    _names(axes, names)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_xlabel("rows")
    _legend_below(figure)
    return _save(figure, path)


def convergence(history: Sequence[tuple[int, float, float]], tolerance: float, path: Path) -> Path:
    """The marginal error of each pass; a colour for each sample size."""
    import matplotlib as mpl

    figure, axes = _canvas("Marginal error, pass by pass")
    sizes = sorted({int(h[0]) for h in history})
    colours = mpl.colormaps["viridis"](np.linspace(0.65, 0.3, len(sizes)))  # its middle, for either ground
    for size, colour in zip(sizes, colours, strict=True):
        points = [(i + 1, h[2]) for i, h in enumerate(history) if int(h[0]) == size]
        axes.semilogy(*zip(*points, strict=True), "o-", color=colour, ms=4, label=f"{size:,} candidates")
    axes.axhline(tolerance, color=_GREY, ls="--", lw=1)
    axes.yaxis.set_major_formatter("{x:g}")  # the usual ones write powers as formulas
    axes.yaxis.set_minor_formatter(mpl.ticker.LogFormatter())
    _whole_steps(axes, "pass")
    axes.set_ylabel("L1 error of the target marginal")
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def curve(points: Sequence[Mapping[str, float]], title: str, path: Path) -> Path:
    """Training loss, and validation loss where it was watched."""
    figure, axes = _canvas(title, 2.6)
    for name, colour in (("loss", _BLUE), ("eval_loss", _ORANGE)):
        found = [(p["step"], p[name]) for p in points if name in p]
        if found:
            axes.plot(*zip(*found, strict=True), "o-", ms=3, color=colour, label=name)
    _whole_steps(axes, "step")
    if axes.lines:  # a model that was not trained has no curve, and matplotlib warns of a legend of nothing
        axes.legend(frameon=False)
    return _save(figure, path)


def scorecard(
    summary: dict[str, dict[str, Interval]], seeds: dict[str, list[float]], metric: str, chosen: str, path: Path
) -> Path:
    """The judged metric of every selector: mean, interval, and a dot for each seed."""
    figure, axes = _canvas(f"{metric} on test (mean, 95 % interval, dots: seeds)", 1.0 + 0.45 * len(summary))
    low, high = range_of(metric)
    for row, (selector, metrics) in enumerate(summary.items()):
        found, colour = metrics[metric], _ORANGE if selector == chosen else _BLUE
        width = 0.0 if np.isnan(found.half_width) else found.half_width
        ends = [[min(width, found.mean - low)], [min(width, high - found.mean)]]  # no share is beyond 1
        axes.errorbar(found.mean, row, xerr=ends, fmt="o", ms=7, capsize=4, color=colour)
        values = seeds.get(selector, [])
        axes.plot(values, [row + 0.22] * len(values), "o", ms=3.5, color=colour, alpha=0.6, mew=0)
        axes.annotate(
            f"{found.mean:.4g}", (found.mean, row), (0, 8), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_ylim(-0.6, len(summary) - 0.3)
    _within(axes.set_xlim, axes.get_xlim(), (low, high))
    _names(axes, [shown(selector) for selector in summary])
    axes.grid(axis="x", color=_GREY, alpha=0.3)
    return _save(figure, path)


def _within(set_limits: Any, limits: tuple[float, float], possible: tuple[float, float]) -> None:
    """Cut an axis off a little beyond the values that a metric can have."""
    room = 0.02 * (limits[1] - limits[0])
    set_limits(max(limits[0], possible[0] - room), min(limits[1], possible[1] + room))


def lines(curves: dict[str, list[tuple[float, Interval]]], along: str, metric: str, path: Path) -> Path:
    """A metric along something, a line with error bars for each selector."""
    figure, axes = _canvas(f"{metric} by {along}")
    for selector, points in curves.items():
        xs, found = zip(*points, strict=True)
        halves = [0.0 if np.isnan(one.half_width) else one.half_width for one in found]
        low, high = range_of(metric)
        below = [min(half, one.mean - low) for half, one in zip(halves, found, strict=True)]
        widths = [below, [min(half, high - one.mean) for half, one in zip(halves, found, strict=True)]]
        means, label = [one.mean for one in found], plain.name(shown(selector), _NAME_CHARS)
        axes.errorbar(xs, means, yerr=widths, fmt="o-", ms=4, capsize=3, label=label)
    axes.set_xlabel(along)
    axes.grid(color=_GREY, alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def costs(seconds: dict[str, list[float]], path: Path) -> Path:
    """What each selector cost: mean seconds of selection, warm-up and fine-tuning."""
    figure, axes = _canvas("Seconds a run, by what they went into", 1.1 + 0.4 * len(seconds))
    at, parts = np.arange(len(seconds)), np.array(list(seconds.values()))
    starts = np.cumsum(parts, axis=1) - parts
    for number, (label, colour) in enumerate(zip(COSTS, (_GREY, _ORANGE, _BLUE), strict=True)):
        axes.barh(at, parts[:, number], 0.6, left=starts[:, number], color=colour, label=label)
    _names(axes, [shown(selector) for selector in seconds])
    axes.set_xlabel("seconds")
    _legend_below(figure)
    return _save(figure, path)


def landscape(found: Landscape, path: Path) -> Path:
    """Candidates, target and picks on two principal components."""
    figure, axes = _canvas("Candidates, target and picks on two principal components", 4.6)
    axes.plot(*found.pool.T, ".", ms=3.5, color=_GREY, mew=0, alpha=0.85, label=f"{len(found.pool):,} candidates")
    axes.plot(*found.picks.T, ".", ms=4.5, color=_ORANGE, mew=0, label=f"{len(found.picks):,} picks")
    axes.plot(*found.target.T, "+", ms=4.5, color=_BLUE, mew=1.1, label=f"{len(found.target):,} rows of the target")
    for name, set_label, share in zip(("First", "Second"), (axes.set_xlabel, axes.set_ylabel), found.held, strict=True):
        set_label(f"{name} component, {share:.1%} of the variance")
    _legend_below(figure)
    return _save(figure, path)
