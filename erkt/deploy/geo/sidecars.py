"""The files beside a class raster from which GDAL and QGIS take names and colours."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from erkt.deploy.geo.colours import Colour

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

_INTEGER, _REAL, _TEXT = "0", "1", "2"
_COLUMNS = [
    ("Value", _INTEGER, "5"),
    ("Pixels", _REAL, "1"),
    ("Class", _TEXT, "2"),
    ("Red", _INTEGER, "6"),
    ("Green", _INTEGER, "7"),
    ("Blue", _INTEGER, "8"),
]
"""Name, GDALRATFieldType and GDALRATFieldUsage of the attribute table's columns."""


def aux_xml(names: Sequence[str], shades: Sequence[Colour], pixels: Sequence[int]) -> str:
    """Return GDAL's ``.aux.xml``: the names of the values 0, 1 and so on, and their attribute table."""
    root = Xml.Element("PAMDataset")
    band = Xml.SubElement(root, "PAMRasterBand", band="1")
    categories = Xml.SubElement(band, "CategoryNames")
    for name in names:
        Xml.SubElement(categories, "Category").text = _clean(name)
    table = Xml.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for place, (column, kind, usage) in enumerate(_COLUMNS):
        field = Xml.SubElement(table, "FieldDefn", index=str(place))
        for tag, text in (("Name", column), ("Type", kind), ("Usage", usage)):
            Xml.SubElement(field, tag).text = text
    for value, (name, shade, count) in enumerate(zip(names, shades, pixels, strict=True)):
        row = Xml.SubElement(table, "Row", index=str(value))
        for text in (str(value), str(count), _clean(name), *map(str, shade)):
            Xml.SubElement(row, "F").text = text
    return Xml.tostring(root, encoding="unicode") + "\n"


def qml(names: Sequence[str], shades: Sequence[Colour]) -> str:
    """Return QGIS's style: one entry a class with its name and colour, instead of one for each of 256."""
    root = Xml.Element("qgis", version="3.22", styleCategories="Symbology")
    pipe = Xml.SubElement(root, "pipe")
    renderer = Xml.SubElement(pipe, "rasterrenderer", type="paletted", band="1", alphaBand="-1", opacity="1")
    palette = Xml.SubElement(renderer, "colorPalette")
    for value, (name, shade) in enumerate(zip(names, shades, strict=True)):
        colour = "#{:02x}{:02x}{:02x}".format(*shade)
        Xml.SubElement(
            palette, "paletteEntry", value=str(value), label=_clean(name), color=colour, alpha="255"
        )
    return _DOCTYPE + Xml.tostring(root, encoding="unicode") + "\n"


def _clean(name: str) -> str:
    """Return a name without the characters that XML 1.0 has no way to write."""
    return _NO_XML.sub("\ufffd", name)
