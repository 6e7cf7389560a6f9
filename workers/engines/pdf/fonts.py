"""Which font file draws which character, by what each file's character map really holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from unicodedata import bidirectional, combining, normalize

import uharfbuzz as hb

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
REGULAR, BOLD = 400, 700

# The scripts that the body face lacks, each in a file of its own; symbols and emoji come last so
# that a letter never takes its shape from a symbol font.
_SCRIPTS = (
    "Arabic", "Hebrew", "Devanagari", "Bengali", "Gujarati", "Gurmukhi", "Kannada", "Malayalam",
    "Oriya", "Sinhala", "Tamil", "Telugu", "Thai", "Lao", "Khmer", "Myanmar", "Armenian",
    "Georgian", "Ethiopic", "Symbols",
)  # fmt: skip
# Signs that language models like and no font here has, with the nearest that one does.
_NEAREST = {"\u2610": "\u25a1", "\u2612": "\u22a0", "\u2717": "\u00d7", "\u2718": "\u00d7"}


@dataclass(frozen=True)
class FontFile:
    """One font file inside an installed package."""

    package: str
    path: str

    def locate(self) -> Path | None:
        """The file on disk, or None when its package is not installed (CJK is optional)."""
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            return None
        file = Path(spec.submodule_search_locations[0]) / self.path
        return file if file.is_file() else None


def _noto(name: str) -> FontFile:
    return FontFile("manimgx_fonts", f"{name}[wght].ttf")


def _cjk(region: str) -> FontFile:
    path = f"fonts/ofl/notosans{region.lower()}/NotoSans{region}[wght].ttf"
    return FontFile("justmytype_intl_cjk", path)


_BODY, _BODY_ITALIC = _noto("NotoSans"), _noto("NotoSans-Italic")
_MONO = FontFile("fontpkg_jetbrains_mono", "files/JetBrainsMono[wght].ttf")
_MONO_ITALIC = FontFile("fontpkg_jetbrains_mono", "files/JetBrainsMono-Italic[wght].ttf")
_CJK = {region: _cjk(region) for region in ("SC", "TC", "JP", "KR")}


class Face:
    """One font file at one weight, opened once a process and shared by all documents."""

    def __init__(self, file: Path, weight: int) -> None:
        """Map the file into memory and set its weight axis.

        Args:
            file: A TrueType file, plain or variable.
            weight: On the usual scale: 400 is regular, 700 bold.
        """
        self.name = f"{file.stem.split('[')[0]}-{weight}"
        self.weight = weight
        self.face = hb.Face(hb.Blob.from_file_path(str(file)))
        self.font = hb.Font(self.face)
        self.font.set_variations({"wght": float(weight)})
        self.units: int = self.face.upem
        self._characters = frozenset(self.face.unicodes)
        extents = self.font.get_font_extents("ltr")
        self.ascent: float = extents.ascender / self.units
        self.descent: float = extents.descender / self.units

    def has(self, character: str) -> bool:
        """Whether the file's own character map holds the character."""
        return ord(character) in self._characters


@cache
def _face(file: FontFile, weight: int) -> Face | None:
    located = file.locate()
    return Face(located, weight) if located is not None else None


@dataclass(frozen=True)
class Typography:
    """The order in which font files are asked for a character, for one document."""

    regions: tuple[str, ...] = ("SC", "TC", "JP", "KR")

    @classmethod
    def for_text(cls, text: str) -> Typography:
        """Choose whose Han shapes come first: kana mean Japan, Hangul Korea, bopomofo Taiwan."""
        for region, first, last in (
            ("JP", "\u3041", "\u30ff"),
            ("KR", "\uac00", "\ud7a3"),
            ("TC", "\u3105", "\u312f"),
        ):
            if any(first <= character <= last for character in text):
                return cls((region, *(r for r in cls.regions if r != region)))
        return cls()

    def face(self, character: str, *, bold: bool, italic: bool, mono: bool) -> Face | None:
        """The first face that has the character, or None."""
        return _choose(character, self.regions, BOLD if bold else REGULAR, italic, mono)

    def drawable(self, character: str) -> str:
        """What can be drawn for a character: itself, its plain form, or the replacement sign."""
        return _drawable(character, self.regions)

    def runs(
        self, text: str, *, bold: bool, italic: bool, mono: bool
    ) -> list[tuple[int, int, Face]]:
        """Cut text into pieces of one face each, as (start, end, face).

        Marks and joiners stay with the face of the letter before them, so that shaping sees both;
        so do the spaces of Arabic and Hebrew, so that a line is one run and is copied in its order.
        """
        runs: list[tuple[int, int, Face]] = []
        for index, character in enumerate(text):
            last = runs[-1][2] if runs else None
            follows = (
                is_invisible(character)
                or combining(character)
                or (character == " " and index and bidirectional(text[index - 1]) in {"R", "AL"})
            )
            if last is not None and follows and (last.has(character) or is_invisible(character)):
                face: Face | None = last
            else:
                face = self.face(character, bold=bold, italic=italic, mono=mono)
            face = face or last or _required(_BODY, REGULAR)
            if face is last:
                runs[-1] = (runs[-1][0], index + 1, face)
            else:
                runs.append((index, index + 1, face))
        return runs


def is_invisible(character: str) -> bool:
    """Whether a character is drawn as nothing: joiners, directional marks, variation selectors."""
    return (
        character in "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\ufeff\uffa0"
        or "\u180b" <= character <= "\u180f"
        or "\u200b" <= character <= "\u200f"
        or "\u202a" <= character <= "\u202e"
        or "\u2060" <= character <= "\u206f"
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0000" <= character <= "\U000e0fff"
    )


def _files(regions: Sequence[str], *, italic: bool, mono: bool) -> list[FontFile]:
    monos = [_MONO_ITALIC, _MONO] if italic else [_MONO]
    bodies = [_BODY_ITALIC, _BODY] if italic else [_BODY]
    scripts = [_noto(f"NotoSans{script}") for script in _SCRIPTS]
    han = [_CJK[region] for region in regions]
    leading = [*monos, *bodies] if mono else bodies
    return [*leading, *scripts, *han, *monos, _noto("NotoEmoji")]


@lru_cache(maxsize=65_536)
def _choose(
    character: str, regions: tuple[str, ...], weight: int, italic: bool, mono: bool
) -> Face | None:
    for file in _files(regions, italic=italic, mono=mono):
        face = _face(file, weight)
        if face is not None and face.has(character):
            return face
    return None


@lru_cache(maxsize=65_536)
def _drawable(character: str, regions: tuple[str, ...]) -> str:
    def known(candidate: str) -> bool:
        return bool(candidate) and all(
            _choose(c, regions, REGULAR, italic=False, mono=False) is not None for c in candidate
        )

    if is_invisible(character):
        return character
    # The compatibility form of a mathematical italic x, or of a letter in a circle, is a plain one.
    candidates = (character, _NEAREST.get(character, ""), normalize("NFKC", character))
    return next((candidate for candidate in candidates if known(candidate)), REPLACEMENT)


def _required(file: FontFile, weight: int) -> Face:
    face = _face(file, weight)
    if face is None:
        raise RuntimeError(f"the font package {file.package} is not installed")
    return face
