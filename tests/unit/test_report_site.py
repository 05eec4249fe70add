import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import pytest
from facetory.pipeline.files import FacetoryError, read_json, write_json
from facetory.report.cells import read_cells
from facetory.report.site import pictures as drawing
from facetory.report.site.data import embedded
from facetory.report.site.gathering import captions, gather, panels
from facetory.report.site.origins import shortened
from facetory.report.site.page import page, write_site
from facetory.report.site.pictures import EXACT, WIDEST, picture, pictures
from facetory.report.site.stability import floors
from facetory.report.site.summary import answer, by_status, facts
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reported import HOSTILE, cell, drawn, judged, manifest, results, table


class Reader(HTMLParser):
    """Elements with their attributes, and the text of scripts, styles and everything else."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.raw, self.open = [], [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open = (tag, dict(attrs).get("type")) if tag in ("script", "style") else None

    def handle_data(self, data):
        if self.open:
            self.raw[self.open] = self.raw.get(self.open, "") + data
        else:
            self.texts.append(data)

    def handle_endtag(self, tag):
        self.open = None

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def data(self):
        return json.loads(self.raw["script", "application/json"])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = results(tmp_path_factory.mktemp("report") / "results" / "demo")
    judged(root)
    return root


@pytest.fixture(scope="module")
def site(root):
    return gather(root)


@pytest.fixture(scope="module")
def text(site):
    return page(site)


@pytest.fixture(scope="module")
def read(text):
    return Reader(text)


def test_papers_come_in_their_order_with_what_was_not_made(site):
    assert [paper.key for paper in site.papers] == ["emodc", "smc", "affectdiff", "adaptdiff"]
    assert [target.table.table for target in site.papers[0].targets] == [
        "emodc_table1",  # as planned; the others follow by name
        "emodc_stability",
        "emodc_table2",
    ]
    assert site.papers[0].unmade == ["emodc_table9"]
    assert site.papers[2].targets == []


def test_a_target_that_is_table_and_figure_comes_once_with_both_captions(tmp_path):
    own = table("emodc_ablation_alpha", cell("emodc_ablation_alpha/Base/1-step", 1.0))
    for folder in ("tables", "figures"):
        write_json(tmp_path / folder / "emodc_ablation_alpha.cells.json", own.model_dump(mode="json"))
    drawn(tmp_path / "figures" / "emodc_ablation_alpha.png")
    [target] = gather(tmp_path).papers[0].targets
    assert target.picture
    assert captions("tables")["emodc_ablation_alpha"] in target.caption
    assert captions("figures")["emodc_ablation_alpha"] in target.caption


def test_slots_that_share_rows_and_columns_become_panels():
    twice = table("t", *(cell(f"t/{slot}/a", 1.0, row="a", column="b", slot_title=slot) for slot in "xy"))
    assert [(panel.heading, len(panel.table.cells)) for panel in panels(twice)] == [("x", 1), ("y", 1)]
    assert [panel.heading for panel in panels(table("t", cell("t/a/b"), cell("t/a/c")))] == [""]


def test_a_cell_leads_to_its_records_and_they_to_what_they_were_made_from(site, read):
    assert site.origins.records["emodc_table1/Base/1-step"] == ["evaluations/base-test/manifest.json"]
    assert site.origins.ways["evaluations/base-test/manifest.json"] == [
        "evaluations/base-test/manifest.json",
        "runs/base-seed0/manifest.json",
    ]
    assert site.origins.records["emodc_table1/AMDiT, α = 0.01/10-step"] == []
    data = read.data
    [own] = [one for one in data["cells"] if one["id"] == "emodc_table1/Base/1-step"]
    way = data["records"][own["records"][0]]["way"]
    assert [data["manifests"][place]["path"] for place in way][1] == "runs/base-seed0/manifest.json"
    assert data["manifests"][way[1]]["says"]["spec"] == {"dataset": HOSTILE}
    assert data["pool"][data["manifests"][way[0]]["says"]["versions"]]["torch"] == "2.13.0"
    assert data["pool"][own["budget"]] == {"training_steps": 240}


def test_without_plans_the_runs_of_a_cell_stand_for_its_records(tmp_path):
    root = results(tmp_path / "results" / "demo")
    (root / "plans.json").unlink()
    origins = gather(root).origins
    assert origins.records["emodc_table1/Base/1-step"] == ["runs/base-seed0/manifest.json"]
    assert origins.records["emodc_table1/AMDiT, α = 0.01/1-step"] == []  # its run has no manifest


def test_long_lists_of_a_manifest_lose_their_tails_and_say_so():
    assert shortened({"outputs": {str(i): i for i in range(25)}})["outputs"]["…"] == (
        "and 5 more in the manifest"
    )
    assert shortened(list(range(21)))[-1] == "and 1 more in the manifest"
    assert shortened({"a": [1, 2]}) == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"reproduced": 2}, "Yes, as far as compared: all 2 comparable numbers came out as published."),
        ({"outside": 1}, "No: none of 1 comparable number came out as published."),
        (
            {"reproduced": 1, "outside": 2, "not_run": 4},
            "In part: 1 of 3 comparable numbers (33 %) came out as published; 4 were not run.",
        ),
        (
            {"not_comparable": 5, "not_run": 1, "new": 9},
            "Cannot be said: no published number was regenerated under the paper's own conditions; "
            "5 may not be compared and 1 were not run.",
        ),
        ({"new": 3, "quoted": 1}, "Cannot be said: no published number is here yet."),
    ],
)
def test_one_sentence_says_whether_it_reproduced(counts, said):
    assert answer(counts, rehearsal=False) == said
    assert "none of its numbers means anything" in answer(counts, rehearsal=True)


def test_statuses_are_counted_in_a_fixed_order(site):
    counted = by_status(site.papers[0].cells)
    assert counted == {"reproduced": 1, "outside": 1, "not_comparable": 1, "not_run": 1, "new": 4}
    assert list(counted) == ["reproduced", "outside", "not_comparable", "not_run", "new"]


def test_what_made_it_is_read_from_cells_and_manifests(site):
    found = facts(site)
    assert (found["first"], found["last"]) == ("2026-01-01T00:00:00Z", "2026-01-02T03:04:05Z")
    assert found["hours"] == 1.0
    assert found["stand_ins"] == ["anny for RAF-DB B"]
    assert found["commits"] == ["c0ffee"]
    assert found["versions"] == ["python 3.11.7", "torch 2.13.0"]


def test_the_floor_is_the_spread_of_equal_runs(site):
    [floor] = site.floors
    assert (floor.paper, floor.score, floor.again, floor.spread) == ("emodc", "1-step", 0.0, 1.5)


def test_a_floor_needs_two_values_and_a_stability_table():
    runs = [cell("emodc_stability/First run/F1", 80.0), cell("emodc_stability/Another seed/F1")]
    [floor] = floors([table("emodc_stability", *runs)])
    assert (floor.again, floor.spread) == (None, None)
    assert floors([table("emodc_table1", *runs)]) == []


def test_every_name_is_text_and_none_is_markup(text, read):
    assert HOSTILE not in text
    assert [image["alt"] for image in read.all("img")] == ["Fig. 5: Scores"]
    assert not [tag for tag, _ in read.elements if tag == "b"]
    assert not [own for _, own in read.elements if any(name.startswith("on") for name in own)]
    assert HOSTILE in "".join(read.texts)
    assert any(one["dataset"] == HOSTILE for one in read.data["cells"] if "dataset" in one)


@settings(deadline=None)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_embedded_json_is_inert_and_comes_back(content):
    written = embedded(content)
    assert not re.search("[<>&\u2028\u2029]", written)
    assert json.loads(written) == content


def test_the_policy_allows_this_script_and_style_alone(text, read):
    [policy] = [meta["content"] for meta in read.all("meta") if "http-equiv" in meta]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    for kind, tag in (("script-src", ("script", None)), ("style-src", ("style", None))):
        digest = hashlib.sha256(read.raw[tag].encode()).digest()
        assert rules[kind] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert not [own for _, own in read.elements if "style" in own]


def test_nothing_is_fetched(text, read):
    addresses = [own[key] for _, own in read.elements for key in ("src", "href") if key in own]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "http:" not in text and "https:" not in text
    assert "innerHTML" not in text


def test_a_cell_shows_value_interval_published_and_difference(text):
    [shown] = re.findall(r"<td[^>]*data-cell=\"0\".*?</td>", text, re.S)
    words = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", shown)).strip()
    assert words == "● 81.25 reproduced ± 0.50 [79.50, 83.00] paper 82.00 Δ −0.75"


def test_cells_are_told_by_symbol_and_word_not_colour_alone(read):
    words = " ".join(read.texts)
    for status in ("reproduced", "outside", "not comparable", "not run"):
        assert status in words


def test_claims_and_audit_lead_to_their_cells(read):
    links = [link["href"] for link in read.all("a")]
    assert "#/cell/emodc_table1/Base/1-step" in links
    assert "#/cell/x" not in links  # evidence that is no cell of the page stays text
    assert read.data["claims"] == {
        "emodc_table1/Base/1-step": ["AMDiT is ahead of Base"],
        "x": ["AMDiT is ahead of Base"],
    }


def test_every_address_within_the_page_has_its_place(read):
    ids = {own["id"] for _, own in read.elements if "id" in own}
    named = [link["href"][2:].split("/")[-1] for link in read.all("a") if link["href"].startswith("#/")]
    assert {name for name in named if "?" not in name} - {"1-step"} <= ids


def test_parts_that_were_not_made_name_the_command_that_makes_them(tmp_path):
    root = results(tmp_path / "results" / "demo")
    (root / "tables" / "emodc_stability.cells.json").unlink()
    shown = " ".join(Reader(page(gather(root))).texts)
    assert "snakemake --cores 2 results/demo/claims.json" in shown
    assert "snakemake --cores 2 results/demo/audit.json" in shown
    assert "No run was repeated" in shown
    assert "snakemake --cores 2 emodc_table9" in shown


def test_a_rehearsal_says_that_no_number_means_anything(tmp_path, text):
    rehearsed = page(gather(results(tmp_path / "results" / "demo", rehearsal=True)))
    assert 'class="banner"' in rehearsed
    assert 'class="banner"' not in text


def test_a_folder_without_results_is_an_error_that_says_what_to_make(tmp_path):
    with pytest.raises(FacetoryError, match="snakemake"):
        gather(tmp_path)


def test_equal_results_give_equal_bytes(tmp_path):
    pages = []
    for name in "ab":
        root = results(tmp_path / name / "results" / "demo")
        manifest(root, "faces/anny", spec={"z": 1, "a": 2})
        pages.append(write_site(root).read_bytes())
    assert pages[0] == pages[1]
    assert write_site(root).read_bytes() == pages[1]  # its own page changes nothing


def test_the_cells_of_the_page_are_those_of_the_files(root, read):
    on_disk = [own for path in root.rglob("*.cells.json") for own in read_cells(path).cells]
    shown = {one["id"]: one.get("value") for one in read.data["cells"]}
    assert shown == {own.id: own.value for own in on_disk}
    assert read_json(root / "tables" / "emodc_table1.cells.json")["cells"][0]["value"] == 81.25


def decoded(source):
    return Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))


def test_a_wide_picture_is_narrowed_and_keeps_its_shape(tmp_path):
    shown = picture(drawn(tmp_path / "wide.png", 2800, 1000))
    assert (shown.width, shown.height) == (WIDEST, 500) == decoded(shown.source).size
    assert shown.source.startswith("data:image/webp;base64,")


def test_a_small_picture_is_kept_without_loss(tmp_path):
    path = drawn(tmp_path / "small.png", 40, 40, noise=True)
    shown = picture(path)
    assert list(decoded(shown.source).convert("RGB").getdata()) == list(Image.open(path).getdata())


def test_a_large_picture_is_coded_with_loss(tmp_path):
    path = drawn(tmp_path / "noise.png", 400, 400, noise=True)
    shown = picture(path)
    assert path.stat().st_size > EXACT
    assert len(shown.source) < path.stat().st_size / 2


def test_many_pictures_keep_to_the_budget_and_the_largest_give_way(tmp_path, monkeypatch):
    large, small = drawn(tmp_path / "large.png", 400, 400, noise=True), drawn(tmp_path / "small.png")
    whole = pictures([large, small, tmp_path / "absent.png"])
    assert list(whole) == ["large", "small"]
    monkeypatch.setattr(drawing, "BUDGET", sum(len(own.source) for own in whole.values()) - 1)
    kept = pictures([large, small])
    assert (kept["large"].width, kept["small"]) == (320, whole["small"])


def test_a_claim_that_the_paper_gives_no_number_for_was_not_left_unrun(tmp_path):
    root = results(tmp_path / "results" / "demo")
    judged(root)
    content = read_json(root / "claims.json")
    content["claims"][0]["on_published"]["verdict"] = "not_run"
    write_json(root / "claims.json", content)
    shown = " ".join(Reader(page(gather(root))).texts)
    assert "1 no number" in re.sub(r"\s+", " ", shown)
