"""Names of classes in characters that the font of figures lacks, such as Chinese, Japanese or Korean.

matplotlib brings DejaVu, which draws a box for each of these. Another installed font that has them is taken
as well; its glyphs differ between machines, and so do the pictures' bytes. A name that no installed font can
write is written as its number: no font is shipped, since one for these scripts is larger than this project.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from matplotlib import font_manager

from erkt.figures.canvas import FAMILIES, written_as

_MOST = 3
_REGULAR = (400, "normal", "regular", "book")


@dataclass(frozen=True)
class Lettering:
    """How figures write classes: ``fonts`` beside matplotlib's own, and ``numbered`` names by label."""

    fonts: tuple[str, ...]
    numbered: dict[int, str]

    @property
    def note(self) -> str | None:
        """What to say of names that are written as numbers; None if there are none."""
        if not self.numbered:
            return None
        told = ", ".join(f"class {label}: {name}" for label, name in self.numbered.items())
        return f"no installed font has the characters of some names, so figures have numbers ({told})"

    @contextmanager
    def used(self) -> Iterator[None]:
        """Have figures write names so within the block."""
        with written_as({name: f"class {label}" for label, name in self.numbered.items()}, self.fonts):
            yield


def lettering(classes: Sequence[str]) -> Lettering:
    """Return how ``classes``, in the order of their labels, are written here."""
    missing = _characters(classes) - _own()
    fonts: list[str] = []
    if missing:
        others = [(name, characters & missing) for name, characters in _installed()]
        while missing and others and len(fonts) < _MOST:
            name, found = max(others, key=lambda font: len(font[1] & missing))
            if not found & missing:
                break
            fonts.append(name)
            missing -= found
    left = {label: name for label, name in enumerate(classes) if _characters([name]) & missing}
    return Lettering(tuple(fonts), left)


def _characters(names: Sequence[str]) -> set[int]:
    return {ord(character) for name in names for character in name if not character.isspace()}


def _own() -> set[int]:
    """Return the characters that all of matplotlib's own fonts of figures have."""
    paths = [font_manager.findfont(font_manager.FontProperties(family=[family])) for family in FAMILIES]
    return set.intersection(*(set(font_manager.get_font(path).get_charmap()) for path in paths))


def _installed() -> Iterator[tuple[str, set[int]]]:
    """Yield name and characters of the other regular fonts, those without serifs first, each name once.

    A font of last resort, of which matplotlib brings one, has the same box for all characters of a script.
    """
    regular = {
        entry.name: entry.fname
        for entry in reversed(font_manager.fontManager.ttflist)
        if entry.style == "normal" and entry.weight in _REGULAR
    }
    for name in sorted(regular, key=lambda name: ("sans" not in name.lower(), name)):
        with suppress(OSError, RuntimeError):  # a font that is gone, or of a kind that matplotlib cannot draw
            glyphs = font_manager.get_font(regular[name]).get_charmap()
            if len(set(glyphs.values())) > len(glyphs) / 2:
                yield name, set(glyphs)
