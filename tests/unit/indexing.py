"""What the index stage leaves behind, read for tests."""

import csv
import json

from facetory.data import catalogue
from facetory.data.index import read_index
from facetory.data.stage import index


def indexed(entry, source, folder, **options):
    index(catalogue.entry(entry), source, folder, **options)
    return read_index(folder / "index.csv")


def ledger(folder):
    with (folder / "ledger.csv").open() as handle:
        return list(csv.DictReader(handle))


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])
