"""Pictures that a model made or changed, written so that their files say so.

A PNG says it in text entries, a JPEG in EXIF, and both in XMP by IPTC's Digital Source Type, a controlled
vocabulary (http://cv.iptc.org/newscodes/digitalsourcetype) that platforms and photo software read.
"""

from __future__ import annotations

import re
from html import unescape
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from facetory.pipeline.files import FacetoryError, written_aside

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SUFFIXES = (".png", ".jpg", ".jpeg")
IMAGE_DESCRIPTION, SOFTWARE = 0x010E, 0x0131
JPEG_QUALITY = 95
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmp:CreatorTool={software} Iptc4xmpExt:DigitalSourceType={source_type}
 Iptc4xmpExt:AISystemUsed={system}>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


class Mark(NamedTuple):
    """What a file says of its picture.

    ``kind``: "edited" is IPTC's compositeWithTrainedAlgorithmicMedia, a picture augmented with a generative
    model; "generated" its trainedAlgorithmicMedia, made by one alone.  ``about`` holds further entries, such
    as {"target": "happiness"}.
    """

    title: str
    description: str
    model: str
    kind: Literal["edited", "generated"]
    about: dict[str, str] = {}

    @property
    def source_type(self) -> str:
        """The term's address."""
        term = {"edited": "compositeWithTrainedAlgorithmicMedia", "generated": "trainedAlgorithmicMedia"}
        return SOURCE_TYPES + term[self.kind]


def checked(path: Path | str) -> Path:
    """The path of a picture to be written; a suffix that is not of `SUFFIXES` is a `FacetoryError`."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise FacetoryError(f"{path}: pictures are written as PNG or JPEG. End the name in .png or .jpg.")
    return path


def write_marked(path: Path | str, image: np.ndarray, mark: Mark) -> None:
    """Write an RGB picture, uint8 (h, w, 3), as PNG or JPEG with its mark; equal calls give equal bytes."""
    from PIL import Image

    path = checked(path)
    entries, xmp = _entries(mark), _xmp(mark).encode()
    options = _png(entries, xmp) if path.suffix.lower() == ".png" else _jpeg(entries, xmp)
    with written_aside(path) as aside:
        Image.fromarray(image).save(aside, **options)


def read_mark(path: Path | str) -> dict[str, str]:
    """What the file of a picture says of it: its entries, with "DigitalSourceType"; {} where it says nothing.

    Pictures by other software are read as far as they say the same by XMP.
    """
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        texts = {key: text for key, text in getattr(image, "text", {}).items() if "xmp" not in key}
        described = str(image.getexif().get(IMAGE_DESCRIPTION, ""))
        packet = image.info.get("xmp", b"")
    lines = [line.partition(": ") for line in described.splitlines()]
    texts = {key: text for key, colon, text in lines if colon} | texts
    found = re.search(r"DigitalSourceType[=>]\s*[\"']?([^\"'<]+)", packet.decode("utf-8", "replace"))
    return texts | ({"DigitalSourceType": unescape(found[1])} if found else {})


def _entries(mark: Mark) -> dict[str, str]:
    """Names and texts, each in one line; the first three are keywords of the PNG specification."""
    entries = {
        "Title": mark.title,
        "Description": mark.description,
        "Software": f"facetory {version('facetory')}",
        "synthetic": "true",
        "model": mark.model,
        **mark.about,
    }
    return {key: " ".join(text.split()) for key, text in entries.items()}


def _xmp(mark: Mark) -> str:
    entries = _entries(mark)
    return XMP.format(
        software=quoteattr(entries["Software"]),
        source_type=quoteattr(mark.source_type),
        system=quoteattr(f"facetory, model {entries['model']}"),
        title=escape(entries["Title"]),
        description=escape(entries["Description"]),
    )


def _png(entries: dict[str, str], xmp: bytes) -> dict[str, Any]:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in entries.items():
        info.add_text(key, text)
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return {"format": "PNG", "pnginfo": info}


def _jpeg(entries: dict[str, str], xmp: bytes) -> dict[str, Any]:
    from PIL import Image

    exif = Image.Exif()
    exif[SOFTWARE] = entries["Software"]
    exif[IMAGE_DESCRIPTION] = "\n".join(f"{key}: {text}" for key, text in entries.items())
    return {"format": "JPEG", "quality": JPEG_QUALITY, "subsampling": 0, "exif": exif, "xmp": xmp}
