"""facetory: tables and figures of four papers on diffusion models for faces and affect, regenerated."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AffectDiff", "CounterfactualEditor", "EmotionDiffusionClassifier", "IdentityFaces"]

if TYPE_CHECKING:
    from facetory.adaptdiff.identity_faces import IdentityFaces
    from facetory.affectdiff.predict import AffectRecognizer as AffectDiff
    from facetory.emodc.predict import EmotionDiffusionClassifier
    from facetory.smc.editor import CounterfactualEditor


def __getattr__(name: str) -> Any:
    """Import what is for people when it is asked for, so that `import facetory` stays light."""
    if name == "EmotionDiffusionClassifier":
        from facetory.emodc.predict import EmotionDiffusionClassifier

        return EmotionDiffusionClassifier
    if name == "CounterfactualEditor":
        from facetory.smc.editor import CounterfactualEditor

        return CounterfactualEditor
    if name == "AffectDiff":
        from facetory.affectdiff.predict import AffectRecognizer

        return AffectRecognizer
    if name == "IdentityFaces":
        from facetory.adaptdiff.identity_faces import IdentityFaces

        return IdentityFaces
    raise AttributeError(f"module 'facetory' has no attribute {name!r}")
