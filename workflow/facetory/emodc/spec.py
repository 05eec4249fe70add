"""EmoDC's specs: training runs, evaluations, and the settings a scale may choose."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from facetory.pipeline.spec import CorruptionOrder, FaceTrainSpec, Precision, Spec

Loss = Literal["base", "codit", "fmdit", "amdit"]
NonNegativePrompt = Literal["positive", "non_class", "null"]
ActiveSetMode = Literal["never", "auto", "always"]
HYPER_PARAMETERS = {"codit": "lambda_1", "fmdit": "margin", "amdit": "alpha"}
T = 1000


class EmoDCTrainSpec(FaceTrainSpec):
    """One fine-tuning of the backbone under one loss (EmoDC, Sections III-B and IV-B)."""

    loss: Loss
    lambda_1: float = 0.005
    margin: float = 5e-4
    alpha: float = 0.01
    non_negative_prompt: NonNegativePrompt = "positive"
    detach_margin: bool = False
    active_set: ActiveSetMode = "never"
    lora_rank: int = 16
    lora_alpha: int = 16
    lora_targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")

    def slug(self) -> list[str]:
        """Dataset, loss, its hyper-parameter, and the non-negative prompt where there is one."""
        name = HYPER_PARAMETERS.get(self.loss)
        value = [f"{name}_{getattr(self, name):g}"] if name else []
        prompt = [self.non_negative_prompt] if self.loss == "amdit" else []
        return [self.dataset, self.loss, *value, *prompt, f"seed{self.seed}"]


class EmoDCEvalSpec(Spec):
    """Errors of every (sample, timestep, class), clean or corrupted; ``train`` None is the zero-shot model.

    ``images_per_class`` bounds the samples (None: the whole split); ``extra_prompts`` adds the errors under
    the non-class and the null prompt.
    """

    train: EmoDCTrainSpec | None = None
    backbone: str
    dataset: str
    split: str
    px: int
    timesteps: tuple[int, ...]
    corruptions: tuple[str, ...] = ("clean",)
    order: CorruptionOrder = "align_then_corrupt"
    images_per_class: int | None = None
    extra_prompts: bool = False
    noise_seed: int = 0
    batch_size: int = 512
    precision: Precision = "no"
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1

    def slug(self) -> list[str]:
        """What is evaluated and on what."""
        model = ["zero_shot"] if self.train is None else self.train.slug()
        target = [] if self.train and self.train.dataset == self.dataset else [self.dataset]
        corrupted = [] if self.corruptions == ("clean",) else ["corrupted"]
        return [*model, *target, self.split, *corrupted, *(["prompts"] if self.extra_prompts else [])]


class Budget(BaseModel):
    """Training length on one slot."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: int
    batch_size: int = 64


class Robustness(BaseModel):
    """Tables VI and VII: how many images of each class are corrupted (None: all), and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    images_per_class: int | None = None
    order: CorruptionOrder = "align_then_corrupt"


class Generation(BaseModel):
    """Fig. 7: the sampler's timesteps, which the paper does not state, and the faces of each class."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    steps: int = 50
    per_class: int = 4


class Timing(BaseModel):
    """Table IX: faces timed one at a time, batch sizes tried, and rounds of which the median is taken.

    ``timesteps`` maps the paper's numbers of timesteps to those that are timed in their place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    images: int = 16
    batch_sizes: tuple[int, ...] = (4, 16, 64)
    repeats: int = 20
    timesteps: dict[int, int] = {}


class Racing(BaseModel):
    """The races of table `racing`: samples of each class (None: all), and more thresholds to race at."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    images_per_class: int | None = None
    thresholds: tuple[float, ...] = (1.5, 2.5, 3.5)
    steps: int = 100
    fixed_steps: int = 10
    folds: int = 5


class EmoDCScale(BaseModel):
    """The `emodc` part of a scale file.

    ``grids`` maps the paper's numbers of timesteps to the numbers that this scale affords, e.g. {100: 20}.
    ``sweep`` says whether the paper's single timesteps run: all, none, or the listed ones (from 1).
    ``correlation_images_per_class`` bounds Fig. 4's samples: 43 of each of seven classes are its 300.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    backbone: str
    px: int = 256
    zero_shot_px: int = 512
    budgets: dict[str, Budget]
    grids: dict[int, int] = Field(default={1: 1, 10: 10, 100: 100, 200: 200, 500: 500, 1000: 1000})
    sweep: bool | tuple[int, ...] = True
    robustness: Robustness = Robustness()
    correlation_images_per_class: int | None = 43
    generation: Generation = Generation()
    timing: Timing = Timing()
    racing: Racing = Racing()
    lr: float = 1e-4
    decay: Literal["constant", "cosine"] = "constant"
    precision: Precision = "no"
    detach_margin: bool = False
    active_set: Literal["never", "auto", "always"] = "never"
    lora_rank: int = 16
    lora_alpha: int = 16
    lora_targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    checkpoint_every: int = 500
    evaluation_batch_size: int = 512
    evaluation_precision: Precision = "no"
    noise_seed: int = 0
