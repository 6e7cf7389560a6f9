"""Faces inside one PDF: each is cut down to the glyphs that were drawn and tells its text back.

The fonts are composite (Type0): a code stands for a glyph *and* the characters that it was drawn
for, so that shaped Arabic or Devanagari and ligatures are still found and copied as text.
ReportLab's own TrueType support maps characters, not glyphs, and draws a variable font in one
weight only.
"""

from __future__ import annotations

from typing import Any

import uharfbuzz as hb
from reportlab.pdfbase import pdfdoc

from workers.engines.pdf.fonts import Face
from workers.engines.pdf.shaping import Glyph

_DROPPED = ("GSUB", "GPOS", "GDEF", "BASE", "STAT", "cmap", "name", "post", "OS/2", "vhea", "vmtx",
            "gasp", "HVAR", "MVAR", "DSIG")  # fmt: skip
_CMAP_BLOCK = 100  # entries a bfchar section may have, by the CMap specification


class EmbeddedFace:
    """One face as one document uses it; ReportLab calls `addObjects` when the document is saved."""

    def __init__(self, face: Face, name: str) -> None:
        """Begin with no glyphs.

        Args:
            face: The face to draw with.
            name: The font's resource name in this document, without the slash.
        """
        self.face = face
        self.name = name
        self._codes: dict[tuple[int, str], int] = {(0, ""): 0}

    def code(self, glyph: Glyph) -> int:
        """The two-byte code of a glyph drawn for its text."""
        return self._codes.setdefault((glyph.index, glyph.text), len(self._codes))

    def addObjects(self, doc: Any) -> None:  # noqa: N802 - the name that ReportLab calls
        """Write the font's objects into the document."""
        subset, numbers = self._subset()
        base = f"{_tag(self.face)}+{self.face.name}"
        descendant = pdfdoc.PDFDictionary(
            {
                "Type": "/Font",
                "Subtype": "/CIDFontType2",
                "BaseFont": f"/{base}",
                "CIDSystemInfo": pdfdoc.PDFDictionary(
                    {"Registry": "(Adobe)", "Ordering": "(Identity)", "Supplement": 0}
                ),
                "FontDescriptor": self._descriptor(doc, base, subset),
                "W": pdfdoc.PDFArray([0, pdfdoc.PDFArray(self._widths())]),
                "CIDToGIDMap": self._stream(doc, "map", numbers),
            }
        )
        font = pdfdoc.PDFDictionary(
            {
                "Type": "/Font",
                "Subtype": "/Type0",
                "BaseFont": f"/{base}",
                "Encoding": "/Identity-H",
                "DescendantFonts": pdfdoc.PDFArray([doc.Reference(descendant, f"cid:{self.name}")]),
                "ToUnicode": self._stream(doc, "unicode", self._to_unicode()),
            }
        )
        doc.idToObject["BasicFonts"].dict[self.name] = doc.Reference(font, self.name)

    def _subset(self) -> tuple[bytes, bytes]:
        """The cut-down font file, and its glyph number for each code, two bytes each."""
        chosen = hb.SubsetInput()
        for index, _ in self._codes:
            chosen.glyph_set.add(index)
        chosen.pin_all_axes_to_default(self.face.face)
        chosen.pin_axis_location(self.face.face, "wght", float(self.face.weight))
        for table in _DROPPED:
            chosen.drop_table_tag_set.add(int.from_bytes(table.encode(), "big"))
        chosen.flags = hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.NO_LAYOUT_CLOSURE
        plan = hb.SubsetPlan(self.face.face, chosen)
        data: bytes = plan.execute().blob.data
        renumbered = dict(plan.old_to_new_glyph_mapping)
        numbers = (renumbered[index].to_bytes(2, "big") for index, _ in self._codes)
        return data, b"".join(numbers)

    def _descriptor(self, doc: Any, base: str, subset: bytes) -> Any:
        ascent, descent = round(self.face.ascent * 1000), round(self.face.descent * 1000)
        descriptor = pdfdoc.PDFDictionary(
            {
                "Type": "/FontDescriptor",
                "FontName": f"/{base}",
                "Flags": 4,
                "FontBBox": pdfdoc.PDFArray([-1000, descent, 2000, ascent]),
                "ItalicAngle": -12 if "Italic" in base else 0,
                "Ascent": ascent,
                "Descent": descent,
                "CapHeight": 714,
                "StemV": 80 if self.face.weight < 600 else 140,
                "FontFile2": self._stream(doc, "file", subset, Length1=len(subset)),
            }
        )
        return doc.Reference(descriptor, f"descriptor:{self.name}")

    def _widths(self) -> list[int]:
        scale = 1000 / self.face.units
        return [round(self.face.font.get_glyph_h_advance(i) * scale) for i, _ in self._codes]

    def _to_unicode(self) -> bytes:
        pairs = [
            f"<{code:04X}> <{text.encode('utf-16-be').hex().upper()}>"
            for (_, text), code in self._codes.items()
            if code
        ]
        blocks = [pairs[start : start + _CMAP_BLOCK] for start in range(0, len(pairs), _CMAP_BLOCK)]
        lines = [
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
            "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
            "1 begincodespacerange <0000> <FFFF> endcodespacerange",
        ]
        for block in blocks:
            lines += [f"{len(block)} beginbfchar", *block, "endbfchar"]
        lines.append("endcmap CMapName currentdict /CMap defineresource pop end end")
        return "\n".join(lines).encode("ascii")

    def _stream(self, doc: Any, kind: str, content: bytes, **entries: int) -> Any:
        stream = pdfdoc.PDFStream(content=content, filters=[pdfdoc.PDFZCompress])
        for key, value in entries.items():
            stream.dictionary[key] = value
        return doc.Reference(stream, f"{kind}:{self.name}")


class Fonts:
    """The faces that one canvas has drawn with so far."""

    def __init__(self, canvas: Any) -> None:
        """Bind to a ReportLab canvas."""
        self._document = canvas._doc  # noqa: SLF001 - there is no public way to add a font object
        self._faces: dict[str, EmbeddedFace] = {}

    def get(self, face: Face) -> EmbeddedFace:
        """The face as this document embeds it."""
        embedded = self._faces.get(face.name)
        if embedded is None:
            embedded = EmbeddedFace(face, f"T{len(self._faces) + 1}")
            self._faces[face.name] = embedded
            self._document.delayedFonts.append(embedded)
        return embedded


def _tag(face: Face) -> str:
    """Six capital letters that mark a subset; only their form matters."""
    number = sum(ord(character) << (index % 4) for index, character in enumerate(face.name))
    letters = [chr(ord("A") + number // 26**place % 26) for place in range(6)]
    return "".join(letters)
