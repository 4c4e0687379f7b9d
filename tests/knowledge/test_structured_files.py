import json

import pytest

from knowledge.conversion import to_markdown
from knowledge.documents import MarkdownDocument, RawDocument, UnreadableError


def convert(name: str, content: bytes | str) -> MarkdownDocument:
    return to_markdown(RawDocument(name, name, content.encode() if isinstance(content, str) else content))


def refusal(name: str, content: bytes | str) -> str:
    with pytest.raises(UnreadableError) as refused:
        convert(name, content)
    return str(refused.value)


# --- CSV

PLANS = "| Plan | Price |\n| --- | --- |\n| Team, small | 49 |\n| Large | 99 |"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_csv_file_is_a_table_whatever_its_delimiter(delimiter: str) -> None:
    rows = [["Plan", "Price"], ['"Team, small"', "49"], ["Large", "99"]]
    assert convert("a.csv", "\r\n".join(delimiter.join(row) for row in rows)).markdown == PLANS


def test_a_tsv_file_of_one_row_is_divided_at_tabs() -> None:
    assert convert("a.tsv", "a, b\tc").markdown == "| a, b | c |\n| --- | --- |"


def test_a_csv_file_in_an_office_encoding_is_read() -> None:
    content = "Name;Ort\nZoë Müller;Köln am Rhein\nFrançois;Genève\n".encode("cp1252")
    assert "| Zoë Müller | Köln am Rhein |" in convert("a.csv", content).markdown


def test_cells_of_several_lines_and_bars_stay_in_their_row() -> None:
    assert convert("a.csv", 'a,b\n"one\ntwo",x|y\n').markdown.endswith("| one two | x\\|y |")


def test_a_comment_in_a_cell_hides_no_row() -> None:
    markdown = convert("a.csv", "a,b\n<!-- x,1\nshown,2\ny -->,3\n").markdown
    assert "| shown | 2 |" in markdown


def test_a_csv_file_of_too_many_rows_is_refused_with_the_limit() -> None:
    assert "more than 100,000 rows" in refusal("a.csv", "a,b\n" * 100_001)


def test_a_quotation_mark_that_is_not_closed_is_reported_with_its_line() -> None:
    assert "is not a table in line" in refusal("a.csv", 'a,b\n"' + "x\n" * 100_000)


# --- JSON


def test_an_object_is_a_list_of_its_values_and_a_section_for_each_object_in_it() -> None:
    value = {"region": "EU", "seats": 3, "support": {"hours": "nine to five", "days": ["Mon", "Tue"]}}
    assert convert("a.json", json.dumps(value)).markdown == (
        "- region: EU\n- seats: 3\n\n## support\n\n- hours: nine to five\n- days: Mon, Tue"
    )


def test_an_array_of_objects_is_a_table_with_all_their_keys() -> None:
    value = [{"plan": "Team", "price": 49}, {"plan": "Large", "seats": 90}]
    assert convert("a.json", json.dumps(value)).markdown == (
        "| plan | price | seats |\n| --- | --- | --- |\n| Team | 49 |  |\n| Large |  | 90 |"
    )


def test_an_array_of_objects_with_inner_parts_has_a_section_for_each_by_its_name() -> None:
    value = [{"name": "Pump", "parts": [{"id": 1, "size": 2}]}, {"parts": [{"id": 3, "size": 4}]}]
    markdown = convert("a.json", json.dumps(value)).markdown
    assert "## Pump\n\n- name: Pump\n\n### parts\n\n| id | size |" in markdown
    assert "## Item 2\n\n### parts" in markdown


def test_long_texts_in_an_object_keep_their_paragraphs_under_their_key() -> None:
    assert convert("a.json", '{"body": "One.\\n\\nTwo."}').markdown == "## body\n\nOne.\n\nTwo."


def test_the_title_of_an_object_is_the_documents_title() -> None:
    assert convert("a.json", '{"title": "Opening hours", "x": 1}').title == "Opening hours"


def test_lines_of_json_are_rows() -> None:
    markdown = convert("a.jsonl", '{"a": 1}\n\n{"a": 2}\n').markdown
    assert markdown == "| a |\n| --- |\n| 1 |\n| 2 |"


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.json", '{\n "a": 1,\n "b" 2}', "line 3, column 6"),
        ("a.jsonl", '{"a": 1}\n{"a": }', "line 2, column 7"),
    ],
)
def test_json_that_is_not_valid_is_reported_with_its_line(name: str, content: str, where: str) -> None:
    assert f"{name} is not valid JSON in {where}: " in refusal(name, content)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "9" * 5_000])
def test_json_made_to_break_parsers_is_refused(content: str) -> None:
    assert refusal("a.json", content).startswith("a.json ")


def test_deep_json_keeps_what_lies_too_deep_for_headings() -> None:
    value: object = {"key": "the bottom"}
    for level in range(12):
        value = {f"level {level}": value}
    assert '"key": "the bottom"' in convert("a.json", json.dumps(value)).markdown


# --- notebooks


def notebook(*cells: dict[str, object]) -> str:
    metadata = {"language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def code(source: str, *outputs: dict[str, object]) -> dict[str, object]:
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": outputs}


def test_a_notebook_keeps_its_text_its_code_and_what_that_printed() -> None:
    text = {"cell_type": "markdown", "source": ["# Sales\n", "By region."]}
    cell = code("x = 1\nprint(x)", {"output_type": "stream", "text": ["1\n"]})
    document = convert("a.ipynb", notebook(text, cell))
    assert document == MarkdownDocument(
        "Sales", "# Sales\nBy region.\n\n```python\nx = 1\nprint(x)\n```\n\nOutput:\n\n```\n1\n```"
    )


def test_images_of_a_notebook_are_left_out() -> None:
    plot = {
        "output_type": "display_data",
        "data": {"image/png": "iVBORw0", "text/plain": "<Figure size 1x1>"},
    }
    text = {
        "cell_type": "markdown",
        "source": "Plot ![of sales](data:image/png;base64,iVBORw0) <img src='data:i'>",
    }
    markdown = convert("a.ipynb", notebook(text, code("plot()", plot))).markdown
    assert markdown == "Plot of sales \n\n```python\nplot()\n```"


def test_long_outputs_of_a_notebook_are_cut_and_terminal_colours_removed() -> None:
    print_much = {"output_type": "stream", "text": "q" * 9_000}
    error = {"output_type": "error", "ename": "KeyError", "evalue": "\x1b[31m'x'\x1b[0m"}
    markdown = convert("a.ipynb", notebook(code("f()", print_much, error))).markdown
    assert markdown.count("q") == 2_000
    assert markdown.endswith("```\nKeyError: 'x'\n```")


@pytest.mark.parametrize("content", ["[]", "{}", '{"cells": 3}', "3"])
def test_json_that_is_no_notebook_is_refused(content: str) -> None:
    assert refusal("a.ipynb", content) == "a.ipynb is not a notebook; save it again from Jupyter."


@pytest.mark.parametrize("cell", [None, 3, {}, {"cell_type": "code", "outputs": 3, "source": [1]}])
def test_odd_cells_of_a_notebook_are_skipped(cell: object) -> None:
    kept = {"cell_type": "markdown", "source": "kept"}
    assert convert("a.ipynb", json.dumps({"cells": [cell, kept], "metadata": 3})).markdown == "kept"


# --- reStructuredText

RST = """
The guide
=========

Call :func:`parse_config` or see `the manual <https://docs.example/>`_.

.. include:: /etc/passwd

.. raw:: html

   <b>raw</b>

Limits
------

.. csv-table::
   :header: Plan, Seats

   Team, 20

.. code-block:: python
   :emphasize-lines: 1

   seats = 20

.. versionchanged:: 2.0
   Was *ten* before.

.. toctree::

   other
"""


def test_a_restructured_text_keeps_headings_tables_code_and_links() -> None:
    assert convert("a.rst", RST) == MarkdownDocument(
        "The guide",
        "# The guide\n\nCall `parse_config` or see [the manual](https://docs.example/).\n\n"
        "## Limits\n\n| Plan | Seats |\n| --- | --- |\n| Team | 20 |\n\n```python\nseats = 20\n```\n\n"
        "**2.0**\n\nWas *ten* before.",
    )


def test_a_restructured_text_reads_no_other_file(tmp_path: object) -> None:
    (tmp_path / "secret.txt").write_text("the secret")  # type: ignore[operator]
    directives = [
        f".. include:: {tmp_path}/secret.txt",
        f".. literalinclude:: {tmp_path}/secret.txt",
        f".. csv-table::\n   :file: {tmp_path}/secret.txt",
        f".. raw:: html\n   :file: {tmp_path}/secret.txt",
    ]
    assert "the secret" not in convert("a.rst", "Text.\n\n" + "\n\n".join(directives)).markdown


def test_headings_of_one_level_stay_headings() -> None:
    assert convert("a.rst", "One\n===\n\na\n\nTwo\n===\n\nb").markdown == "# One\n\na\n\n# Two\n\nb"


# --- e-mail

MAIL = """From: Ann Lee <ann@shop.example>
To: bob@shop.example
Subject: =?utf-8?q?Opening_hours_in_M=C3=A4rz?=
Date: Mon, 2 Mar 2026 09:30:00 +0000
"""
REPLY = """We close at six.

Ann

On Sun, 1 Mar 2026 at 10:00, Bob <bob@shop.example> wrote:
> When do we close?
> Bob
"""


def test_an_email_has_its_subject_as_title_and_a_line_of_who_and_when() -> None:
    document = convert("a.eml", MAIL + "\nWe close at six.\n")
    assert document == MarkdownDocument(
        "Opening hours in März",
        "From: Ann Lee (ann@shop.example); To: bob@shop.example; Date: 2026-03-02 09:30 UTC\n\n"
        "We close at six.",
    )


def test_the_history_below_a_reply_is_left_out() -> None:
    markdown = convert("a.eml", MAIL + "\n" + REPLY).markdown
    assert markdown.endswith("We close at six.\n\nAnn")


def test_the_history_of_office_mail_programs_is_left_out() -> None:
    text = "At six.\n\nFrom: Bob\nSent: Sunday\nTo: Ann\nSubject: Hours\n\nWhen do we close?\n"
    assert convert("a.eml", MAIL + "\n" + text).markdown.endswith("At six.")


def test_answers_between_quotes_are_kept_with_the_quotes() -> None:
    text = "On Sunday, Bob wrote:\n> When do we close?\nAt six.\n> And open?\nAt nine.\n"
    markdown = convert("a.eml", MAIL + "\n" + text).markdown
    assert "> When do we close?\nAt six.\n> And open?\nAt nine." in markdown


def test_a_forwarded_message_alone_is_kept() -> None:
    assert "> the news" in convert("a.eml", MAIL + "\n> the news\n").markdown


MULTIPART = (
    MAIL
    + """MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: multipart/alternative; boundary="c"

--c
Content-Type: text/html

<p>In <b>HTML</b>.</p>
--c{plain}--

--b
Content-Type: application/pdf
Content-Disposition: attachment; filename="prices.pdf"

x
--b--
"""
)


def test_the_plain_text_of_an_email_is_preferred_and_attachments_are_named() -> None:
    markdown = convert(
        "a.eml", MULTIPART.format(plain="\nContent-Type: text/plain\n\nIn plain.\n--c")
    ).markdown
    assert markdown.endswith("\n\nIn plain.\n\nAttachments: prices.pdf")


def test_an_email_in_html_alone_is_converted() -> None:
    assert "In **HTML**." in convert("a.eml", MULTIPART.format(plain="")).markdown


def test_a_mailbox_has_a_section_for_each_message() -> None:
    message = f"From ann@shop.example Mon Mar  2 09:30:00 2026\n{MAIL}\nWe close at six.\n\n"
    assert convert("a.mbox", message * 2).markdown.count("## Opening hours in März\n\nFrom: Ann") == 2


def test_something_else_under_the_name_of_an_email_is_refused() -> None:
    assert refusal("a.eml", "Just text.") == "a.eml is not an e-mail: it has no sender and no subject."


def test_an_encrypted_email_is_refused() -> None:
    content = MAIL + "Content-Type: application/pkcs7-mime\n\nx"
    assert refusal("a.eml", content) == "a.eml is encrypted; save a copy that is not."
