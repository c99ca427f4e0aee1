"""Drives the UI as a user would, in a headless browser, and takes the pictures of the README.

Needs `pip install playwright`, a Chromium (its path in CHROMIUM), and `make dev` on a lake where `make demo` ran.

    python docs/tour.py http://127.0.0.1:3000 http://127.0.0.1:5000 docs/images
"""

import os
import re
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
GROUPS = ("corpus", "transport", "selection", "models", "proof")
SHOWN = {"selected_subset": "composition", "ot_potentials": "convergence", "scorecard": "scorecard"}


def shot(page: Page, folder: Path, name: str) -> None:
    """One picture, once nothing moves any more."""
    page.wait_for_timeout(2500)
    page.screenshot(path=folder / f"{name}.png")
    print(folder / f"{name}.png", flush=True)


def graph(page: Page, base: str, folder: Path) -> None:
    """The line, every group open."""
    opened = ",".join(f"global%40global%3A{group}" for group in GROUPS)
    page.goto(f"{base}/asset-groups?expanded={opened}")
    page.get_by_text("scorecard").first.wait_for(state="attached", timeout=60_000)
    shot(page, folder, "graph")


def materialise(page: Page, base: str, folder: Path) -> None:
    """Start a materialisation of selected_subset by hand, and watch it to its end."""
    page.goto(f"{base}/assets/selected_subset")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("dialog").get_by_text("All", exact=True).click()
    shot(page, folder, "launch")
    started = time.monotonic()
    page.get_by_role("button", name=re.compile("^Launch")).last.click()
    deadline = time.monotonic() + 180
    while True:
        page.wait_for_timeout(3000)
        page.goto(f"{base}/runs")
        page.wait_for_timeout(3000)
        idle = page.get_by_text("In progress (0)").count() and page.get_by_text("Queued (0)").count()
        if idle and time.monotonic() - started > 30:
            break
        assert time.monotonic() < deadline, "the run did not end"
    assert page.get_by_text("Failure").count() == 0
    shot(page, folder, "runs")


def figures(page: Page, base: str, folder: Path) -> None:
    """The figures in the metadata of the latest materialisations."""
    for asset, figure in SHOWN.items():
        page.goto(f"{base}/assets/{asset}?view=events")
        page.get_by_text("delta_version").first.wait_for(timeout=60_000)
        page.get_by_text("Show Markdown").first.wait_for(timeout=10_000)
        shot(page, folder, asset)
        page.get_by_text("Show Markdown").first.click()
        shot(page, folder, f"{asset}-{figure}")


def tour(dagster: str, mlflow: str, folder: Path) -> None:
    """The graph; a materialisation started by hand; the figures; the runs in MLflow."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 2300, "height": 1350})
        graph(page, dagster, folder)
        materialise(page, dagster, folder)
        figures(page, dagster, folder)
        page.goto(f"{mlflow}/#/experiments")
        shot(page, folder, "mlflow")
        browser.close()


if __name__ == "__main__":
    tour(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
