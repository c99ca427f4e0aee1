"""Use Dagster's and MLflow's UI in a headless browser, check what they show, and take the screenshots of the README.

    python -m docs.tour http://127.0.0.1:3000 http://127.0.0.1:5000 docs/images [part]...

It needs `pip install playwright`, Chromium (its path in CHROMIUM), and `make dev` on a lake with the results of
`make demo`. Parts: graph columns materialise jobs figures mlflow report; by default all, in this order. `materialise`
materializes the demo's subset with other launchpad values, then with those of the task file. Screenshots that no page
shows are written to the subfolder `tour`.
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
#: By stage and figure: the name of the window's screenshot, and of the figure's image if a page shows it alone.
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
    """A browser, both UIs, the folder of screenshots, and the failed checks."""

    def __init__(self, page: Page, dagster: str, mlflow: str, folder: Path) -> None:
        self.page, self.dagster, self.mlflow, self.folder = page, dagster, mlflow, folder
        self.failed: list[str] = []
        self.place: Path | None = None

    def check(self, what: str, held: bool) -> None:
        """Print whether a check passed, and keep a failed one."""
        print("holds " if held else "FAILS ", what, flush=True)
        if not held:
            self.failed.append(what)

    def shot(self, name: str, clip: FloatRect | None = None) -> None:
        """Take a screenshot of the window, or of a part of it, after animations have ended."""
        self.page.wait_for_timeout(2500)
        self.page.screenshot(path=self.folder / f"{name}.png", clip=clip)
        print(self.folder / f"{name}.png", flush=True)

    def graph(self) -> None:
        """Show the graph with all groups expanded, in a large window, because the page fits a graph by its width."""
        page = self.page
        page.set_viewport_size({"width": 2000, "height": 1900})
        opened = ",".join(f"global%40global%3A{group}" for group in GROUPS)
        page.goto(f"{self.dagster}/asset-groups?expanded={opened}")
        page.get_by_text("scorecard").first.wait_for(state="attached")
        page.get_by_role("button", name="Hide navigation").click()
        page.get_by_role("img", name="panel_show_right").click()
        page.locator("[data-svg-viewport]").dblclick(position={"x": 500, "y": 100})  # fit the graph to the window
        page.wait_for_timeout(5000)
        nodes = page.locator("[class*=minimalAssetNodeBox]")
        materialized = page.locator("[class*=minimalAssetNodeBox][style*=accent-green]")
        materialized.nth(len(STAGE_NAMES) - 1).wait_for()
        named = [page.locator("[class*=minimalName]", has_text=name).count() > 0 for name in STAGE_NAMES]
        known = all(named) and nodes.count() == len(STAGE_NAMES)
        self.check("graph: all stages are shown as materialized, and no other asset is shown", known)
        boxes = [box for one in page.locator("[data-svg-viewport] foreignObject").all() if (box := one.bounding_box())]
        left, top = min(box["x"] for box in boxes) - 12, min(box["y"] for box in boxes) - 12
        right = max(box["x"] + box["width"] for box in boxes) + 12
        bottom = max(box["y"] + box["height"] for box in boxes) + 12
        self.shot("tour/graph", {"x": left, "y": top, "width": right - left, "height": bottom - top})
        page.set_viewport_size(WINDOW)

    def columns(self) -> None:
        """Show the columns and the owner of an asset."""
        self.page.goto(f"{self.dagster}/assets/selected_subset")
        self.page.get_by_text("rank in the selection, from 1").first.wait_for()
        described = self.page.get_by_text("the nearest rows of target train").count()
        self.check("columns: meanings are shown", described > 0)
        self.check("columns: the owner is shown", self.page.get_by_text("getmore", exact=True).count() > 0)
        self.shot("tour/columns")

    def materialise(self) -> None:
        """Materialize the subset with a changed launchpad value, then with the task file's values."""
        for changes in (CHANGED, ""):
            values = changes or "the task file's values"
            ended = self._end_of(self._launch(changes))
            self.check(f"materialise: the run with {values} ended with {ended}", ended == "SUCCESS")
            self.page.get_by_text("Success", exact=True).first.wait_for()
            if changes:
                self.shot("tour/materialise-run")
            rows = self._rows()
            self.check(f"materialise: {values} gave {rows} rows", (rows == CHANGED.partition("=")[2]) == bool(changes))
            if changes:
                self.shot("tour/materialise-made")

    def _events(self, asset: str) -> None:
        """Open an asset's page at its latest materialization."""
        self.page.goto(f"{self.dagster}/assets/{asset}?view=events")
        self.page.locator("tr", has_text="materialized_in_run").first.wait_for()

    def _rows(self) -> str:
        """Return the number of rows of the latest selection, from its page."""
        self._events("selected_subset")
        return self.page.locator("tr", has_text="dagster/row_count").locator("td").nth(1).inner_text().strip()

    def _launch(self, changes: str) -> str:
        """Materialize the target's subset from the launchpad, with changes to the task file; return the run's id."""
        page = self.page
        self._events("selected_subset")
        page.locator("button", has=page.get_by_role("img", name="arrow_drop_down")).first.click()
        page.get_by_text("Open launchpad").click()
        launchpad = page.get_by_role("dialog")
        launchpad.get_by_text("No errors").wait_for()
        partition, target = launchpad.get_by_placeholder("Partition"), page.get_by_role("menuitem", name=TARGET)
        for _ in range(20):  # typed before the page has loaded the targets, the text finds none
            partition.fill("")
            partition.fill(TARGET)
            page.wait_for_timeout(2000)
            if target.count():
                break
        target.first.click()
        launchpad.get_by_text(f"partition: {TARGET}").wait_for()
        launchpad.locator(".CodeMirror-line", has_text="overrides").click()
        for key in ("Home", "Shift+End"):  # the line may have the overrides of the last launch
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
        """Wait for the end of a run; return its status."""
        query, began = f'{{runOrError(runId: "{run}") {{... on Run {{status}}}}}}', time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            answer = self.page.request.post(f"{self.dagster}/graphql", data={"query": query}).json()
            status: str = answer["data"]["runOrError"]["status"]
            if status in ("SUCCESS", "FAILURE", "CANCELED"):
                return status
            self.page.wait_for_timeout(3000)
        return "no end"

    def jobs(self) -> None:
        """Show the jobs, and the descriptions of launchpad fields."""
        page = self.page
        page.goto(f"{self.dagster}/jobs")
        page.get_by_text("reproduce").first.wait_for()
        verbs = ("plan", "select", "run", "compare", "explain", "export", "check", "approve", "reproduce")
        self.check("jobs: one for each command", all(page.get_by_text(v, exact=True).count() for v in verbs))
        self.shot("tour/jobs")
        page.locator("a[href$='/jobs/export']").first.click()
        page.get_by_role("tab", name="Launchpad").click()
        page.get_by_text("formats").first.click()
        description = page.get_by_text("all candidates with their scores").first
        description.wait_for()
        self.check("jobs: the launchpad describes each field", description.is_visible())
        self.shot("tour/jobs-launchpad")

    def figures(self) -> None:
        """Show the figures in the metadata of the latest materializations."""
        for (asset, figure), (window, alone) in SHOWN.items():
            self._events(asset)
            self.shot(f"tour/{asset}")
            named = self.page.get_by_role("cell", name=figure, exact=True)
            self.page.locator("tr", has=named).get_by_text("Show Markdown").click()
            image = self.page.locator("img[src^='data:image/png']").first
            image.wait_for()
            width = image.evaluate("image => image.decode().then(() => image.naturalWidth)")
            self.check(f"figures: {figure} of {asset} is drawn", width > 0)
            self.shot(window)
            if alone:
                content = (image.get_attribute("src") or "").partition(",")[2]
                (self.folder / f"{alone}.png").write_bytes(base64.b64decode(content))

    def across(self) -> None:
        """Follow the link from a model's materialization to its MLflow run, and the link back to the Dagster run."""
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
        self.check("mlflow: a link to the MLflow run, and a link back to the Dagster run", page.url.endswith(run))
        self.shot("tour/mlflow-run")

    def report(self) -> None:
        """Find the report whose path the scorecard shows."""
        self._events("scorecard")
        place = self.page.get_by_text(re.compile(r"^/.*/report\.html$")).first
        place.wait_for()
        self.place = Path(place.inner_text().strip())
        self.check("report: the scorecard shows its path", self.place.is_file())


def main(dagster: str, mlflow: str, folder: Path, parts: list[str]) -> None:
    """Run the parts; exit with 1 if a check failed."""
    (folder / "tour" / "report").mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=report_drive.FLAGS)
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(120_000)  # the machine may be busy
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
                except Error as error:  # a missing element fails this part only
                    tour.check(f"{name}: {error.message}", held=False)
        browser.close()
    if tour.place is not None:  # in another browser, from a file
        report_drive.drive(tour.place, folder / "tour" / "report", tour.check)
    sys.exit(1 if tour.failed else 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
