"""Which jobs a target asks for: found from the study alone, without Snakemake's DAG, for other machines too.

Jobs that only write model cards and models for people are left out.
"""

from __future__ import annotations

from facetory.cli.study import WholeStudy
from facetory.cli.walk import RULES, Job, Walk
from facetory.pipeline.registry import is_drawn, is_table
from facetory.pipeline.suggest import unknown

ALL = ("all_tables", "all_figures", "all")
DATA = ("index_dataset", "align_faces", "align_corrupted", "place_backbone", "embed_prompts")
ORDER = [*DATA, "encode_latents", "encode_corrupted", *RULES.values(), "make_table", "make_figure"]
ORDER.insert(ORDER.index("gather_synthesis"), "synthesise")
"""Rules in the order in which a reader meets them."""


def jobs_of(study: WholeStudy, target: str) -> dict[str, Job]:
    """Every job behind a target by its output; an unknown target is a `FacetoryError`."""
    walk, found = Walk(study), dict[str, Job]()
    waiting = [job for plan in plans_of(study, target) for job in shown(plan, target)]
    while waiting:
        job = waiting.pop()
        if job.output not in found:
            found[job.output] = job
            waiting += walk.before(job)
    return found


def plans_of(study: WholeStudy, target: str) -> list[str]:
    """The tables and figures behind a target."""
    if target in study.plans:
        return [target]
    if target not in ALL:
        raise unknown("target", target, [*study.plans, *ALL], "facetory plan")
    return list(study.plans)


def shown(plan: str, target: str) -> list[Job]:
    """The jobs that write a plan as a table and draw it, as far as the target asks for them."""
    table = Job("make_table", f"tables/{plan}.cells.json", about={"plan": plan})
    drawn = Job("make_figure", f"figures/{plan}.png", about={"plan": plan})
    written = [table] if is_table(plan) and target != "all_figures" else []
    return [*written, *([drawn] if is_drawn(plan) and target != "all_tables" else [])]
