"""The page in a browser: nothing is asked for, said or run, and nothing is wider than the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, skip_without
from closure import ROOT
from made_page import LINEAGE, made_run, names

from erkt.report.facts import read
from erkt.report.page import run_page
from erkt.report.table import table_page

pytestmark = pytest.mark.slow

EVIL = ("<script>document.title=1<", '"><img src=x onerror="document.title=1">', "long" * 12)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for name, classes, seeds in (("two", names(2), 1), ("many", names(300), 1), ("evil", EVIL, 3)):
        facts = read(made_run(folder / name, sorted(classes), seeds=seeds, tested=4, right=0.6))
        made[name] = run_page(facts, LINEAGE, images=True)
    made["table"] = table_page(ROOT / "results/aid100-64/one-low-rate/table9.csv")
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    skip_without()
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["two", "many", "evil", "table"])
def test_a_browser_shows_it_alone_and_in_its_width(
    browser: Any, pages: dict[str, Path], name: str, scheme: str, width: int
) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    said: list[str] = []
    asked: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    address = pages[name].as_uri()
    tab.goto(address)
    title = tab.title()
    tab.wait_for_timeout(100)
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert tab.title() == title != "1"
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(image => !(image.complete && image.naturalWidth)).length"
    assert tab.evaluate(broken) == 0
    back = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, back[4:-1].split(","))) < 128) == (scheme == "dark")
    tab.close()


def test_on_paper_it_is_light_and_whole(browser: Any, pages: dict[str, Path]) -> None:
    tab = browser.new_page(color_scheme="dark")
    tab.goto(pages["many"].as_uri())
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert tab.pdf()[:4] == b"%PDF"
    tab.close()
