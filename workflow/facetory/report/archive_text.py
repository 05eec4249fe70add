"""What an archive says of itself to whoever unpacks it."""

README_TEXT = """# Results of facetory, folder {name}

Everything that the tables are measured from: evaluation records, the manifests of all stages back to the
datasets, the tables and the cells of the figures, what every cell asks for (plans.json), and, where they were
made, the claims and the audit of the papers' own numbers.

Not in here: pictures of faces, latents, weights, descriptions of faces by recognition networks, drawn
figures. archive.json lists the arrays that were left out of records. Manifests keep the paths of the machine
that made them.

To check it, with facetory {version} installed:

    sha256sum -c SHA256SUMS          # the files are those that were bundled (any machine, without facetory)
    facetory verify .                # rebuilds every table from the records and compares
    facetory explain 'TABLE:"ROW":"COLUMN"' --root .
    facetory compare . results/demo  # cell by cell against results of your own
"""
