"""Names in Chinese, Japanese and Korean: as they are where a font has them, else as numbers that are told."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import ImageFont

from erkt.deploy.geo import preview
from erkt.figures.confusion import confusion_figure, hard_classes_figure
from erkt.figures.lettering import Lettering, lettering
from erkt.figures.samples import samples_figure

NAMES = ("Forêt", "Лес", "바다", "森林", "海岸 $1")

DATA = Path(matplotlib.get_data_path())

pytestmark = pytest.mark.filterwarnings("error:Glyph")


@pytest.fixture(autouse=True)
def _no_fonts_but_matplotlibs(monkeypatch: pytest.MonkeyPatch) -> None:
    """They include one of last resort, which has a box for any character."""
    brought = [entry for entry in font_manager.fontManager.ttflist if DATA in Path(entry.fname).parents]
    assert any("Last Resort" in entry.name for entry in brought)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", brought)
    font_manager.fontManager._findfont_cached.cache_clear()


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[set[str]]]:
    """Return what is written in each figure that is saved from now on."""
    found: list[set[str]] = []
    save = Figure.savefig

    def listen(figure: Figure, *arguments: object, **options: object) -> None:
        save(figure, *arguments, **options)
        found.append({text.get_text() for text in figure.findobj(Text)})

    monkeypatch.setattr(Figure, "savefig", listen)
    return found


def font(folder: Path, name: str, characters: str) -> Path:
    """Write a font that has a square for each of ``characters``."""
    pen = TTGlyphPen(None)
    for corner in ((0, 0), (0, 700), (700, 700), (700, 0)):
        (pen.lineTo if corner != (0, 0) else pen.moveTo)(corner)
    pen.closePath()
    glyphs = [".notdef", *(f"uni{ord(one):04X}" for one in characters)]
    made = FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder(glyphs)
    made.setupCharacterMap({ord(one): glyph for one, glyph in zip(characters, glyphs[1:], strict=True)})
    made.setupGlyf({glyphs[0]: TTGlyphPen(None).glyph()} | dict.fromkeys(glyphs[1:], pen.glyph()))
    made.setupHorizontalMetrics(dict.fromkeys(glyphs, (800, 0)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": name, "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    made.save(folder / f"{name}.ttf")
    return folder / f"{name}.ttf"


def draw(folder: Path, letters: Lettering) -> None:
    counts = np.full((len(NAMES), len(NAMES)), 3)
    with letters.used():
        confusion_figure(folder / "all.png", counts, NAMES)
        hard_classes_figure(folder / "hard.png", counts, NAMES)
        samples_figure(folder / "samples.png", {name: [np.zeros((3, 8, 8), np.uint8)] for name in NAMES})


def test_without_a_font_that_has_them_names_are_numbers_and_it_is_told(
    tmp_path: Path, words: list[set[str]]
) -> None:
    letters = lettering(NAMES)
    assert letters == Lettering((), {2: "바다", 3: "森林", 4: "海岸 $1"})
    assert letters.note is not None
    assert "(class 2: 바다, class 3: 森林, class 4: 海岸 $1)" in letters.note
    draw(tmp_path, letters)
    for figure in words:
        assert {"Forêt", "Лес", "class 2", "class 3", "class 4"} <= figure
        assert "class N is label N of the images' index.csv" in figure
        assert not any("森" in word for word in figure)
    assert any("class 3 > class 4" in word for word in words[1])


def test_an_installed_font_that_has_them_is_taken(tmp_path: Path, words: list[set[str]]) -> None:
    font_manager.fontManager.addfont(font(tmp_path, "Made Sans", "森林海岸"))
    font_manager.fontManager.addfont(font(tmp_path, "Made Serif", "森林"))
    letters = lettering(NAMES)
    assert letters == Lettering(("Made Sans",), {2: "바다"})
    draw(tmp_path, letters)
    assert {"森林", "class 2"} <= words[0]
    font_manager.fontManager.addfont(font(tmp_path, "Korean", "바다"))
    both = lettering(NAMES)
    assert both == Lettering(("Made Sans", "Korean"), {})
    assert both.note is None
    draw(tmp_path, both)
    assert "바다" in words[3]
    assert any("森林 > 바다" in word for word in words[4])
    assert not any(word.startswith("class") for word in words[3])


def test_names_that_the_own_font_has_change_nothing(tmp_path: Path, words: list[set[str]]) -> None:
    assert lettering(NAMES[:2]) == Lettering((), {})
    counts = np.full((2, 2), 3)
    confusion_figure(tmp_path / "plain.png", counts, NAMES[:2])
    with lettering(NAMES[:2]).used():
        confusion_figure(tmp_path / "used.png", counts, NAMES[:2])
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "used.png").read_bytes()


def test_the_legend_of_a_map_has_numbers_where_no_font_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def legend(names: tuple[str, ...]) -> list[str]:
        shades = [(10 * number, 0, 0) for number in range(len(names))]
        shares = [1 / len(names)] * len(names)
        return [text for text, _ in preview._entries(names, shades, shares, preview._font(names))]

    monkeypatch.setattr(preview, "_FONTS", ())
    assert legend(("Forest", "森林")) == ["Forest  50.0%", "class 1 in classes.tif  50.0%"]
    monkeypatch.setattr(preview, "_FONTS", ("none.ttf", str(font(tmp_path, "Made", "Forest森林"))))
    assert legend(("Forest", "森林")) == ["Forest  50.0%", "森林  50.0%"]
    scene, values = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40), np.uint8)
    picture = preview.preview(scene, values, ("森林",), [(1, 2, 3)], [1.0])
    assert np.asarray(picture)[:, 2 * preview.PANEL :].min() < 60
    assert isinstance(preview._font(("Forest",)), ImageFont.FreeTypeFont)
