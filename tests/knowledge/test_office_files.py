import io
import zipfile
from datetime import date, datetime

import pytest
from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from pptx import Presentation
from pptx.util import Inches

from knowledge.conversion import to_markdown
from knowledge.documents import MarkdownDocument, RawDocument, UnreadableError

OLE = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(512)


def convert(name: str, content: bytes) -> MarkdownDocument:
    return to_markdown(RawDocument(name, name, content))


def refusal(name: str, content: bytes) -> str:
    with pytest.raises(UnreadableError) as refused:
        convert(name, content)
    return str(refused.value)


def workbook(**sheets: list[list[object]]) -> Workbook:
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    return book


def saved(file: object) -> bytes:
    content = io.BytesIO()
    file.save(content)  # type: ignore[attr-defined]
    return content.getvalue()


# --- PowerPoint


def deck() -> bytes:
    presentation = Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Opening hours"
    frame = slide.placeholders[1].text_frame
    frame.text = "Weekdays"
    inner = frame.add_paragraph()
    inner.text, inner.level = "nine to five", 1
    slide.notes_slide.notes_text_frame.text = "Say that Friday is short."
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    table = slide.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    for row, texts in enumerate([["Plan", "Price"], ["Team", "49|50"]]):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    box = slide.shapes.add_group_shape().shapes.add_textbox(0, 0, Inches(1), Inches(1))
    box.text_frame.text = "In a group"
    return saved(presentation)


def test_a_presentation_has_a_section_for_each_slide_with_its_list_table_and_notes() -> None:
    assert convert("a.pptx", deck()).markdown == (
        "## Slide 1: Opening hours\n\n- Weekdays\n  - nine to five\n\n"
        "Speaker notes: Say that Friday is short.\n\n"
        "## Slide 2\n\n| Plan | Price |\n| --- | --- |\n| Team | 49\\|50 |\n\nIn a group"
    )


def test_a_presentation_without_text_is_empty() -> None:
    presentation = Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[6])
    assert refusal("a.pptx", saved(presentation)) == "a.pptx is empty."


# --- Excel


def test_a_workbook_has_a_section_with_a_table_for_each_sheet() -> None:
    book = workbook(Prices=[["Plan", "Price"], ["Team", 49], ["Large", 99.5]], Staff=[["Name"], ["Ann"]])
    assert convert("a.xlsx", saved(book)).markdown == (
        "## Prices\n\n| Plan | Price |\n| --- | --- |\n| Team | 49 |\n| Large | 99.5 |\n\n"
        "## Staff\n\n| Name |\n| --- |\n| Ann |"
    )


def test_rows_and_columns_without_text_are_left_out_and_lines_above_a_table_are_text() -> None:
    rows = [["Price list"], [], [None, "Plan", None, "Price"], [], [None, "Team", None, 49]]
    assert convert("a.xlsx", saved(workbook(S=rows))).markdown == (
        "## S\n\nPrice list\n\n| Plan | Price |\n| --- | --- |\n| Team | 49 |"
    )


def test_dates_shares_and_truth_are_written_as_people_read_them() -> None:
    book = workbook(
        S=[["Day", "At", "Share", "Open"], [date(2026, 3, 1), datetime(2026, 3, 1, 9), 0.125, True]]
    )
    book["S"]["C2"].number_format = "0.0%"
    assert "| 2026-03-01 | 2026-03-01 09:00:00 | 12.5% | True |" in convert("a.xlsx", saved(book)).markdown


def test_a_merged_cell_is_said_once() -> None:
    book = workbook(S=[["Plan", "Price"], ["All plans", None], ["Team", 49]])
    book["S"].merge_cells("A2:B2")
    assert convert("a.xlsx", saved(book)).markdown.count("All plans") == 1


def test_a_hidden_sheet_is_left_out() -> None:
    book = workbook(Seen=[["a"]], Unseen=[["secret"]])
    book["Unseen"].sheet_state = "hidden"
    assert "secret" not in convert("a.xlsx", saved(book)).markdown


def test_a_table_with_a_very_wide_header_names_the_column_in_every_row() -> None:
    names = [f"A rather long column name {number}" for number in range(12)]
    markdown = convert("a.xlsx", saved(workbook(S=[names, list(range(12)), [None, 7]]))).markdown
    assert "\n- A rather long column name 1: 7" in markdown
    assert "A rather long column name 3: 3; A rather long column name 4: 4" in markdown


def test_too_many_columns_are_refused_with_the_sheet_and_the_limit() -> None:
    book = workbook(Wide=[list(range(501))])
    assert "100,000 rows or 500 columns in the sheet 'Wide'" in refusal("a.xlsx", saved(book))


def test_what_a_sheet_says_of_its_size_is_not_believed() -> None:
    original = zipfile.ZipFile(io.BytesIO(saved(workbook(S=[["a", "b"], [1, 2]]))))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as lying:
        for name in original.namelist():
            part = original.read(name)
            last = f"{get_column_letter(16_384)}1048576".encode()
            lying.writestr(name, part.replace(b'ref="A1:B2"', b'ref="A1:' + last + b'"'))
    assert convert("a.xlsx", content.getvalue()).markdown.endswith("| a | b |\n| --- | --- |\n| 1 | 2 |")


# --- all of them


@pytest.mark.parametrize("name", ["a.pptx", "a.xlsx", "a.docx"])
def test_an_office_file_with_a_password_is_refused(name: str) -> None:
    content = OLE + "EncryptedPackage".encode("utf-16-le")
    assert refusal(name, content) == f"{name} is protected by a password; save a copy without one."


@pytest.mark.parametrize(
    ("name", "old", "program"), [("a.pptx", ".ppt", "PowerPoint"), ("a.xlsx", ".xls", "Excel")]
)
def test_an_old_office_file_under_a_new_name_is_refused(name: str, old: str, program: str) -> None:
    assert f"is an old {program} file ({old}) under a new name" in refusal(name, OLE)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.pptx", "PowerPoint presentation"), ("a.xlsx", "Excel workbook")]
)
def test_a_half_written_office_file_is_refused(name: str, kind: str) -> None:
    content = (deck() if name == "a.pptx" else saved(workbook(S=[["a"]])))[:2_000]
    assert refusal(name, content) == f"{name} is a damaged or half-written {kind}; save it again."


@pytest.mark.parametrize(
    ("name", "part"), [("a.pptx", "ppt/presentation.xml"), ("a.xlsx", "xl/workbook.xml")]
)
def test_a_decompression_bomb_in_an_office_file_is_refused_before_it_is_unpacked(
    name: str, part: str
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(part, bytes(201_000_000))
    assert "would unpack to 201 MB" in refusal(name, content.getvalue())


def test_one_office_file_under_the_name_of_another_is_refused() -> None:
    assert refusal("a.xlsx", deck()) == "a.xlsx is not an Excel workbook."
