"""The stage that extracts a modality's features with a frozen foundation model into a `.csd` file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from facetory.data.mosei.csd import open_csd
from facetory.data.mosei.foundation import foundation, material, missing_features
from facetory.data.mosei.spec import ExtractionSpec
from facetory.data.mosei.write_csd import Entry, write_csd
from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.provenance import manifest


def extract_features(
    spec: ExtractionSpec, corpus_manifest: Path | str, data_root: Path | str, folder: Path | str
) -> None:
    """Write features.csd and manifest.json: the asked features of the corpus's labelled videos.

    Videos are read and written one at a time; those without words, recording or pictures are left out and
    named in the manifest.  Raises `FacetoryError` when weights or material are not placed, a file is not what
    its name says, or no video is left.
    """
    from facetory.data.mosei.frozen import weights_file

    folder, corpus = Path(folder), read_json(corpus_manifest)
    if reason := missing_features(spec.features, spec.modality, spec.corpus.dataset, data_root):
        raise FacetoryError(f"{reason}.")
    model = foundation(spec.features)
    files = {name: Path(corpus_manifest).parent / about["path"] for name, about in corpus["files"].items()}
    source = files.get("words") if spec.modality == "text" else None
    source = source or material(spec.modality, spec.corpus.dataset, data_root)
    weights = weights_file(model, data_root)
    inputs = [corpus_manifest, weights, *([source] if source.is_file() else [])]
    about = {
        "computational sequence description": f"{model.title}, frozen, of {corpus['title']}",
        "dataset name": spec.corpus.dataset,
    }
    rows: dict[str, int] = {}

    def counted(entries: Iterator[tuple[str, Entry]]) -> Iterator[tuple[str, Entry]]:
        for video, (features, intervals) in entries:
            if len(features):
                rows[video] = len(features)
                yield video, (features, intervals)
        if not rows:
            raise FacetoryError(
                f"{source}: no video of {spec.corpus.dataset} has anything to extract {spec.features} from. "
                "Check the files' names."
            )

    stage = ("extraction", spec.canonical(), ["data.mosei.extract"], inputs, spec.device)
    with manifest(folder / "manifest.json", *stage) as record:
        with open_csd(files["labels"], 7) as labels:
            videos = labels.videos
        write_csd(
            folder / "features.csd", spec.features, counted(_entries(spec, videos, source, data_root)), about
        )
        record |= {
            "status": "extracted",
            "synthetic": corpus["synthetic"],
            "licence": model.licence,
            "width": model.width,
            "videos": len(rows),
            "rows": sum(rows.values()),
            "left_out": sorted(set(videos) - set(rows)),
            "outputs": {"features.csd": sha256_of(folder / "features.csd")},
        }


def _entries(
    spec: ExtractionSpec, videos: Sequence[str], source: Path, data_root: Path | str
) -> Iterator[tuple[str, Entry]]:
    """The videos with their features, by the network of the spec."""
    import torch

    from facetory.data.mosei import extract_audio, extract_text, extract_video
    from facetory.data.mosei.frozen import load

    torch.set_num_threads(spec.threads)
    model = foundation(spec.features)
    network = load(model, data_root, spec.device)
    if spec.modality == "text":
        tokenizer = extract_text.load_tokenizer(model, data_root)
        return extract_text.entries(videos, source, network, tokenizer, spec.batch_size)
    if spec.modality == "audio":
        return extract_audio.entries(videos, source, network, spec.batch_size)
    processor = extract_video.load_processor(model, data_root)
    return extract_video.entries(videos, source, network, processor, spec.batch_size)
