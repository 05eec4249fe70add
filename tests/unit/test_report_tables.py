import csv
import io
import re
from html.parser import HTMLParser

import pytest
from facetory.report.cells import Cell, CellTable
from facetory.report.labels import as_html, as_latex, as_mathtext, plain_latex
from facetory.report.layout import lines, number, spans
from facetory.report.notes import SYMBOLS
from facetory.report.table_latex import WIDE, table_latex
from facetory.report.tables import table_csv, write_table

HOSTILE = '[x]<script>alert("1")</script> & 50 % of $5 #1 a_b ^~ \\input{/etc/passwd} {'
STATUSES = list(SYMBOLS)


def cell(row, column, status="reproduced", **changes):
    ran = status not in ("not_run", "quoted", "not_applicable")
    about = {
        "value": 57.0 if ran else None,
        "ci_low": 51.25 if ran else None,
        "ci_high": 62.5 if ran else None,
        "published": 90.12,
        "command": "snakemake t",
        "reading": "paper",
        "metric": "accuracy",
        "dataset": HOSTILE,
        "slot_title": HOSTILE,
        "stand_in": True,
        "n": 308,
    }
    about["reason"] = HOSTILE if status in ("not_run", "not_comparable") else None
    return Cell(id=f"t/{row}/{column}", row=row, column=column, status=status, **(about | changes))


def table(cells, stub=("Method", "Hyperparam.")):
    heading = {"table": "t", "title": f"Of λ1, m_f and {HOSTILE}", "source": "Table I", "scale": "demo"}
    return CellTable(**heading, reading="paper", stub=list(stub), cells=cells)


@pytest.fixture
def written(tmp_path):
    rows = ["Base", "AMDiT, α = 0.01", "AMDiT, α = 0.05", HOSTILE]
    cells = [
        cell(row, column, STATUSES[(i + j) % 7])
        for i, row in enumerate(rows)
        for j, column in enumerate("abcd")
    ]
    made = table(cells)
    write_table(made, tmp_path)
    return made, {path.suffix: path.read_text() for path in tmp_path.iterdir()}


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def test_four_files_are_written_and_nothing_else(written):
    assert set(written[1]) == {".json", ".csv", ".tex", ".html"}


def test_the_csv_holds_every_field_of_every_cell(written):
    made, files = written
    rows = list(csv.DictReader(io.StringIO(files[".csv"])))
    assert [row["id"] for row in rows] == [cell.id for cell in made.cells]
    assert set(rows[0]) == set(Cell.model_fields)
    assert rows[0]["dataset"] == HOSTILE
    assert float(rows[0]["ci_high"]) == 62.5
    assert rows[3]["value"] == ""


def test_lists_and_budgets_fit_in_one_field():
    text = table_csv(table([cell("Base", "a", runs=["r1", "r2"], seeds=[0, 1], budget={"px": 64})]))
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["runs"], row["seeds"], row["budget"]) == ("r1;r2", "0;1", '{"px": 64}')


def test_hostile_names_stay_text_in_html(written):
    page = Page(written[1][".html"])
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert HOSTILE in "".join(page.words)


def test_html_shows_every_cell_with_symbol_class_and_published_value(written):
    made, files = written
    page = Page(files[".html"])
    shown = [a["class"] for tag, a in page.tags if tag == "span" and a.get("class") in STATUSES]
    assert shown[: len(made.cells)] == [cell.status for cell in made.cells]
    words = "".join(page.words)
    assert words.count("paper 90.12") == len(made.cells)
    assert words.count("[51.25, 62.50]") == sum(cell.value is not None for cell in made.cells)
    assert all(words.count(symbol) >= 2 for symbol in SYMBOLS.values())


def test_two_stub_columns_name_a_method_once():
    made = table([cell("Base", "a"), cell("AMDiT, α = 0.01", "a"), cell("AMDiT, α = 0.05", "a")])
    assert [line.stub for line in lines(made)] == [["Base", "–"], ["AMDiT", "α = 0.01"], ["", "α = 0.05"]]


def test_a_combination_the_paper_has_not_is_left_blank(tmp_path):
    made = table([cell("Base", "a"), cell("CoDiT", "b")], stub=["Method"])
    assert [[c is None for c in line.cells] for line in lines(made)] == [[False, True], [True, False]]
    write_table(made, tmp_path)


def bare(text):
    """LaTeX without its escaped characters and comments."""
    return re.sub(r"(?m)^%.*$", "", re.sub(r"\\[\\&%$#_{}^~]", " ", text))


def test_latex_is_balanced_and_its_special_characters_are_escaped(written):
    text = bare(written[1][".tex"])
    assert text.count("{") == text.count("}")
    assert text.count("$") % 2 == 0
    assert not re.search(r"[#^%_]", re.sub(r"\$.*?\$", "", text))
    assert "\\input" not in text
    opened = re.findall(r"\\begin\{(\w+\*?)\}", text)
    assert (
        sorted(opened) == sorted(re.findall(r"\\end\{(\w+\*?)\}", text)) == ["minipage", "table*", "tabular"]
    )


def test_latex_rows_have_all_columns_and_cannot_be_read_as_options(written):
    text = written[1][".tex"]
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    body = rows[2:]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in body} == {1 + 2 * 4}
    assert all(not row.startswith("[") for row in body)
    assert body[1].startswith(r"AMDiT & $\alpha$ = 0.01 & 90.12 & ")


def test_columns_of_several_units_name_them():
    found = {"Happy, flip rate": "%", "Happy, identity": "", "Cost, per image": "GMAC"}
    made = table([cell("Base", column, "new", unit=unit) for column, unit in found.items()], stub=["Method"])
    assert spans(made) == [("Happy", ["flip rate (%)", "identity"]), ("Cost", ["per image (GMAC)"])]
    alone = table([cell("Base", column, "new", unit="%") for column in "ab"])
    assert spans(alone) == [("", ["a", "b"])]
    units = {"PSNR": "dB", "GPU hours": "h", "Total (M)": "M"}
    mixed = table([cell("Base", name, "new", unit=unit) for name, unit in units.items()])
    assert spans(mixed) == [("", ["PSNR (dB)", "GPU hours", "Total (M)"])]
    assert r"flip rate (\%)" in table_latex(made)


def test_latex_of_our_own_numbers_has_no_column_for_the_papers(tmp_path):
    cells = [cell("Base", f"{i // 4}, column {i}", "new", published=None) for i in range(WIDE + 1)]
    text = table_latex(table(cells, stub=["Method"]))
    assert bare(text).count("{") == bare(text).count("}") and "paper &" not in text
    assert r"\multicolumn{2}" not in text
    (row,) = (line for line in text.splitlines() if line.startswith("Base"))
    assert row.count(" & ") == WIDE + 1 and row.count(r"57.00\\{\tiny [51.25, 62.50]}\end") == WIDE + 1
    narrow = table_latex(table(cells[:WIDE], stub=["Method"]))
    assert r"57.00 {\tiny [51.25, 62.50]}" in narrow
    assert r"\cmidrule(lr){2-5} \cmidrule(lr){6-7}" in narrow


def test_the_papers_symbols_are_set():
    assert as_latex("CoDiT, λ1 = 0.001") == r"CoDiT, $\lambda_{1}$ = 0.001"
    assert as_latex("AMDiT (c_nn = c_nc)") == "AMDiT ($c_{nn}$ = $c_{nc}$)"
    assert as_latex("∅") == r"$\emptyset$"
    assert as_html("m_f < α") == "<i>m</i><sub>f</sub> &lt; <i>α</i>"
    assert as_mathtext("$m_f") == r"\$$m_{f}$"


def test_words_with_underscores_are_no_symbols():
    assert as_html("my_faces anny_basic") == "my_faces anny_basic"
    assert as_latex("my_faces") == r"my\_faces"
    assert plain_latex("a\nβ & λ") == r"a $\beta$ \& $\lambda$"


def test_numbers_have_the_decimals_that_the_paper_prints():
    assert [number(0.3836, 3), number(-0.0092, 3), number(23453, 0), number(61.765, 1)] == [
        "0.384",
        "-0.009",
        "23453",
        "61.8",
    ]
    assert number(0.0004, 3) == "4.0e-04"
    assert number(None, 3) == "–"
