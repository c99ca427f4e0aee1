"""Drives the UI as a user would, in a headless browser, says what held, and takes the pictures of the README.

Needs `pip install playwright`, a Chromium (its path in CHROMIUM), and `make dev` on a lake where `make demo` ran.

    python -m docs.tour http://127.0.0.1:3000 http://127.0.0.1:5000 docs/images [part]...

Parts: graph columns materialise jobs figures mlflow report; all without one, in this order. `materialise` makes the
demo's subset again, with other launchpad values, and with the values of the task file after it.
"""

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import yaml
from playwright.sync_api import Page, sync_playwright

from tests.drives import report as report_drive

GROUPS = ("corpus", "transport", "selection", "models", "proof")
SHOWN = {"selected_subset": "composition", "ot_potentials": "convergence", "scorecard": "scorecard"}
TARGET = os.environ.get("TOUR_TARGET", "demo")
CHANGED = "selection.budget.rows=600"
PATIENCE_S = 600


class Tour:
    """One browser, both UIs, a folder for pictures, and what held."""

    def __init__(self, page: Page, dagster: str, mlflow: str, folder: Path) -> None:
        self.page, self.dagster, self.mlflow, self.folder = page, dagster, mlflow, folder
        self.failed: list[str] = []

    def said(self, what: str, held: bool) -> None:
        """Say whether something held."""
        print("holds " if held else "FAILS ", what, flush=True)
        if not held:
            self.failed.append(what)

    def shot(self, name: str) -> None:
        """One picture, once nothing moves any more."""
        self.page.wait_for_timeout(2500)
        self.page.screenshot(path=self.folder / f"{name}.png")
        print(self.folder / f"{name}.png", flush=True)

    def graph(self) -> None:
        """The line, every group open."""
        opened = ",".join(f"global%40global%3A{group}" for group in GROUPS)
        self.page.goto(f"{self.dagster}/asset-groups?expanded={opened}")
        self.page.get_by_text("scorecard").first.wait_for(state="attached", timeout=60_000)
        there = [self.page.get_by_text(name).count() > 0 for name in ("raw_corpus", "ot_potentials", "warmed_model")]
        self.said("graph: the stations are there", all(there))
        self.shot("graph")

    def columns(self) -> None:
        """An asset says what its columns hold, and who owns it."""
        self.page.goto(f"{self.dagster}/assets/selected_subset")
        self.page.get_by_text("nearest_target_ids").first.wait_for(timeout=60_000)
        said = self.page.get_by_text("place in the selection, from 1").count()
        self.said("columns: meanings are shown", said > 0)
        self.said("columns: the owner is shown", self.page.get_by_text("getmore").count() > 0)
        self.shot("columns")

    def materialise(self) -> None:
        """The subset with a changed launchpad value, watched to its end; then again as the task file has it."""
        for changes in ([CHANGED], []):
            run = self._launch(changes, picture=bool(changes))
            held = self._end_of(run) == "SUCCESS"
            self.said(f"materialise: the run with {changes or 'no change'} ended well", held)
            if changes:
                self.shot("runs")
                self.page.goto(f"{self.dagster}/assets/selected_subset?view=events")
                self.page.get_by_text("delta_version").first.wait_for(timeout=60_000)
                rows = self.page.get_by_text(re.compile(r"^600$")).count()
                self.said("materialise: the changed value was met", rows > 0)

    def _launch(self, changes: list[str], picture: bool) -> str:
        """Fill the launchpad of the job `select` and start it; the run's id."""
        page = self.page
        page.goto(f"{self.dagster}/jobs")
        job = page.locator("a[href$='/jobs/select']").first
        job.wait_for(timeout=60_000)
        config = yaml.safe_dump({"resources": {"line": {"config": {"overrides": changes}}}})
        asked = {"config": config, "tags[0][key]": "dagster/partition", "tags[0][value]": TARGET}
        page.goto(f"{self.dagster}{job.get_attribute('href')}/playground/setup?{urlencode(asked)}")
        button = page.get_by_role("button", name=re.compile("launch run", re.IGNORECASE)).first
        button.wait_for(timeout=60_000)
        page.wait_for_timeout(5000)  # the page checks the values
        if picture:
            self.shot("launch")
        button.click()
        page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"), timeout=60_000)
        return re.findall(r"/runs/([0-9a-f-]{36})", page.url)[0]

    def _end_of(self, run: str) -> str:
        """A run's status, once it has ended."""
        query, began = f'{{runOrError(runId: "{run}") {{... on Run {{status}}}}}}', time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            answer = self.page.request.post(f"{self.dagster}/graphql", data={"query": query}).json()
            status: str = answer["data"]["runOrError"]["status"]
            if status in ("SUCCESS", "FAILURE", "CANCELED"):
                return status
            self.page.wait_for_timeout(3000)
        return "did not end"

    def jobs(self) -> None:
        """A job for each verb, and launchpad fields that say what they are."""
        self.page.goto(f"{self.dagster}/jobs")
        self.page.get_by_text("reproduce").first.wait_for(timeout=60_000)
        verbs = ("plan", "select", "run", "compare", "explain", "export", "check", "approve", "reproduce")
        self.said("jobs: one for each verb", all(self.page.get_by_text(v, exact=True).count() for v in verbs))
        self.shot("jobs")

    def figures(self) -> None:
        """The figures in the metadata of the latest materialisations."""
        for asset, figure in SHOWN.items():
            self.page.goto(f"{self.dagster}/assets/{asset}?view=events")
            self.page.get_by_text("delta_version").first.wait_for(timeout=60_000)
            self.page.get_by_text("Show Markdown").first.wait_for(timeout=10_000)
            self.shot(asset)
            self.page.get_by_text("Show Markdown").first.click()
            self.page.wait_for_timeout(1000)
            drawn = self.page.locator("img[src^='data:image/png']").first
            self.said(f"figures: {figure} of {asset} is drawn", drawn.evaluate("image => image.naturalWidth") > 0)
            self.shot(f"{asset}-{figure}")

    def across(self) -> None:
        """From a model's materialisation to its MLflow run, and from there back to the Dagster run."""
        page = self.page
        page.goto(f"{self.dagster}/assets/warmed_model?view=events")
        link = page.locator(f"a[href^='{self.mlflow}']").first
        link.wait_for(timeout=60_000)
        page.goto(link.get_attribute("href") or "")
        back = page.locator(f"a[href^='{self.dagster}/runs/']").first
        back.wait_for(timeout=60_000)
        self.shot("mlflow")
        run = (back.get_attribute("href") or "").rpartition("/")[2]
        page.goto(f"{self.dagster}/runs/{run}")
        page.get_by_text(run[:8]).first.wait_for(timeout=60_000)
        self.said("mlflow: a link to the run, and a link back to the run that made it", page.url.endswith(run))
        self.shot("run")

    def report(self) -> Path:
        """The page that the scorecard names."""
        self.page.goto(f"{self.dagster}/assets/scorecard?view=events")
        place = self.page.get_by_text(re.compile(r"^/.*/report\.html$")).first
        place.wait_for(timeout=60_000)
        return Path(place.inner_text().strip())


def main(dagster: str, mlflow: str, folder: Path, parts: list[str]) -> None:
    """Go through the parts; ends with 1 where something did not hold."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=report_drive.FLAGS)
        page = browser.new_page(viewport={"width": 2300, "height": 1350})
        tour = Tour(page, dagster.rstrip("/"), mlflow.rstrip("/"), folder)
        every: dict[str, Callable[[], None]] = {
            "graph": tour.graph,
            "columns": tour.columns,
            "materialise": tour.materialise,
            "jobs": tour.jobs,
            "figures": tour.figures,
            "mlflow": tour.across,
        }
        for name, part in every.items():
            if not parts or name in parts:
                part()
        place = tour.report() if not parts or "report" in parts else None
        browser.close()
    if place is not None:  # in a browser of its own, as a reader would open it
        pictures = folder / "report"
        pictures.mkdir(exist_ok=True)
        report_drive.drive(place, pictures, tour.said)
    sys.exit(1 if tour.failed else 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
