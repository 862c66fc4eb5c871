"""Reading a workbook with the standard library: what is in an XLSX file, as a spreadsheet would show it."""

import io
import re
import zipfile
from xml.etree import ElementTree

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheets(data: bytes) -> dict[str, list[list[str | float]]]:
    """The cells of each sheet: text or numbers; a formula would fail the test that asks."""
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        titles = [sheet.get("name", "") for sheet in _read(book, "xl/workbook.xml").iter(f"{_MAIN}sheet")]
        return {title: _cells(_read(book, f"xl/worksheets/sheet{n}.xml")) for n, title in enumerate(titles, start=1)}


def _cells(sheet: ElementTree.Element) -> list[list[str | float]]:
    lines: list[list[str | float]] = []
    for row in sheet.iter(f"{_MAIN}row"):
        line: list[str | float] = []
        for cell in row.iter(f"{_MAIN}c"):
            assert cell.find(f"{_MAIN}f") is None, "a formula"
            if cell.get("t") == "inlineStr":
                line.append("".join(text.text or "" for text in cell.iter(f"{_MAIN}t")))
            else:
                value = cell.find(f"{_MAIN}v")
                assert value is not None
                assert re.fullmatch(r"n|None", str(cell.get("t")))
                line.append(float(value.text or ""))
        lines.append(line)
    return lines


def _read(book: zipfile.ZipFile, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(book.read(name))  # noqa: S314  (our own file)
