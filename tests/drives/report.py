"""Use a report in a headless browser: theme, filter, keyboard, narrow window, print, no network.

    python -m tests.drives.report [.getmore/exports/demo/report.html pictures]

It needs `pip install playwright` and Chromium (its path in CHROMIUM). Screenshots are written to the folder. Without
arguments, a small task is run first to get a report.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.drives.command import Place, make_sources

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
WIDE, NARROW = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
GROUND = "getComputedStyle(document.documentElement).backgroundColor"
DARK, LIGHT = "rgb(20, 23, 27)", "rgb(255, 255, 255)"
IN_THE_PAGE = "[document.activeElement.id, document.activeElement.className]"


def opened(context: BrowserContext, report: Path, scheme: str, size: dict[str, int]) -> tuple[Page, list[str]]:
    """Open the report; return the page, and a list of its requests, messages and errors."""
    page, events = context.new_page(), []
    page.on("console", lambda message: events.append(message.text))
    page.on("pageerror", lambda error: events.append(str(error)))
    page.on("request", lambda request: events.append(request.url) if request.url != report.as_uri() else None)
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    page.goto(report.as_uri())
    return page, events


def themes(page: Page) -> bool:
    """Check the system's theme, another theme chosen by keyboard, and that the choice is remembered."""
    was_light = page.evaluate(GROUND) == LIGHT
    page.focus("#theme")
    page.keyboard.press("d")  # not the whole word: typed slowly, its "a" would choose "as the system"
    turned = page.evaluate(GROUND) == DARK
    page.reload()
    stayed = page.evaluate(GROUND) == DARK
    page.select_option("#theme", "system")
    return was_light and turned and stayed and page.evaluate(GROUND) == LIGHT


def keyboard(page: Page) -> bool:
    """Check that the first Tab focuses the skip link, that it is visible, and that it leads to the verdict."""
    page.keyboard.press("Tab")
    skips = page.evaluate(IN_THE_PAGE)[1] == "skip"
    seen = page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    return skips and seen and page.evaluate(IN_THE_PAGE)[0] == "verdict"


def shown(page: Page) -> int:
    """Return the number of visible rows, which must equal the number in the page's text."""
    rows = page.locator("article:visible").count()
    assert page.locator("#found").inner_text().startswith(f"{rows} of ")
    return rows


def filters(page: Page) -> bool:
    """Check that words, a domain and a group each leave only matching rows, and that a button shows all rows again."""
    every = shown(page)
    page.locator("#rows").scroll_into_view_if_needed()
    page.get_by_role("searchbox", name="Words").press_sequentially("The", delay=20)
    by_words = shown(page)
    met = all(
        "the" in text.lower() for text in page.locator("article:visible").evaluate_all("a => a.map(x => x.textContent)")
    )
    page.get_by_role("button", name="Show all").press("Enter")
    page.wait_for_timeout(100)
    again = shown(page)
    domains = page.get_by_role("combobox", name="Domain")
    domains.select_option(index=1)
    domain = domains.locator("option").nth(1).inner_text()
    by_domain = shown(page)
    met &= all(domain in one for one in page.locator("article:visible header").all_inner_texts())
    page.get_by_role("combobox", name="Rows").select_option(index=1)
    both = shown(page)
    page.get_by_role("button", name="Show all").click()
    page.wait_for_timeout(100)
    return met and 0 < by_words < every == again == shown(page) and both <= by_domain < every


def drive(report: Path, folder: Path, check: Callable[[str, bool], None]) -> None:
    """Run all checks, and take screenshots."""
    with sync_playwright() as play, TemporaryDirectory() as home:
        context = play.chromium.launch_persistent_context(
            home, executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS, headless=True
        )
        page, events = opened(context, report, "light", WIDE)
        check("keyboard: skip link", keyboard(page))
        check("theme: system, dark by keyboard, remembered", themes(page))
        check("filter: words, domain, group, all", filters(page))
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=folder / "light.png")
        page.emulate_media(media="print", color_scheme="dark")
        check("print: light, without the controls", page.evaluate(GROUND) == LIGHT and not page.is_visible("#filter"))
        page.pdf(path=folder / "print.pdf")
        dark, more = opened(context, report, "dark", WIDE)
        check("theme: the system's dark", dark.evaluate(GROUND) == DARK)
        dark.screenshot(path=folder / "dark.png")
        narrow, last = opened(context, report, "light", NARROW)
        check("narrow: nothing hangs over", narrow.evaluate("document.documentElement.scrollWidth <= innerWidth"))
        narrow.screenshot(path=folder / "narrow.png")
        messages = "; ".join([*events, *more, *last])
        check(f"no request, no message, no error {messages}", not messages)
        context.close()


def make_report(home: Path) -> Path:
    """Return the report of a small task."""
    sources = home / "make_report"
    sources.mkdir()
    place = Place.new(home / "place", make_sources(sources))
    command = place.run("run")
    if command.end():
        raise SystemExit(f"the run failed: {command.error or command.last_line}")
    return place.lake.root / "exports" / place.task / "report.html"


def main() -> None:
    """Run the drive; exit with 1 if a check failed."""
    paths = [Path(argument).resolve() for argument in sys.argv[1:]]
    home = Path(mkdtemp(prefix="getmore-report-"))
    report, folder = paths or (make_report(home), home / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    failed = []

    def check(what: str, held: bool) -> None:
        print("holds " if held else "FAILS ", what, flush=True)
        if not held:
            failed.append(what)

    drive(report, folder, check)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
