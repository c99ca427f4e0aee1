"""Drives a report as a reader would, in a headless browser: theme, filter, keyboard, narrow window, print, no network.

Needs `pip install playwright` and a Chromium (its path in CHROMIUM). Pictures of the report go to the folder. Without
a report that `getmore run` wrote, a small task is run for one.

    python -m tests.drives.report [.getmore/exports/demo/report.html pictures]
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
    """The report, and what it asked of the network or complained of."""
    page, heard = context.new_page(), []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url) if request.url != report.as_uri() else None)
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=scheme)
    page.goto(report.as_uri())
    return page, heard


def themes(page: Page) -> bool:
    """The system's theme, another by keyboard, and that one remembered."""
    was_light = page.evaluate(GROUND) == LIGHT
    page.focus("#theme")
    page.keyboard.press("d")  # not the word: typed slowly, its "a" would choose "as the system"
    turned = page.evaluate(GROUND) == DARK
    page.reload()
    stayed = page.evaluate(GROUND) == DARK
    page.select_option("#theme", "system")
    return was_light and turned and stayed and page.evaluate(GROUND) == LIGHT


def keyboard(page: Page) -> bool:
    """The first stop is the skip link, it can be seen there, and it leads to the verdict."""
    page.keyboard.press("Tab")
    skips = page.evaluate(IN_THE_PAGE)[1] == "skip"
    seen = page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    return skips and seen and page.evaluate(IN_THE_PAGE)[0] == "verdict"


def shown(page: Page) -> int:
    """How many rows are shown; as many as the page says."""
    rows = page.locator("article:visible").count()
    assert page.locator("#found").inner_text().startswith(f"{rows} of ")
    return rows


def filters(page: Page) -> bool:
    """Words, a domain and a group each leave fewer rows, all of which meet them; the button brings all back."""
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


def drive(report: Path, folder: Path, said: Callable[[str, bool], None]) -> None:
    """All of it, and pictures."""
    with sync_playwright() as play, TemporaryDirectory() as home:
        context = play.chromium.launch_persistent_context(
            home, executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS, headless=True
        )
        page, heard = opened(context, report, "light", WIDE)
        said("keyboard: skip link", keyboard(page))
        said("theme: system, dark by keyboard, remembered", themes(page))
        said("filter: words, domain, group, all", filters(page))
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=folder / "light.png")
        page.emulate_media(media="print", color_scheme="dark")
        said("print: light, without the controls", page.evaluate(GROUND) == LIGHT and not page.is_visible("#filter"))
        page.pdf(path=folder / "print.pdf")
        dark, more = opened(context, report, "dark", WIDE)
        said("theme: the system's dark", dark.evaluate(GROUND) == DARK)
        dark.screenshot(path=folder / "dark.png")
        narrow, last = opened(context, report, "light", NARROW)
        said("narrow: nothing hangs over", narrow.evaluate("document.documentElement.scrollWidth <= innerWidth"))
        narrow.screenshot(path=folder / "narrow.png")
        told = "; ".join([*heard, *more, *last])
        said(f"nothing was asked of the network, nothing complained of {told}", not told)
        context.close()


def made(home: Path) -> Path:
    """The report of a small task."""
    sources = home / "made"
    sources.mkdir()
    place = Place.new(home / "place", make_sources(sources))
    command = place.run("run")
    if command.end():
        raise SystemExit(f"the run failed: {command.error or command.said}")
    return place.lake.root / "exports" / place.task / "report.html"


def main() -> None:
    """Drive the report, say what held, and end with 1 where something did not."""
    given = [Path(argument).resolve() for argument in sys.argv[1:]]
    home = Path(mkdtemp(prefix="getmore-report-"))
    report, folder = given or (made(home), home / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    failed = []

    def said(what: str, held: bool) -> None:
        print("holds " if held else "FAILS ", what, flush=True)
        if not held:
            failed.append(what)

    drive(report, folder, said)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
