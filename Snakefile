"""facetory: every table and figure of four papers, regenerated.  `snakemake --list-target-rules` lists them."""

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/faces.smk"
include: "workflow/rules/latents.smk"
include: "workflow/rules/emodc.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/report.smk"
