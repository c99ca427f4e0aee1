"""Drives the UI as a user would, in a headless browser, says what held, and takes the pictures of the README.

Needs `pip install playwright`, a Chromium (its path in CHROMIUM), and `make dev` on a lake where `make demo` ran.

    python -m docs.tour http://127.0.0.1:3000 http://127.0.0.1:5000 docs/images [part]...

Parts: graph columns materialise jobs figures mlflow report; all without one, in this order. `materialise` makes the
demo's subset again, with other launchpad values, and with the values of the task file after it. Pictures that no page
shows go to the folder's `tour`, to be looked at.
"""

import base64
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Error, FloatRect, Page, ViewportSize, sync_playwright

from getmore_assets.records import STAGE_NAMES
from tests.drives import report as report_drive

GROUPS = ("corpus", "transport", "selection", "models", "proof")
#: A stage and its figure: what the window that shows it is called, and the figure alone where a page has that too.
SHOWN = {
    ("selected_subset", "composition"): ("ui-figure", "demo-composition"),
    ("ot_potentials", "convergence"): ("tour/convergence", None),
    ("scorecard", "scorecard"): ("tour/scorecard-figure", None),
}
TARGET = os.environ.get("TOUR_TARGET", "demo")
CHANGED = "selection.budget.rows=600"
PATIENCE_S = 600
WINDOW: ViewportSize = {"width": 1600, "height": 1000}


class Tour:
    """One browser, both UIs, a folder for pictures, and what held."""

    def __init__(self, page: Page, dagster: str, mlflow: str, folder: Path) -> None:
        self.page, self.dagster, self.mlflow, self.folder = page, dagster, mlflow, folder
        self.failed: list[str] = []
        self.place: Path | None = None

    def said(self, what: str, held: bool) -> None:
        """Say whether something held."""
        print("holds " if held else "FAILS ", what, flush=True)
        if not held:
            self.failed.append(what)

    def shot(self, name: str, clip: FloatRect | None = None) -> None:
        """One picture, once nothing moves any more; of a part of the window, or of all of it."""
        self.page.wait_for_timeout(2500)
        self.page.screenshot(path=self.folder / f"{name}.png", clip=clip)
        print(self.folder / f"{name}.png", flush=True)

    def graph(self) -> None:
        """The line, every group open, in a window of its own shape: the page fits a graph by its width only."""
        page = self.page
        page.set_viewport_size({"width": 2000, "height": 1900})
        opened = ",".join(f"global%40global%3A{group}" for group in GROUPS)
        page.goto(f"{self.dagster}/asset-groups?expanded={opened}")
        page.get_by_text("scorecard").first.wait_for(state="attached")
        page.get_by_role("button", name="Hide navigation").click()
        page.get_by_role("img", name="panel_show_right").click()
        page.locator("[data-svg-viewport]").dblclick(position={"x": 500, "y": 100})  # fits it to the window
        page.wait_for_timeout(5000)
        nodes = page.locator("[class*=minimalAssetNodeBox]")
        made = page.locator("[class*=minimalAssetNodeBox][style*=accent-green]")
        made.nth(len(STAGE_NAMES) - 1).wait_for()
        named = [page.locator("[class*=minimalName]", has_text=name).count() > 0 for name in STAGE_NAMES]
        known = all(named) and nodes.count() == len(STAGE_NAMES)
        self.said("graph: the stages are there, each shown as made, and no other", known)
        boxes = [box for one in page.locator("[data-svg-viewport] foreignObject").all() if (box := one.bounding_box())]
        left, top = min(box["x"] for box in boxes) - 12, min(box["y"] for box in boxes) - 12
        right = max(box["x"] + box["width"] for box in boxes) + 12
        bottom = max(box["y"] + box["height"] for box in boxes) + 12
        self.shot("tour/graph", {"x": left, "y": top, "width": right - left, "height": bottom - top})
        page.set_viewport_size(WINDOW)

    def columns(self) -> None:
        """An asset says what its columns hold, and who owns it."""
        self.page.goto(f"{self.dagster}/assets/selected_subset")
        self.page.get_by_text("place in the selection, from 1").first.wait_for()
        said = self.page.get_by_text("the rows of target train that are nearest to it").count()
        self.said("columns: meanings are shown", said > 0)
        self.said("columns: the owner is shown", self.page.get_by_text("getmore", exact=True).count() > 0)
        self.shot("tour/columns")

    def materialise(self) -> None:
        """The subset with a changed launchpad value, watched to its end; then again as the task file has it."""
        for changes in (CHANGED, ""):
            asked = changes or "the task file's values"
            ended = self._end_of(self._launch(changes))
            self.said(f"materialise: the run with {asked} ended with {ended}", ended == "SUCCESS")
            self.page.get_by_text("Success", exact=True).first.wait_for()
            if changes:
                self.shot("tour/materialise-run")
            rows = self._rows()
            self.said(f"materialise: {asked} gave {rows} rows", (rows == CHANGED.partition("=")[2]) == bool(changes))
            if changes:
                self.shot("tour/materialise-made")

    def _events(self, asset: str) -> None:
        """Open an asset's page at its latest materialisation."""
        self.page.goto(f"{self.dagster}/assets/{asset}?view=events")
        self.page.locator("tr", has_text="materialized_in_run").first.wait_for()

    def _rows(self) -> str:
        """How many rows the latest selection has, as its page says."""
        self._events("selected_subset")
        return self.page.locator("tr", has_text="dagster/row_count").locator("td").nth(1).inner_text().strip()

    def _launch(self, changes: str) -> str:
        """Materialise the target's subset from the launchpad, with changes to the task file; the run's id."""
        page = self.page
        self._events("selected_subset")
        page.locator("button", has=page.get_by_role("img", name="arrow_drop_down")).first.click()
        page.get_by_text("Open launchpad").click()
        launchpad = page.get_by_role("dialog")
        launchpad.get_by_text("No errors").wait_for()
        partition, target = launchpad.get_by_placeholder("Partition"), page.get_by_role("menuitem", name=TARGET)
        for _ in range(20):  # what is typed before the page knows the targets finds none
            partition.fill("")
            partition.fill(TARGET)
            page.wait_for_timeout(2000)
            if target.count():
                break
        target.first.click()
        launchpad.get_by_text(f"partition: {TARGET}").wait_for()
        launchpad.locator(".CodeMirror-line", has_text="overrides").click()
        for key in ("Home", "Shift+End"):  # the line may hold what was asked for last
            page.keyboard.press(key)
        page.keyboard.insert_text(f"overrides: [{changes}]")
        launchpad.get_by_text("changes to the task file").wait_for()
        if changes:
            self.shot("tour/materialise-launchpad")
        launchpad.get_by_role("button", name="Materialize").click()
        page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
        run: str = re.findall(r"/runs/([0-9a-f-]{36})", page.url)[0]
        return run

    def _end_of(self, run: str) -> str:
        """A run's status, once it has ended."""
        query, began = f'{{runOrError(runId: "{run}") {{... on Run {{status}}}}}}', time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            answer = self.page.request.post(f"{self.dagster}/graphql", data={"query": query}).json()
            status: str = answer["data"]["runOrError"]["status"]
            if status in ("SUCCESS", "FAILURE", "CANCELED"):
                return status
            self.page.wait_for_timeout(3000)
        return "no end"

    def jobs(self) -> None:
        """A job for each verb, and launchpad fields that say what they are."""
        page = self.page
        page.goto(f"{self.dagster}/jobs")
        page.get_by_text("reproduce").first.wait_for()
        verbs = ("plan", "select", "run", "compare", "explain", "export", "check", "approve", "reproduce")
        self.said("jobs: one for each verb", all(page.get_by_text(v, exact=True).count() for v in verbs))
        self.shot("tour/jobs")
        page.locator("a[href$='/jobs/export']").first.click()
        page.get_by_role("tab", name="Launchpad").click()
        page.get_by_text("formats").first.click()
        meant = page.get_by_text("all candidates with their scores").first
        meant.wait_for()
        self.said("jobs: the launchpad says what each field means", meant.is_visible())
        self.shot("tour/jobs-launchpad")

    def figures(self) -> None:
        """The figures in the metadata of the latest materialisations."""
        for (asset, figure), (window, alone) in SHOWN.items():
            self._events(asset)
            self.shot(f"tour/{asset}")
            named = self.page.get_by_role("cell", name=figure, exact=True)
            self.page.locator("tr", has=named).get_by_text("Show Markdown").click()
            drawn = self.page.locator("img[src^='data:image/png']").first
            drawn.wait_for()
            wide = drawn.evaluate("image => image.decode().then(() => image.naturalWidth)")
            self.said(f"figures: {figure} of {asset} is drawn", wide > 0)
            self.shot(window)
            if alone:
                said = (drawn.get_attribute("src") or "").partition(",")[2]
                (self.folder / f"{alone}.png").write_bytes(base64.b64decode(said))

    def across(self) -> None:
        """From a model's materialisation to its MLflow run, and from there back to the Dagster run."""
        page = self.page
        self._events("warmed_model")
        link = page.locator(f"a[href^='{self.mlflow}']").first
        link.wait_for()
        page.goto(link.get_attribute("href") or "")
        back = page.locator(f"a[href^='{self.dagster}/runs/']").first
        back.wait_for()
        self.shot("tour/mlflow")
        run = (back.get_attribute("href") or "").rpartition("/")[2]
        page.goto(f"{self.dagster}/runs/{run}")
        page.get_by_text(run[:8]).first.wait_for()
        self.said("mlflow: a link to the run, and a link back to the run that made it", page.url.endswith(run))
        self.shot("tour/mlflow-run")

    def report(self) -> None:
        """Where the report lies that the scorecard names."""
        self._events("scorecard")
        place = self.page.get_by_text(re.compile(r"^/.*/report\.html$")).first
        place.wait_for()
        self.place = Path(place.inner_text().strip())
        self.said("report: the scorecard names it", self.place.is_file())


def main(dagster: str, mlflow: str, folder: Path, parts: list[str]) -> None:
    """Go through the parts; ends with 1 where something did not hold."""
    (folder / "tour" / "report").mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=report_drive.FLAGS)
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(120_000)  # a busy machine is not a page that lacks something
        tour = Tour(page, dagster.rstrip("/"), mlflow.rstrip("/"), folder)
        every: dict[str, Callable[[], None]] = {
            "graph": tour.graph,
            "columns": tour.columns,
            "materialise": tour.materialise,
            "jobs": tour.jobs,
            "figures": tour.figures,
            "mlflow": tour.across,
            "report": tour.report,
        }
        for name, part in every.items():
            if not parts or name in parts:
                try:
                    part()
                except Error as error:  # what is not there is one thing that does not hold; the other parts still may
                    tour.said(f"{name}: {error.message}", held=False)
        browser.close()
    if tour.place is not None:  # in a browser of its own, as a reader would open it
        report_drive.drive(tour.place, folder / "tour" / "report", tour.said)
    sys.exit(1 if tour.failed else 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
