"""Drives the UI as a user would, in a headless browser, and takes the pictures of the README.

Needs `pip install playwright`, a Chromium (its path in CHROMIUM), and `make dev` on a lake where `make demo` ran.

    python docs/tour.py http://127.0.0.1:3000 docs/images
"""

import os
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


def shot(page: Page, folder: Path, name: str) -> None:
    """One picture, once nothing moves any more."""
    page.wait_for_timeout(1500)
    page.screenshot(path=folder / f"{name}.png")
    print(folder / f"{name}.png", flush=True)


def tour(base: str, folder: Path, partition: str) -> None:
    """The graph; a materialisation started by hand and watched to its end; the figures in the metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(f"{base}/locations/getmore_assets/jobs/run")
        page.get_by_text("scorecard").first.wait_for(timeout=60_000)
        shot(page, folder, "graph")

        page.goto(f"{base}/assets/selected_subset?view=overview")
        page.get_by_role("button", name="Materialize").first.click()
        page.get_by_text("Launch run").first.wait_for()
        page.get_by_placeholder("Select a partition").first.fill(partition) if page.get_by_placeholder(
            "Select a partition"
        ).count() else None
        shot(page, folder, "launch")
        page.get_by_role("button", name="Launch run").last.click()
        page.wait_for_timeout(3000)

        page.goto(f"{base}/runs")
        deadline = time.monotonic() + 120
        while page.get_by_text("Success").count() == 0:
            assert time.monotonic() < deadline, "the run did not end in success"
            page.wait_for_timeout(2000)
            page.reload()
        shot(page, folder, "runs")
        for name in ("selected_subset", "ot_potentials", "scorecard"):
            page.goto(f"{base}/assets/{name}?view=partitions&partition={partition}")
            page.get_by_text("delta_version").first.wait_for(timeout=60_000)
            shot(page, folder, name)
        browser.close()


if __name__ == "__main__":
    tour(sys.argv[1], Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "demo")
