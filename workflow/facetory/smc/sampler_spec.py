"""How an edit is sampled: the settings of Algorithm 1 and of its readings, baselines and repairs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Scheme = Literal["multinomial", "stratified", "systematic", "residual"]
Potential = Literal["absolute", "difference", "max", "sum"]


class Sampler(BaseModel):
    """Defaults are the ablation's baseline in the paper (SMC, Algorithm 1 and Section 3.4).

    ``method``: "smc"; "best_of_n" draws unguided edits, as many as cost what the SMC sampler of the same
    fields costs, and keeps the best by the guide; "gradient" follows the guide's gradient (Dhariwal & Nichol
    2021, Algorithm 1) with one particle; "none" is one unguided edit.
    ``guidance_scale`` is γ (λ of Singhal et al.); ``noise_strength`` in (0, 1] sets the first timestep.
    ``scored``: decodes of the noisy latents as in Algorithm 1, or of the x̂_0 prediction.
    ``potential``: "absolute" is s^γ at every scoring; "difference", "max" and "sum" are those of
    Singhal et al. (Section 3.2); with ``telescoping`` the last potential divides by the product of those
    before, so that their product is s^γ of the final image.  ``carry_weights`` keeps log-weights where
    nothing is resampled.
    ``ess_threshold`` resamples where the effective sample size is below that fraction of the particles (1:
    at every scoring).  ``resample_last`` is false in the released code.  ``final`` takes the best particle by
    the guide, or draws one by weight.  ``leash`` in [0, 1) averages each new latent with the source's:
    "mean" is (1 − leash) z + leash z_0, "released" the released code's form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["smc", "best_of_n", "gradient", "none"] = "smc"
    particles: int = Field(default=20, ge=1)
    inference_steps: int = Field(default=250, ge=1, le=1000)
    noise_strength: float = Field(default=0.2, gt=0, le=1)
    guidance_scale: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    resample_interval: int = Field(default=1, ge=1)
    initial_noise: Literal["shared", "own"] = "shared"
    scored: Literal["noisy", "x0"] = "noisy"
    potential: Potential = "absolute"
    telescoping: bool = False
    carry_weights: bool = False
    ess_threshold: float = Field(default=1.0, gt=0, le=1)
    scheme: Scheme = "multinomial"
    resample_last: bool = True
    final: Literal["argmax", "weight"] = "argmax"
    leash: float = Field(default=0.0, ge=0, lt=1)
    leash_form: Literal["mean", "released"] = "mean"
    share_duplicates: bool = True


READINGS: dict[str, dict[str, Any]] = {
    "paper": {},
    "code": {"initial_noise": "own", "resample_last": False},
    "corrected": {
        "initial_noise": "own",
        "scored": "x0",
        "potential": "difference",
        "telescoping": True,
        "carry_weights": True,
        "ess_threshold": 0.5,
        "scheme": "systematic",
        "final": "weight",
    },
}
"""What each reading of the sampler changes in `Sampler`'s defaults."""
