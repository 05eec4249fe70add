"""facetory: every table and figure of four papers, regenerated.  `snakemake --list-target-rules` lists them."""

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "workflow/rules/common.smk"


onstart:
    # The timers of the limiter pile up and wake the scheduler ever more often; cores limit it here.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    if SETTINGS.device == "cpu":  # CUDA must not be forked, and its jobs are long
        warm.start()


include: "workflow/rules/data.smk"
include: "workflow/rules/faces.smk"
include: "workflow/rules/latents.smk"
include: "workflow/rules/emodc.smk"
include: "workflow/rules/recognition.smk"
include: "workflow/rules/smc.smk"
include: "workflow/rules/affectdiff.smk"
include: "workflow/rules/verification.smk"
include: "workflow/rules/adaptdiff.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/probes.smk"
include: "workflow/rules/report.smk"


rule all_tables:
    """Every table of every paper, and the tables of the ablations."""
    input:
        table_files(TABLES),


rule all_figures:
    """Every figure of every paper, and the figures of the ablations."""
    input:
        figure_files(FIGURES),


rule all:
    """Every table and figure, the claims, the report, a card for every run, and the models that people use."""
    default_target: True
    input:
        rules.all_tables.input,
        rules.all_figures.input,
        rules.emodc_cards.input,
        rules.emodc_models.input,
        rules.smc_models.input,
        rules.affectdiff_models.input,
        rules.adaptdiff_models.input,
        rules.report.input,
