"""Figures as small PNG files.

Belongs here: one function a figure, data in, file out. Does not: reading tables.
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from getmore_assets.reporting.statistics import Interval
from getmore_assets.reselection.drift import Difference

_BLUE, _ORANGE, _GREY = "#2f6db3", "#e07b39", "#9aa4ad"
_MOST_BARS = 12
_STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}


def as_markdown(path: Path) -> str:
    """A PNG as Markdown that carries it inline."""
    return f"![{path.stem}](data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()})"


def _canvas(title: str, height: float = 3.0) -> tuple[Any, Any]:
    # Matplotlib takes a second to load: only where something is drawn, not where a station finds nothing to do.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=(6.4, height), dpi=96, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left")
    return figure, axes


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, format="png")
    return path


def composition(pool: pl.DataFrame, selected: pl.DataFrame, path: Path) -> Path:
    """Shares of domains in the pool and in the selection."""
    names = selected["domain"].value_counts(sort=True)["domain"].to_list()
    names = (names + [n for n in pool["domain"].value_counts(sort=True)["domain"] if n not in names])[:_MOST_BARS]
    figure, axes = _canvas("Domains: pool and selection", 1.2 + 0.28 * len(names))
    at = np.arange(len(names))
    for frame, offset, colour, label in ((pool, 0.2, _GREY, "pool"), (selected, -0.2, _ORANGE, "selected")):
        shares = [100 * (frame["domain"] == name).sum() / frame.height for name in names]
        axes.barh(at - offset, shares, 0.38, color=colour, label=label)
    axes.set_yticks(at, names)
    axes.invert_yaxis()
    axes.set_xlabel("% of rows")
    axes.legend(frameon=False)
    return _save(figure, path)


def distances(domains: list[dict[str, Any]], path: Path) -> Path:
    """How far each domain is, nearest first; those that are kept in colour."""
    shown = domains[:_MOST_BARS]
    left_out = f" (nearest {len(shown)} of {len(domains)})" if len(shown) < len(domains) else ""
    figure, axes = _canvas(f"Transport distance to the target{left_out}", 1.2 + 0.28 * len(shown))
    colours = [_ORANGE if one["kept"] else _GREY for one in shown]
    axes.barh(range(len(shown)), [one["distance"] for one in shown], 0.7, color=colours)
    axes.set_yticks(range(len(shown)), [one["domain"] for one in shown])
    axes.invert_yaxis()
    axes.set_xlim(left=min(0.9 * one["distance"] for one in shown))
    axes.set_xlabel("entropic transport cost (axis cut; orange: kept)")
    return _save(figure, path)


def scores(values: np.ndarray, cut: float, path: Path) -> Path:
    """The distribution of scores, with the cut below which rows are selected."""
    figure, axes = _canvas("Calibrated gradient of every candidate (selected: left of the line)")
    axes.hist(values, bins=100, color=_BLUE)
    axes.axvline(cut, color=_ORANGE, lw=2)
    axes.set_xlabel("score")
    axes.set_ylabel("candidates")
    return _save(figure, path)


def difference(changed: Difference, path: Path) -> Path:
    """Rows that came into the selection and rows that left it, by domain."""
    names = list(dict.fromkeys([*changed.domains_added, *changed.domains_dropped]))[:_MOST_BARS]
    title = (
        f"Against the last selection: {changed.added} rows in, {changed.dropped} out (Jaccard {changed.jaccard:.3f})"
    )
    figure, axes = _canvas(title, 1.2 + 0.28 * len(names))
    for counts, sign, colour, label in (
        (changed.domains_added, 1, _ORANGE, "in"),
        (changed.domains_dropped, -1, _GREY, "out"),
    ):
        axes.barh(range(len(names)), [sign * counts.get(name, 0) for name in names], 0.7, color=colour, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0, color="black", lw=0.8)
    axes.set_xlabel("rows")
    axes.legend(frameon=False)
    return _save(figure, path)


def convergence(history: list[list[float]], tolerance: float, path: Path) -> Path:
    """The marginal error of each pass; a colour for each sample size."""
    import matplotlib as mpl

    figure, axes = _canvas("Marginal error, pass by pass")
    sizes = sorted({int(h[0]) for h in history})
    colours = mpl.colormaps["viridis"](np.linspace(0.85, 0.1, len(sizes)))
    for size, colour in zip(sizes, colours, strict=True):
        points = [(i + 1, h[2]) for i, h in enumerate(history) if int(h[0]) == size]
        axes.semilogy(*zip(*points, strict=True), "o-", color=colour, ms=4, label=f"{size:,} candidates")
    axes.axhline(tolerance, color=_GREY, ls="--", lw=1)
    axes.set_xlabel("pass")
    axes.set_ylabel("L1 error of the target marginal")
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def curve(points: list[dict[str, float]], title: str, path: Path) -> Path:
    """Training loss, and validation loss where it was watched."""
    figure, axes = _canvas(title, 2.6)
    for name, colour in (("loss", _BLUE), ("eval_loss", _ORANGE)):
        found = [(p["step"], p[name]) for p in points if name in p]
        if found:
            axes.plot(*zip(*found, strict=True), "o-", ms=3, color=colour, label=name)
    axes.set_xlabel("step")
    axes.legend(frameon=False)
    return _save(figure, path)


def scorecard(summary: dict[str, dict[str, Interval]], metric: str, chosen: str, path: Path) -> Path:
    """The judged metric of every selector, with its interval."""
    figure, axes = _canvas(f"{metric} on the target's test split (mean, 95 % interval)", 1.0 + 0.45 * len(summary))
    for row, (selector, metrics) in enumerate(summary.items()):
        found = metrics[metric]
        width = 0.0 if np.isnan(found.half_width) else found.half_width
        axes.errorbar(
            found.mean, row, xerr=width, fmt="o", ms=7, capsize=4, color=_ORANGE if selector == chosen else _BLUE
        )
        axes.annotate(
            f"{found.mean:.4g}", (found.mean, row), (0, 8), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_yticks(range(len(summary)), ["no warm-up" if s == "none" else s for s in summary])
    axes.set_ylim(-0.6, len(summary) - 0.3)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    return _save(figure, path)


def lines(curves: dict[str, list[tuple[float, Interval]]], along: str, metric: str, path: Path) -> Path:
    """A metric along something, a line with error bars for each selector."""
    figure, axes = _canvas(f"{metric} by {along}")
    for selector, points in curves.items():
        xs, found = zip(*points, strict=True)
        widths = [0.0 if np.isnan(one.half_width) else one.half_width for one in found]
        label = "no warm-up" if selector == "none" else selector
        axes.errorbar(xs, [one.mean for one in found], yerr=widths, fmt="o-", ms=4, capsize=3, label=label)
    axes.set_xlabel(along)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)
