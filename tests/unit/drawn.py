"""Pictures for tests: faces drawn so that MTCNN finds them, and small trees of datasets."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

EYES = ((-0.17, -0.075), (0.17, -0.075))
"""Centres of the eyes from the face's centre, in units of its size."""
SKIN, SHADE = (224, 176, 148), (200, 150, 125)


def face(
    px: int = 96,
    faces: tuple[tuple[float, float, float], ...] = ((0.5, 0.5, 0.6),),
    background: tuple[int, int, int] = (90, 120, 150),
) -> np.ndarray:
    """A square picture with faces at (x, y, size), as fractions of its side; uint8, (px, px, 3)."""
    side = 4 * px
    picture = Image.new("RGB", (side, side), background)
    for x, y, size in faces:
        _draw(ImageDraw.Draw(picture), x * side, y * side, size * side)
    small = picture.resize((px, px), Image.Resampling.LANCZOS)
    return np.asarray(small.filter(ImageFilter.GaussianBlur(px / 160)))


def _draw(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    def ellipse(dx: float, dy: float, rx: float, ry: float, colour: tuple[int, int, int]) -> None:
        left, top = x + size * (dx - rx), y + size * (dy - ry)
        draw.ellipse((left, top, left + 2 * size * rx, top + 2 * size * ry), fill=colour)

    ellipse(0, -0.12, 0.47, 0.55, (50, 32, 25))
    ellipse(0, 0.55, 0.2, 0.35, (196, 148, 120))
    ellipse(0, 0, 0.40, 0.52, SKIN)
    for dx, dy in EYES:
        ellipse(dx, dy - 0.115, 0.11, 0.035, (70, 45, 35))
        ellipse(dx, dy - 0.085, 0.11, 0.03, SKIN)
        ellipse(dx, dy, 0.095, 0.05, SHADE)
        ellipse(dx, dy, 0.08, 0.035, (245, 245, 245))
        ellipse(dx, dy, 0.035, 0.035, (60, 40, 30))
    ellipse(0, 0.08, 0.05, 0.12, (212, 162, 134))
    ellipse(0, 0.16, 0.08, 0.035, (190, 138, 112))
    for dx in (-0.03, 0.03):
        ellipse(dx, 0.17, 0.015, 0.01, (110, 70, 60))
    ellipse(0, 0.30, 0.15, 0.045, (170, 80, 80))
    ellipse(0, 0.295, 0.13, 0.008, (110, 40, 40))


def picture(path: Path, value: int = 0, px: int = 8) -> Path:
    """A small picture without a face, different for each value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(value).integers(0, 256, (px, px, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def rafdb(root: Path, lines: list[str], kind: str = "original") -> Path:
    """RAF-DB's layout with the given lines of the label file and a picture for each well-formed line."""
    label_file = root / "EmoLabel" / "list_patition_label.txt"
    label_file.parent.mkdir(parents=True, exist_ok=True)
    label_file.write_text("\n".join(lines) + "\n")
    for number, line in enumerate(lines):
        name = line.split(" ")[0]
        if name.endswith(".jpg") and "/" not in name:
            file = name if kind == "original" else name.replace(".jpg", "_aligned.jpg")
            picture(root / "Image" / kind / file, number)
    return root


def fer2013(root: Path, rows: list[tuple[object, object, str]]) -> Path:
    """fer2013.csv with the given (emotion, pixels or a grey value, usage)."""
    root.mkdir(parents=True, exist_ok=True)
    lines = ["emotion,pixels,Usage"]
    for emotion, pixels, usage in rows:
        text = " ".join([str(pixels)] * 48 * 48) if isinstance(pixels, int) else pixels
        lines.append(f"{emotion},{text},{usage}")
    (root / "fer2013.csv").write_text("\n".join(lines) + "\n")
    return root


VOTED = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def fer2013plus(root: Path, rows: list[tuple[str, str, str]]) -> Path:
    """fer2013.csv and fer2013new.csv with the given (usage, image name, votes with commas between)."""
    fer2013(root, [(0, i % 256, usage) for i, (usage, _, _) in enumerate(rows)])
    lines = [f"Usage,Image name,{VOTED}", *(",".join(row) for row in rows)]
    (root / "fer2013new.csv").write_text("\n".join(lines) + "\n")
    return root


def affectnet_csv(root: Path, rows: dict[str, list[tuple[str, object]]]) -> Path:
    """AffectNet's csv layout with the given (image, expression) of training and validation, and pictures."""
    (root / "Manually_Annotated_Images").mkdir(parents=True, exist_ok=True)
    columns = "face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    for table in ("training", "validation"):
        lines = [f"subDirectory_filePath,{columns}"]
        for number, (image, expression) in enumerate(rows.get(table, [])):
            lines.append(f"{image},4,5,90,90,10.5;20.5;30.5;40.5,{expression},0.1,-0.2")
            if not image.startswith(("..", "/")):
                picture(root / "Manually_Annotated_Images" / image, number + 100 * len(table))
        (root / f"{table}.csv").write_text("\n".join(lines) + "\n")
    return root


def affectnet_npy(root: Path, labels: dict[str, dict[int, object]]) -> Path:
    """AffectNet's npy layout with the given labels by number of train_set and val_set, and pictures."""
    for part in ("train_set", "val_set"):
        (root / part / "images").mkdir(parents=True, exist_ok=True)
        (root / part / "annotations").mkdir(exist_ok=True)
        for number, label in labels.get(part, {}).items():
            np.save(root / part / "annotations" / f"{number}_exp.npy", np.array(label))
            np.save(root / part / "annotations" / f"{number}_val.npy", np.array("0.1"))
            picture(root / part / "images" / f"{number}.jpg", number + 100 * len(part))
    return root


def sfew(root: Path, names: list[str]) -> Path:
    """SFEW's class folders with the given pictures (``Train_Aligned_Faces/Happy/a.png``)."""
    for part in ("Train", "Val"):
        for label in ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"):
            (root / f"{part}_Aligned_Faces" / label).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        picture(root / name, number)
    return root
