"""Pretraining the demo's identity networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from facetory.adaptdiff.pretraining import (
    EMBEDDERS,
    Place,
    Pretraining,
    divided,
    on_device,
    people_of,
    rounded,
    run,
)
from facetory.recognition.demo_identity import NETWORK, read_network, write_network
from facetory.recognition.iresnet import iresnet
from facetory.recognition.telling_apart import TellingApart, centre, embedded, isotropy, separability

if TYPE_CHECKING:
    from facetory.diffusion.pack import Packed
    from facetory.training.loop import Schedule

UNSEEN = 300
"""So many people of the other network validate one while it learns, and measure it at the end."""


def train_embedder(settings: Pretraining, place: Place, part: str, data: Packed) -> dict[str, Any]:
    """Train the "context" or "judge" network, write its file, and measure it as written.

    ``measured`` on the held-out people and on `UNSEEN` of the other network's; ``isotropy`` on all of those.
    """
    schedule: Schedule = getattr(settings, part)
    person = np.unique(people_of(data.sample_ids), return_inverse=True)[1]
    own, others, held_out = divided(person, data.held_out, EMBEDDERS.index(part))
    unseen = others[np.isin(person[others], np.unique(person[others])[:UNSEEN])]
    images, keys = on_device(data, place.device)
    px = images.shape[-1]
    network = iresnet(NETWORK, px, settings.embedding, settings.dropout, schedule.seed).to(place.device)
    task = TellingApart(
        network,
        images,
        keys,
        person,
        own,
        unseen,
        settings.embedding,
        settings.margin,
        settings.scale,
        schedule.seed,
    )
    record = run(task, schedule, place, part, settings)
    centre(network, images, own)
    path = place.folder / f"{part}.safetensors"
    write_network(network, px, path)
    written = read_network(path)[0].to(place.device)
    measured = {
        name: rounded(separability(embedded(written, images, rows), person[rows]))
        for name, rows in (("held_out", held_out), ("unseen", unseen))
    }
    return record | {
        "people": len(np.unique(person[own])),
        "unseen_people": len(np.unique(person[unseen])),
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "measured": measured,
        "isotropy": rounded(isotropy(embedded(written, images, others))),
    }
