"""facetory: tables and figures of four papers on diffusion models for faces and affect, regenerated."""

__version__ = "0.1.0"
