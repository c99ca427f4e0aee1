"""Figures as files: PNG on white, or, for a path that ends in `.svg`, SVG without background for `inline_svg.py`.

Belongs here: one function per figure, which takes data and writes a file. Does not: reading tables.
"""

import base64
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from getmore_assets.facts import MeasuredDomain
from getmore_assets.lake import unfinished
from getmore_assets.reporting import plain
from getmore_assets.reporting.pca_map import PcaMap
from getmore_assets.reporting.seeds import range_of
from getmore_assets.reporting.statistics import COSTS, Interval, shown
from getmore_assets.reselection.drift import Difference

INK = "#1f2328"  # text and axes; `inline_svg` replaces it by the page's text colour
_BLUE, _ORANGE, _GREY = "#3f86d2", "#d86f26", "#858f99"  # contrast of at least 3:1 to white and to near-black
_MOST_BARS = 12
_WIDTH = 5.6  # inches, so that text is legible on a phone
_NAME_CHARS = 28
_STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.titlesize": 11,
    "axes.axisbelow": True,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "text.parse_math": False,  # a domain's name may have dollar signs
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "getmore",  # makes the file reproducible
}


def as_markdown(path: Path) -> str:
    """Return a PNG as Markdown with the image inline."""
    return f"![{path.stem}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})"


def _canvas(title: str, height: float = 3.0) -> tuple[Any, Any]:
    # Imported here, as matplotlib takes a second to load.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=(_WIDTH, height), dpi=120, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    return figure, figure.subplots()


def _save(figure: Any, path: Path) -> Path:
    inline = path.suffix == ".svg"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a name in a script that the font lacks
        partial = unfinished(path)  # two runs may write the same figure at once
        figure.savefig(partial, format=path.suffix[1:], transparent=inline, metadata={"Date": None} if inline else None)
        partial.replace(path)
    return path


def _names(axes: Any, names: list[str]) -> None:
    """Label the y axis with names, the first on top."""
    axes.set_yticks(range(len(names)), [plain.name(name, _NAME_CHARS) for name in names])
    axes.invert_yaxis()


def _legend_below(figure: Any) -> None:
    """Add a legend below the axes, where it hides no data."""
    figure.legend(frameon=False, fontsize=8, ncols=3, markerscale=2, loc="outside lower center")


def _whole_steps(axes: Any, name: str) -> None:
    """Label the x axis, with ticks at integers."""
    axes.set_xlabel(name)
    axes.xaxis.get_major_locator().set_params(integer=True)


def composition(pool: Mapping[str, int], selected: Mapping[str, int], path: Path) -> Path:
    """Draw the shares of domains among candidates and selected rows, from the number of rows of each domain."""
    commonest = (name for each in (selected, pool) for name in sorted(each, key=lambda name: (-each[name], name)))
    names = list(dict.fromkeys(commonest))[:_MOST_BARS]
    figure, axes = _canvas("Domains: candidates and selection", 1.4 + 0.28 * len(names))
    at = np.arange(len(names))
    for each, offset, colour, label in ((pool, 0.2, _GREY, "candidates"), (selected, -0.2, _ORANGE, "selected")):
        shares = [100 * each.get(name, 0) / sum(each.values()) for name in names]
        axes.barh(at - offset, shares, 0.38, color=colour, label=label)
    _names(axes, names)
    axes.set_xlabel("% of rows")
    _legend_below(figure)
    return _save(figure, path)


def distances(domains: Sequence[MeasuredDomain], path: Path) -> Path:
    """Draw the distance of each domain, nearest first; domains that triage left out are grey."""
    nearest = domains[:_MOST_BARS]
    left_out = f" (nearest {len(nearest)} of {len(domains)})" if len(nearest) < len(domains) else ""
    figure, axes = _canvas(f"Transport distance to the target{left_out}", 1.2 + 0.28 * len(nearest))
    colours = [_ORANGE if domain.kept else _GREY for domain in nearest]
    # Points, not bars, as the axis does not start at 0.
    axes.scatter([domain.distance for domain in nearest], range(len(nearest)), s=36, color=colours, zorder=2)
    _names(axes, [domain.domain for domain in nearest])
    axes.grid(axis="y", color=_GREY, alpha=0.3)
    grey = "" if all(domain.kept for domain in nearest) else "; grey: left out"
    axes.set_xlabel(f"entropic transport cost{grey}")
    return _save(figure, path)


def scores(values: np.ndarray, cut: float, path: Path) -> Path:
    """Draw a histogram of scores (`[n]`), and the cut below which rows are selected."""
    figure, axes = _canvas("Score of every candidate (selected: left of the mark)")
    axes.hist(values, bins=100, color=_BLUE)
    axes.axvline(cut, color=_ORANGE, lw=2)
    axes.set_xlabel("score")
    axes.set_ylabel("candidates")
    return _save(figure, path)


def difference(changed: Difference, path: Path) -> Path:
    """Draw the rows added to and dropped from a selection, by domain."""
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
    """Draw the marginal error of each pass, with a colour per sample size."""
    import matplotlib as mpl

    figure, axes = _canvas("Marginal error, pass by pass")
    sizes = sorted({int(h[0]) for h in history})
    colours = mpl.colormaps["viridis"](np.linspace(0.65, 0.3, len(sizes)))  # legible on light and dark pages
    for size, colour in zip(sizes, colours, strict=True):
        points = [(i + 1, h[2]) for i, h in enumerate(history) if int(h[0]) == size]
        axes.semilogy(*zip(*points, strict=True), "o-", color=colour, ms=4, label=f"{size:,} candidates")
    axes.axhline(tolerance, color=_GREY, ls="--", lw=1)
    axes.yaxis.set_major_formatter("{x:g}")  # the default formatter writes powers as TeX
    axes.yaxis.set_minor_formatter(mpl.ticker.LogFormatter())
    _whole_steps(axes, "pass")
    axes.set_ylabel("L1 error of the target marginal")
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def curve(points: Sequence[Mapping[str, float]], title: str, path: Path) -> Path:
    """Draw the training loss, and the validation loss if there is one."""
    figure, axes = _canvas(title, 2.6)
    for name, colour in (("loss", _BLUE), ("eval_loss", _ORANGE)):
        line = [(point["step"], point[name]) for point in points if name in point]
        if line:
            axes.plot(*zip(*line, strict=True), "o-", ms=3, color=colour, label=name)
    _whole_steps(axes, "step")
    if axes.lines:  # matplotlib warns of an empty legend
        axes.legend(frameon=False)
    return _save(figure, path)


def scorecard(
    summary: dict[str, dict[str, Interval]], seeds: dict[str, list[float]], metric: str, chosen: str, path: Path
) -> Path:
    """Draw the main metric of every selector: mean, interval, and a dot per seed."""
    figure, axes = _canvas(f"{metric} on test (mean, 95 % interval, dots: seeds)", 1.0 + 0.45 * len(summary))
    low, high = range_of(metric)
    for row, (selector, metrics) in enumerate(summary.items()):
        value, colour = metrics[metric], _ORANGE if selector == chosen else _BLUE
        width = 0.0 if np.isnan(value.half_width) else value.half_width
        ends = [[min(width, value.mean - low)], [min(width, high - value.mean)]]  # within the metric's range
        axes.errorbar(value.mean, row, xerr=ends, fmt="o", ms=7, capsize=4, color=colour)
        values = seeds.get(selector, [])
        axes.plot(values, [row + 0.22] * len(values), "o", ms=3.5, color=colour, alpha=0.6, mew=0)
        axes.annotate(
            f"{value.mean:.4g}", (value.mean, row), (0, 8), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_ylim(-0.6, len(summary) - 0.3)
    _within(axes.set_xlim, axes.get_xlim(), (low, high))
    _names(axes, [shown(selector) for selector in summary])
    axes.grid(axis="x", color=_GREY, alpha=0.3)
    return _save(figure, path)


def _within(set_limits: Any, limits: tuple[float, float], possible: tuple[float, float]) -> None:
    """Limit an axis to slightly more than the metric's range."""
    room = 0.02 * (limits[1] - limits[0])
    set_limits(max(limits[0], possible[0] - room), min(limits[1], possible[1] + room))


def lines(curves: dict[str, list[tuple[float, Interval]]], x_label: str, metric: str, path: Path) -> Path:
    """Draw a curve: a line with error bars for each selector."""
    figure, axes = _canvas(f"{metric} by {x_label}")
    for selector, points in curves.items():
        xs, values = zip(*points, strict=True)
        halves = [0.0 if np.isnan(value.half_width) else value.half_width for value in values]
        low, high = range_of(metric)
        below = [min(half, value.mean - low) for half, value in zip(halves, values, strict=True)]
        widths = [below, [min(half, high - value.mean) for half, value in zip(halves, values, strict=True)]]
        means, label = [value.mean for value in values], plain.name(shown(selector), _NAME_CHARS)
        axes.errorbar(xs, means, yerr=widths, fmt="o-", ms=4, capsize=3, label=label)
    axes.set_xlabel(x_label)
    axes.grid(color=_GREY, alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def costs(seconds: dict[str, list[float]], path: Path) -> Path:
    """Draw the mean seconds of selection, warm-up and fine-tuning of each selector."""
    figure, axes = _canvas("Seconds of a run, by part", 1.1 + 0.4 * len(seconds))
    at, parts = np.arange(len(seconds)), np.array(list(seconds.values()))
    starts = np.cumsum(parts, axis=1) - parts
    for number, (label, colour) in enumerate(zip(COSTS, (_GREY, _ORANGE, _BLUE), strict=True)):
        axes.barh(at, parts[:, number], 0.6, left=starts[:, number], color=colour, label=label)
    _names(axes, [shown(selector) for selector in seconds])
    axes.set_xlabel("seconds")
    _legend_below(figure)
    return _save(figure, path)


def pca_map(points: PcaMap, path: Path) -> Path:
    """Draw candidates, target and picks on two principal components."""
    figure, axes = _canvas("Candidates, target and picks on two principal components", 4.6)
    axes.plot(*points.pool.T, ".", ms=3.5, color=_GREY, mew=0, alpha=0.85, label=f"{len(points.pool):,} candidates")
    axes.plot(*points.picks.T, ".", ms=4.5, color=_ORANGE, mew=0, label=f"{len(points.picks):,} picks")
    axes.plot(*points.target.T, "+", ms=4.5, color=_BLUE, mew=1.1, label=f"{len(points.target):,} rows of the target")
    for name, set_label, share in zip(
        ("First", "Second"), (axes.set_xlabel, axes.set_ylabel), points.explained, strict=True
    ):
        set_label(f"{name} component, {share:.1%} of the variance")
    _legend_below(figure)
    return _save(figure, path)
