"""The page in a browser: images are dropped, answers and a table appear, and nobody else is asked."""

import base64
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, served, skip_without
from conftest import Exported
from deploy_run import Made
from test_app import client, options

import erkt
from erkt.cli import app

pytestmark = pytest.mark.slow

PATIENCE = 60_000  # ms, on a busy machine
EVIL = '<img src=x onerror="document.title=1">.png'


@dataclass
class Opened:
    """A tab with the page, what its console said, and every address that it asked for."""

    tab: Any
    address: str
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def drop(self, *files: tuple[str, bytes]) -> None:
        """Drop files onto the page, as a mouse would, and wait for all answers."""
        before = self.tab.locator(".card").count()
        named = [[name, base64.b64encode(data).decode()] for name, data in files]
        transfer = self.tab.evaluate_handle(
            """named => {
                const dropped = new DataTransfer();
                for (const [name, text] of named)
                    dropped.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name));
                return dropped;
            }""",
            named,
        )
        self.tab.locator("#drop").dispatch_event("drop", {"dataTransfer": transfer})
        answered = self.tab.locator(".card .first, .card .error")
        answered.nth(before + len(files) - 1).wait_for(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    skip_without()
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(exported: Exported, made: Made, browser: Any) -> Iterator[str]:
    more = ("--examples", made.images, "--heat", made.run.network, "--megapixels", 1, "--megabytes", 1)
    with served(app.made(options(exported.path, "--teacher", exported.path, 1, *more))) as found:
        yield found


def opened(browser: Any, address: str, width: int = 1400, scheme: str = "light") -> Opened:
    viewport = {"width": width, "height": 900}
    tab = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()
    found = Opened(tab, address)
    tab.on("console", lambda message: found.said.append(message.text))
    tab.on("pageerror", lambda error: found.said.append(str(error)))
    tab.on("request", lambda request: found.asked.append(request.url))
    tab.goto(address)
    tab.locator("#examples button").first.wait_for(timeout=PATIENCE)
    return found


def images(made: Made, count: int) -> list[tuple[str, bytes]]:
    paths = sorted(made.images.rglob("*.jpg"))[:: max(1, 24 // count)][:count]
    return [(f"{path.parent.name}-{path.name}", path.read_bytes()) for path in paths]


def test_dropped_images_are_answered_and_a_bad_one_is_a_line(
    browser: Any, address: str, exported: Exported, made: Made, tmp_path: Path
) -> None:
    page, good = opened(browser, address), images(made, 6)
    page.drop(*good[:3], (EVIL, b"no image"), ("=1+1.png", good[3][1]), *good[4:])
    cards = page.tab.locator(".card")
    assert cards.count() == 7
    assert cards.nth(3).locator(".name").inner_text() == EVIL
    assert cards.nth(3).locator(".error").inner_text() == "not an image of a known format"
    assert page.tab.locator(".card .error").count() == 1
    assert page.tab.locator("main img[onerror]").count() == 0
    assert page.tab.title() == "Scenes"

    (tmp_path / "first.jpg").write_bytes(good[0][1])
    (expected,) = erkt.load(exported.path).predict([tmp_path / "first.jpg"])
    first = cards.nth(0)
    assert first.locator(".first").inner_text().startswith(expected.class_name.replace("_", " "))
    assert first.locator(".badge").count() == int(bool(expected.unsure))
    assert f"{100 * expected.probability:.1f}\xa0%" in first.locator(".top li").first.inner_text()
    assert first.locator(".pictures img").count() == 2
    assert "the ensemble agrees" in first.locator(".ensemble").inner_text()
    shown = first.locator(".pictures img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert shown == [32, 32]

    with page.tab.expect_download(timeout=PATIENCE) as download:
        page.tab.locator("#save").click()
    download.value.save_as(tmp_path / "saved.csv")
    with (tmp_path / "saved.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (
        [row["name"] for row in rows]
        == [
            *(name for name, _ in good[:3]),
            EVIL,
            "'=1+1.png",  # or a spreadsheet computes it
            *(name for name, _ in good[4:]),
        ]
    )
    assert (rows[0]["class"], rows[0]["ensemble"]) == (expected.class_name, expected.class_name)
    assert float(rows[0]["probability"]) == pytest.approx(expected.probability, abs=1e-6)
    assert rows[3]["error"] == "not an image of a known format"
    assert rows[3]["class"] == rows[3]["probability"] == rows[0]["error"] == ""
    assert page.said == []
    assert [url for url in page.asked if not url.startswith((address, "data:", "blob:"))] == []


def test_twenty_images_and_an_example_are_answered(browser: Any, address: str, made: Made) -> None:
    page = opened(browser, address)
    page.drop(*images(made, 20))
    page.tab.locator("#examples button").nth(5).click()
    page.tab.locator(".card .first").nth(20).wait_for(timeout=PATIENCE)
    assert page.tab.locator("#rows tr").count() == 21
    assert page.tab.locator("#status").inner_text() == ""
    page.tab.locator("#clear").click()
    assert page.tab.locator(".card").count() == 0
    assert not page.tab.locator("#found").is_visible()
    assert page.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_fits_the_width_in_light_and_dark(
    browser: Any, address: str, made: Made, width: int, scheme: str
) -> None:
    page = opened(browser, address, width, scheme)
    page.drop(*images(made, 3), ("x" * 120 + ".png", b"no image"))
    assert page.tab.evaluate("document.documentElement.scrollWidth") == width
    colours = page.tab.evaluate(
        """['color', 'backgroundColor'].map(
            name => getComputedStyle(document.body)[name].match(/\\d+/g).map(Number))"""
    )
    ink, back = (sum(colour[:3]) for colour in colours)
    dark, bright = (ink, back) if scheme == "light" else (back, ink)
    assert dark < 150
    assert bright > 600
    assert page.said == []


def test_a_program_that_has_ended_is_said_once_for_each_image(
    browser: Any, exported: Exported, made: Made
) -> None:
    with served(client(exported.path, "--examples", made.images).app) as address:
        page = opened(browser, address)
    page.drop(*images(made, 2))
    assert "is the program still running" in page.tab.locator(".card .error").first.inner_text()
    assert page.tab.locator(".card .error").count() == 2
