"""Marks of synthetic pictures: written into PNG and JPEG, read back, and read by anyone's parser."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from facetory.data.marks import SOURCE_TYPES, Mark, read_mark, write_marked
from facetory.pipeline.files import FacetoryError
from PIL import Image

PICTURE = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
MARK = Mark("A face", 'Changed "here" & <there>', "mine", "edited", {"target": "happiness"})
NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "ext": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG"])
def test_what_is_written_is_read_back(tmp_path, name):
    write_marked(tmp_path / name, PICTURE, MARK)
    mark = read_mark(tmp_path / name)
    assert mark["synthetic"] == "true" and mark["model"] == "mine" and mark["target"] == "happiness"
    assert mark["Title"] == MARK.title and mark["Description"] == MARK.description
    assert mark["Software"].startswith("facetory ")
    assert mark["DigitalSourceType"] == SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_the_packet_is_xmp_that_others_read(tmp_path, name):
    """A namespace-aware parser finds IPTC's property, and the texts unharmed."""
    write_marked(tmp_path / name, PICTURE, MARK._replace(kind="generated"))
    with Image.open(tmp_path / name) as image:
        image.load()
        packet = image.info["xmp"]
    (about,) = ET.fromstring(packet).iter(f"{{{NAMESPACES['rdf']}}}Description")
    found = about.get(f"{{{NAMESPACES['ext']}}}DigitalSourceType")
    assert found == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert about.find("dc:description/rdf:Alt/rdf:li", NAMESPACES).text == MARK.description


def test_jpeg_says_it_in_exif_too(tmp_path):
    write_marked(tmp_path / "a.jpg", PICTURE, MARK)
    with Image.open(tmp_path / "a.jpg") as image:
        exif = image.getexif()
    assert "synthetic: true" in exif[0x010E].splitlines() and exif[0x0131].startswith("facetory ")


def test_a_png_keeps_every_pixel_and_equal_calls_give_equal_files(tmp_path):
    for name in ("a.png", "b.png"):
        write_marked(tmp_path / name, PICTURE, MARK)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), PICTURE)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_text_cannot_add_entries_of_its_own(tmp_path):
    write_marked(tmp_path / "a.jpg", PICTURE, MARK._replace(model="x\nsynthetic: false"))
    assert read_mark(tmp_path / "a.jpg")["synthetic"] == "true"


def test_an_ordinary_picture_says_nothing(tmp_path):
    for name in ("a.png", "a.jpg"):
        Image.fromarray(PICTURE).save(tmp_path / name)
        assert read_mark(tmp_path / name) == {}


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(FacetoryError, match=r"a\.gif: pictures are written as PNG or JPEG"):
        write_marked(tmp_path / "a.gif", PICTURE, MARK)
