# What the report is made from, and the hashes that make it anew.
import hashlib


def made_cells(wildcards):
    """The cells of every table and figure."""
    return [
        f"results/{RESULTS}/{folder}/{name}.cells.json"
        for folder, names in (("tables", TABLES), ("figures", FIGURES))
        for name in names
    ]


def plans_digest(wildcards):
    """Hash of every plan: what each cell of the study asks for."""
    digests = "".join(plan.digest for plan in STUDY.plans.values())
    return hashlib.sha256(digests.encode()).hexdigest()[:16]


def digest_of(paths):
    """Hash of the content of some files."""
    content = b"".join(path.read_bytes() for path in sorted(paths))
    return hashlib.sha256(content).hexdigest()[:16]


def papers_digest(wildcards):
    """Hash of the papers' published values, statements and claims."""
    return digest_of(Path(workflow.basedir, "workflow", "papers").rglob("*.yaml"))


def page_digest(wildcards):
    """Hash of what the report is laid out by: templates, styles, scripts, captions."""
    root = Path(workflow.basedir, "workflow")
    assets = (root / "facetory" / "report" / "site" / "assets").iterdir()
    return digest_of([*assets, *(root / "report").glob("*.rst")])


def results_folder(wildcards):
    """The results of this scale and reading."""
    return f"results/{RESULTS}"
