# ruff: noqa: RUF001 - letters of many scripts are what is tested
"""Markdown becomes a readable PDF: text, pages, outline, links, limits, and no way in for code."""

from __future__ import annotations

from io import BytesIO
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from pipelines.core.errors import InvalidInput, MessageTooLarge
from workers.engines.pdf import PdfOptions, pdf_renderer
from workers.engines.pdf.fonts import Typography

OPTIONS = PdfOptions(title="Report", author="Ada")


def read(markdown: str, options: PdfOptions = OPTIONS) -> PdfReader:
    return PdfReader(BytesIO(pdf_renderer().render(markdown, options)))


def body(markdown: str, options: PdfOptions = OPTIONS) -> list[str]:
    """The lines of all pages, without title and foot."""
    lines: list[str] = []
    reader = read(markdown, options)
    for number, page in enumerate(reader.pages, start=1):
        text = page.extract_text()
        foot = f"{number} / {len(reader.pages)}"
        *above, last = text.splitlines()
        assert last == f"{options.title} {foot}"
        lines += above
    lines = [line for line in lines if line.strip()]
    return lines[1:] if lines and lines[0] == options.title else lines


def links(reader: PdfReader) -> list[str]:
    return [
        annotation.get_object()["/A"]["/URI"]
        for page in reader.pages
        for annotation in cast("Any", page).get("/Annots", [])
    ]


def outline(items: list[Any]) -> list[Any]:
    return [outline(item) if isinstance(item, list) else item.title for item in items]


def fonts(reader: PdfReader) -> set[str]:
    return {
        font["/BaseFont"].partition("+")[2] or font["/BaseFont"]
        for page in reader.pages
        for font in (
            entry.get_object() for entry in cast("Any", page)["/Resources"]["/Font"].values()
        )
    }


def test_paragraphs_headings_and_marks() -> None:
    text = "# One\n\nPlain **bold** *italic* ~~gone~~ `code`.\n\n## Two\n\nsoft\nbreak  \nhard"
    assert body(text) == ["One", "Plain bold italic gone code.", "Two", "soft break", "hard"]
    assert {
        "NotoSans-400", "NotoSans-700", "NotoSans-Italic-400", "JetBrainsMono-400"
    } <= fonts(read(text))  # fmt: skip


def test_title_stands_above_a_text_without_its_own_heading() -> None:
    first_line = read("Only text.").pages[0].extract_text().splitlines()[:2]
    assert first_line == ["Report", "Only text."]
    own = read("# Its own\n\nText.").pages[0].extract_text().splitlines()
    assert own == ["Its own", "Text.", "Report 1 / 1"]


def test_metadata_and_page_size() -> None:
    reader = read("x", PdfOptions(title="Bericht – Ü 报告", author="Ada", page_size="LETTER"))
    assert reader.metadata is not None
    assert reader.metadata.title == "Bericht – Ü 报告"
    assert reader.metadata.author == "Ada"
    assert [float(value) for value in reader.pages[0].mediabox] == [0, 0, 612, 792]
    assert round(float(read("x").pages[0].mediabox[3]), 2) == 841.89


def test_same_input_gives_the_same_bytes_whatever_was_rendered_before() -> None:
    text = "# A\n\nمرحبا **bold** 中文 `x`\n\n|a|b|\n|-|-|\n|1|2|"
    first = pdf_renderer().render(text, OPTIONS)
    pdf_renderer().render("# Other\n\nשלום 日本 ✓", OPTIONS)
    assert pdf_renderer().render(text, OPTIONS) == first


def test_lists_nest_and_number() -> None:
    text = "- a\n  - b\n    1. c\n    2. d\n- e\n\n7. x\n8. y\n\n-"
    assert body(text) == ["• a", "– b", "1. c", "2. d", "• e", "7. x", "8. y", "•"]


def test_quotes_rules_and_code_keep_their_text() -> None:
    text = "> said\n>\n> > again\n\n---\n\n```python\ndef f():\n    return 1\n\n\tx -> y\n```"
    assert body(text) == ["said", "again", "def f():", "    return 1", "    x -> y"]


def test_long_code_line_wraps_inside_the_margins() -> None:
    lines = body("```\n" + "x" * 300 + "\n```")
    assert "".join(lines) == "x" * 300
    assert {len(line) for line in lines[:-1]} == {83}


def test_outline_follows_the_headings_without_jumps() -> None:
    reader = read("# A\n\n### B\n\n#### C\n\n## D\n\n# E `code`\n\n#\n")
    assert outline(reader.outline) == ["A", ["B", ["C"], "D"], "E code"]


def test_table_keeps_cells_and_repeats_its_heading() -> None:
    rows = "\n".join(f"| row {n} | value {n} |" for n in range(120))
    reader = read(f"| Name | Value |\n|---|--:|\n{rows}")
    pages = [page.extract_text().splitlines() for page in reader.pages]
    assert len(pages) == 4
    assert pages[0][:3] == ["Report", "Name Value", "row 0 value 0"]
    assert [page[0] for page in pages[1:]] == ["Name Value"] * 3
    found = [line for page in pages for line in page if line.startswith("row ")]
    assert found == [f"row {n} value {n}" for n in range(120)]


def test_cell_taller_than_a_page_is_split() -> None:
    reader = read(f"| a | b |\n|---|---|\n| {'word ' * 4000} | x |")
    text = " ".join(page.extract_text() for page in reader.pages)
    assert len(reader.pages) > 3
    assert text.split().count("word") == 4000


def test_table_with_too_many_columns_becomes_records() -> None:
    names = "|".join(f"n{i}" for i in range(40))
    values = "|".join(f"v{i}" for i in range(40))
    assert body(f"|{names}|\n{'|-' * 40}|\n|{values}|") == [f"n{i}: v{i}" for i in range(40)]


def test_only_web_and_mail_addresses_can_be_clicked() -> None:
    text = (
        "[a](https://example.com/x?a=1&b=(2)) [b](mailto:a@example.com) [c](ftp://example.com) "
        "[d](tel:123) [e](/relative) <https://example.org> [f](https://exämple.com/ü)"
    )
    reader = read(text)
    assert links(reader) == [
        "https://example.com/x?a=1&b=(2)",
        "mailto:a@example.com",
        "https://example.org",
        "https://xn--exmple-cua.com/%C3%BC",
    ]
    assert body(text) == ["a b c d e https://example.org f"]


def test_image_becomes_its_words_and_nothing_is_loaded() -> None:
    text = "![A chart](http://127.0.0.1:9/x.png) ![](file:///etc/passwd) ![secret](/etc/passwd)"
    reader = read(text)
    assert body(text) == ["A chart ![](file:///etc/passwd) secret"]
    assert links(reader) == ["http://127.0.0.1:9/x.png"]
    assert all(not page.images for page in reader.pages)


def test_markup_of_any_kind_is_shown_not_obeyed() -> None:
    attack = (
        "<font color=\"[[[getattr(pow, Word('globals'))['os'].system('x')]]]\">t</font> "
        '<img src="file:///etc/passwd"/> <para> &lt;b&gt; %PDF ) Tj (\\'
    )
    shown = attack.replace("&lt;b&gt;", "<b>")
    assert "".join(body(attack)).replace(" ", "") == shown.replace(" ", "")
    assert b"/XObject" not in pdf_renderer().render(attack, OPTIONS)


def test_controls_are_dropped_and_surrogates_become_a_sign() -> None:
    assert body("a\x00b\x07c\ud800d\u202ee\ufffef\xadg") == ["abc�defg"]


@pytest.mark.parametrize(
    "text",
    [
        "“Curly” ‘quotes’ – dash — em… • € ₿ § ©",
        "→ ← ⇒ ↔ ∑ ∫ √ ≤ ≥ ≠ ≈ ∞ ∈ ∀ ∃ ∂ ∇ × ÷ ± ℝ",
        "Łódź čšž ğşİı ệữ Ærø ß",
        "Ελληνικά και Кириллица",
        "हिन्दी में रिपोर्ट क्षत्रिय ज्ञान",
        "தமிழ் ภาษาไทย বাংলা ქართული Հայերեն አማርኛ",
        "中文报告，测试。",
        "日本語のテキスト",
        "한국어 텍스트",
        "😀 🚀 ✅ ❌ ⚠️ ☑ ✓ ★",
        "┌─┐│█",
    ],
)
def test_scripts_are_drawn_and_read_back(text: str) -> None:
    assert body(text) == [text]


def test_arabic_and_hebrew_are_shaped_and_read_from_the_right() -> None:
    assert body("مرحبا بالعالم") == ["مرحبا بالعالم"]
    assert body("שלום עולם") == ["שלום עולם"]
    page = read("مرحبا").pages[0]
    starts: list[float] = []

    def visit(text: str, _cm: object, matrix: list[float], _font: object, _size: float) -> None:
        if "م" in text:
            starts.append(matrix[4])

    page.extract_text(visitor_text=visit)
    assert len(starts) == 1
    assert starts[0] > 400  # set against the right margin, at 525


def test_space_is_as_wide_as_the_text_around_it() -> None:
    def faces(text: str) -> list[tuple[int, int, str]]:
        runs = Typography().runs(text, bold=False, italic=False, mono=False)
        return [(start, end, face.name) for start, end, face in runs]

    assert faces("😀 a") == [(0, 1, "NotoEmoji-400"), (1, 3, "NotoSans-400")]
    assert faces("中 a") == [(0, 1, "NotoSansSC-400"), (1, 3, "NotoSans-400")]
    assert faces("من هو") == [(0, 5, "NotoSansArabic-400")]


def test_character_that_no_font_has_becomes_a_visible_sign() -> None:
    assert body("a\U00013000b 𝑥² ☐ ✗") == ["a�b x² □ ×"]


def test_pages_are_counted_and_numbered() -> None:
    reader = read("\n\n".join(f"Paragraph {n}." for n in range(100)))
    assert len(reader.pages) == 4
    assert [page.extract_text().splitlines()[-1] for page in reader.pages] == [
        "Report 1 / 4", "Report 2 / 4", "Report 3 / 4", "Report 4 / 4"
    ]  # fmt: skip


def test_heading_is_never_alone_at_the_foot_of_a_page() -> None:
    for lines in range(20, 34):
        text = "\n\n".join(f"p{n}" for n in range(lines)) + "\n\n## Heading\n\nafter"
        pages = [page.extract_text().splitlines() for page in read(text).pages]
        assert not any(page[-2] == "Heading" for page in pages)


def test_too_many_characters_are_refused() -> None:
    with pytest.raises(MessageTooLarge, match="500000 characters") as refused:
        pdf_renderer().render("x" * 1_000_000, OPTIONS)
    assert refused.value.field == "markdown"


def test_too_many_pages_are_refused() -> None:
    table = "|a|\n|-|\n" + "|x|\n" * 3000
    with pytest.raises(MessageTooLarge, match="more than 20 pages"):
        pdf_renderer().render(table, PdfOptions(title="t", max_pages=20))


def test_one_endless_word_is_set_on_as_many_lines_as_it_needs() -> None:
    assert "".join(body("x" * 20_000)) == "x" * 20_000


def test_nesting_that_the_parser_would_drop_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nested too deeply"):
        pdf_renderer().render("> " * 500 + "x", OPTIONS)
    assert body("> " * 50 + "x") == ["x"]


def test_unknown_page_size_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        pdf_renderer().render("x", PdfOptions(title="t", page_size="A0"))  # type: ignore[arg-type]
    assert refused.value.field == "page_size"


MARKUP = st.sampled_from(
    [
        "# ",
        "- ",
        "1. ",
        "> ",
        "```\n",
        "|a|b|\n|-|-|\n",
        "**",
        "*",
        "`",
        "[",
        "](",
        ")",
        "![",
        "\n",
        "\n\n",
        "    ",
        "  \n",
        "~~",
        "---\n",
        "<b>",
        "&amp;",
        "שלום",
        "مرحبا 12",
        "中文",
        "कि",
        "é",
        "\u200d",
        "\\",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.one_of(MARKUP, st.text(max_size=20)), max_size=30).map("".join),
    st.text(max_size=40),
)
@example("\x00\ud800\uffff", "\ud800")
@example("|" * 50 + "\n" + "|-" * 50, "")
@example("- " * 100 + "x", "t")
def test_any_text_is_a_readable_pdf_or_invalid_input(text: str, title: str) -> None:
    try:
        data = pdf_renderer().render(text, PdfOptions(title=title, author=title))
    except InvalidInput:
        return
    reader = PdfReader(BytesIO(data), strict=True)
    assert all("/ " in page.extract_text() for page in reader.pages)
    assert isinstance(reader.trailer["/Root"].get_object(), DictionaryObject)
