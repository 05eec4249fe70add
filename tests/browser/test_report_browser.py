"""The report in a real browser: what a reviewer clicks, types and prints."""

import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: dev)")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

from facetory.report.site.page import write_site  # noqa: E402
from reported import HOSTILE, judged, results  # noqa: E402

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no chromium on the PATH: install it, e.g. `apt-get install chromium`")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = results(tmp_path_factory.mktemp("report") / "results" / "demo")
    judged(root)
    return write_site(root).as_uri()


@pytest.fixture
def visit(browser, address):
    """Open the page at a part; at the end no error was logged and nothing was asked of anyone."""
    opened, heard = [], []

    def open_page(part="", **options):
        context = browser.new_context(viewport={"width": 1200, "height": 800}, **options)
        page = context.new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or heard.append(asked.url))
        page.goto(address + part)
        opened.append(context)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert heard == []


def shown(page):
    """The ids of the parts that are shown."""
    parts = page.locator(".part")
    return [part.get_attribute("id") for part in parts.all() if part.is_visible()]


def focused(page):
    """The row and column of the cell that has the focus."""
    cell = "document.activeElement.dataset.cell"
    return page.evaluate(
        f"(() => {{const c = JSON.parse(document.getElementById('data').textContent).cells[{cell}];"
        "return c && [c.row, c.column]})()"
    )


def test_the_overview_opens_and_the_parts_follow_the_links(visit):
    page = visit()
    assert shown(page) == ["overview"]
    page.get_by_role("navigation", name="Parts of the report").get_by_role("link", name="EmoDC").click()
    assert shown(page) == ["emodc"]
    assert page.evaluate("document.activeElement.id") == "emodc-title"
    page.go_back()
    assert shown(page) == ["overview"]


def test_an_address_names_a_table(visit):
    page = visit("#/smc/smc_fig5")
    assert shown(page) == ["smc"]
    assert page.locator("#smc_fig5-title").bounding_box()["y"] < 400


def test_the_bar_of_the_overview_leads_to_its_cells(visit):
    page = visit()
    page.get_by_role("link", name="1 outside").click()
    assert page.get_by_role("status").first.inner_text() == "1 cell in 1 table or figure"
    assert [cell.get_attribute("class") for cell in page.locator(".match").all()] == ["cell outside match"]


def test_status_paper_and_words_filter_together(visit):
    page = visit()
    matches = page.locator("#matches")
    page.locator("label.pill.new").click()
    sync_api.expect(matches).to_have_text("5 cells in 3 tables and figures")
    page.get_by_label("Paper").select_option("smc")
    sync_api.expect(matches).to_have_text("1 cell in 1 table or figure")
    assert shown(page) == ["smc"]
    page.get_by_label("Paper").select_option("")
    page.get_by_role("searchbox").fill("seed 1-step")
    sync_api.expect(matches).to_have_text("2 cells in 1 table or figure")
    assert page.locator("#emodc_stability tbody tr:visible").count() == 2
    page.get_by_role("button", name="Clear").click()
    assert shown(page) == ["overview"]
    assert page.get_by_role("searchbox").input_value() == ""


def test_a_filter_is_an_address_that_can_be_sent(visit):
    page = visit("#/find?q=amdit&status=not_run")
    assert page.locator("#matches").inner_text() == "1 cell in 1 table or figure"
    assert page.get_by_role("searchbox").input_value() == "amdit"
    row = page.locator("#emodc_table1 tbody tr:visible")
    assert row.locator("th").all_inner_texts()[0] == "AMDiT"


def test_a_cell_opens_on_what_it_was_made_from(visit):
    page = visit("#/emodc")
    page.locator("#emodc_table1 .cell.reproduced").click()
    dialog = page.get_by_role("dialog")
    words = dialog.inner_text()
    for part in (
        "Base, 1-step",
        "81.25 % [79.50, 83.00]",
        "82.00 %",
        "−0.75 %",
        "20 ran where the paper has 100",
        "training steps 240",
        "rafdb_basic (test)",
        "0, 1",
        "snakemake emodc_table1",
        "AMDiT is ahead of Base",
        'facetory explain \'emodc_table1:"Base":"1-step"\' --root results/demo',
    ):
        assert part in words
    dialog.locator("summary", has_text="evaluations/base-test").click()
    sync_api.expect(dialog).to_contain_text("torch 2.13.0")
    sync_api.expect(dialog).to_contain_text("5f" * 32)
    dialog.locator("summary", has_text="1 earlier stages").click()
    dialog.locator("summary", has_text="runs/base-seed0").click()
    sync_api.expect(dialog).to_contain_text("c0ffee")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert focused(page) == ["Base", "1-step"]


def test_a_cell_that_was_not_run_says_why(visit):
    page = visit("#/emodc")
    page.locator("#emodc_table1 .cell.not_run").click()
    assert "no data" in page.get_by_role("dialog").inner_text()


def test_the_evidence_of_a_claim_opens_its_cell(visit):
    page = visit("#/claims")
    page.get_by_role("link", name="emodc_table1/Base/1-step").click()
    assert "81.25 %" in page.get_by_role("dialog").inner_text()
    assert shown(page) == ["emodc"]


def test_arrows_and_letters_walk_the_cells(visit):
    page = visit("#/emodc")
    page.keyboard.press("j")
    assert focused(page) == ["Base", "1-step"]
    page.keyboard.press("ArrowRight")
    assert focused(page) == ["Base", "10-step"]
    page.keyboard.press("ArrowRight")
    assert focused(page) == ["Base", "10-step"]
    page.keyboard.press("ArrowDown")
    assert focused(page) == ["AMDiT, α = 0.01", "10-step"]
    page.keyboard.press("Home")
    assert focused(page) == ["AMDiT, α = 0.01", "1-step"]
    page.keyboard.press("k")
    assert focused(page) == ["Base", "10-step"]
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert "anny stands in for RAF-DB" in dialog.inner_text()
    dialog.get_by_role("button", name="Next cell").click()
    assert "AMDiT, α = 0.01, 1-step" in dialog.inner_text()


def test_one_cell_of_a_table_is_reached_by_tab(visit):
    page = visit("#/emodc")
    assert page.locator("#emodc_table1 .cell[tabindex='0']").count() == 1
    page.locator("#emodc_table1 .cell").nth(2).focus()
    page.keyboard.press("ArrowUp")
    assert page.locator("#emodc_table1 .cell[tabindex='0']").count() == 1


def test_letters_walk_only_what_matches(visit):
    page = visit("#/find?status=outside,not_run")
    for place in (["AMDiT, α = 0.01", "1-step"], ["AMDiT, α = 0.01", "10-step"]):
        page.keyboard.press("j")
        assert focused(page) == place


def test_slash_searches_escape_leaves_and_a_question_mark_lists_the_keys(visit):
    page = visit()
    page.keyboard.press("/")
    page.keyboard.type("happy/j?")
    assert page.get_by_role("searchbox").input_value() == "happy/j?"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert "next and previous cell" in page.get_by_role("dialog").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0


def test_a_figure_grows_and_shrinks(visit):
    page = visit("#/smc")
    page.get_by_role("button", name="Enlarge Fig. 5: Scores").click()
    dialog = page.get_by_role("dialog")
    image = dialog.get_by_role("img")

    def width():
        return image.bounding_box()["width"]

    fitted = width()
    dialog.get_by_role("button", name="Reduce").click()
    assert width() == pytest.approx(max(fitted / 1.25, 120), rel=0.01)
    page.keyboard.press("0")
    assert width() == pytest.approx(fitted, rel=0.01)
    dialog.locator(".view").hover()
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(100)
    assert width() < fitted
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "enlarge"


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_colours_follow_the_system_and_the_button_turns_them(visit):
    light, dark = visit(color_scheme="light"), visit(color_scheme="dark")
    assert background(light) == "rgb(253, 253, 252)"
    assert background(dark) == "rgb(21, 23, 25)"
    dark.get_by_role("button", name="Switch to light colours").click()
    assert background(dark) == background(light)


def contrast(one, other):
    """WCAG's ratio of two colours, 'rgb(r, g, b)'."""

    def luminance(colour):
        parts = [int(part) / 255 for part in colour[4:-1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_status_can_be_read(visit, scheme):
    page = visit("#/emodc", color_scheme=scheme)
    colours = page.evaluate(
        "[...document.querySelectorAll('.pill, .cell .value, .opening, .caption, .interval')]"
        ".map((element) => getComputedStyle(element).color)"
    )
    assert len(colours) > 10
    assert min(contrast(colour, background(page)) for colour in colours) >= 4.5


def test_names_that_hold_markup_are_shown_as_they_are(visit):
    page = visit("#/emodc/emodc_table2")
    assert HOSTILE in page.locator("#emodc_table2-title").inner_text()
    page.locator("#emodc_table2 .cell").click()
    assert HOSTILE in page.get_by_role("dialog").inner_text()
    page.keyboard.press("Escape")
    page.goto(page.url.split("#")[0] + "#/audit")
    assert HOSTILE in page.locator("#audit").inner_text()
    assert page.title() == "facetory: did four papers reproduce? Scale demo"
    assert page.locator("img[src=x]").count() == 0


def test_the_policy_stops_what_is_not_the_pages_own(browser, address):
    page = browser.new_page()
    page.goto(address)
    page.evaluate(
        "const own = document.createElement('script'); own.textContent = 'document.title = `owned`';"
        "document.body.append(own)"
    )
    assert page.title() != "owned"
    page.close()


@pytest.mark.parametrize(
    "part", ["", "#/emodc", "#/smc", "#/claims", "#/audit", "#/stability", "#/find?q=base"]
)
def test_no_part_is_wider_than_a_phone(visit, part):
    page = visit(part)
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_print_has_every_part_and_no_controls(visit):
    page = visit("#/smc")
    page.emulate_media(media="print")
    assert shown(page) == [
        *("overview", "emodc", "smc", "affectdiff", "adaptdiff"),
        *("claims", "audit", "stability"),
    ]
    assert not page.locator("#filter").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("main details:not([open])").count() == 0
    assert len(page.pdf()) > 10_000


def test_without_scripts_everything_can_be_read(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert len(shown(page)) == 8
    assert not page.locator("#filter").is_visible()
    context.close()


def test_what_the_page_is_made_of_has_names_and_an_order(visit):
    page = visit()
    for role in ("banner", "main", "contentinfo", "search"):
        assert page.get_by_role(role).count() == 1
    levels = page.evaluate(
        "[...document.querySelectorAll('main h1, main h2, main h3')].map((h) => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
