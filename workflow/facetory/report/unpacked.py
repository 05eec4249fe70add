"""An archive as a folder: unpacked where nothing can escape, or as somebody else unpacked it."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from facetory.pipeline.files import FacetoryError, read_json, sha256_of
from facetory.pipeline.suggest import validated
from facetory.report.archive import ABOUT, SUMS, ArchiveFile
from facetory.report.reduced import vouch

AGAIN = "Ask for the archive again, or make it again with `facetory archive`."


@contextmanager
def results(path: Path) -> Iterator[Path]:
    """A results folder as it is, or an archive's zip file unpacked for the time being."""
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise FacetoryError(f"{path}: no such folder or archive. Name a scale's results, e.g. results/demo.")
    with TemporaryDirectory() as scratch:
        yield unpack(path, Path(scratch))


def unpack(path: Path, folder: Path) -> Path:
    """Unpack an archive into ``folder``; returns the results folder below it.

    A file that is no zip or is truncated, and a member that would lie outside its one folder, are
    `FacetoryError`s.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            members = [member for member in bundle.infolist() if not member.is_dir()]
            tops = {_parts(path, member)[0] for member in members}
            if len(tops) != 1:
                raise FacetoryError(f"{path}: not an archive of results: it holds no single folder. {AGAIN}")
            for member in members:
                target = folder.joinpath(*_parts(path, member))
                target.parent.mkdir(parents=True, exist_ok=True)
                with bundle.open(member) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FacetoryError(f"{path}: not a zip file, or truncated or damaged ({error}). {AGAIN}") from error
    return folder / tops.pop()


def about_archive(root: Path) -> ArchiveFile | None:
    """What an unpacked archive says of itself; None for a folder that is no archive."""
    path = root / ABOUT
    if not path.is_file():
        return None
    about = validated(ArchiveFile, read_json(path), str(path))
    outside = next(
        (name for name in about.reduced if not (root / name).resolve().is_relative_to(root.resolve())), None
    )
    if outside:
        raise FacetoryError(f"{path}: names {outside!r}, which is not in the archive. {AGAIN}")
    return about


def sums(root: Path) -> dict[str, str]:
    """SHA256SUMS of an unpacked archive: sha256 by path."""
    try:
        lines = (root / SUMS).read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise FacetoryError(f"{root / SUMS}: cannot be read ({error}). {AGAIN}") from error


def check_sums(root: Path) -> list[str]:
    """What of an unpacked archive is missing or differs from SHA256SUMS."""
    found = []
    for name, expected in sums(root).items():
        file = root / name
        if ".." in PurePosixPath(name).parts or not file.is_file():
            found.append(f"{file}: missing")
        elif sha256_of(file) != expected:
            found.append(f"{file}: differs from {SUMS}")
    return found


@contextmanager
def rebuildable(root: Path) -> Iterator[Path]:
    """A folder to measure tables from: of an archive a copy whose manifests vouch for its reduced files."""
    about = about_archive(root)
    if about is None or not about.reduced:
        yield root
        return
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "results"
        shutil.copytree(root, copy)
        vouch(copy, about.reduced)
        yield copy


def _parts(path: Path, member: zipfile.ZipInfo) -> tuple[str, ...]:
    """The parts of a member's path, which must be relative, go down and name a plain file."""
    name = PurePosixPath(member.filename)
    mode = member.external_attr >> 16
    plain = stat.S_IFMT(mode) in (0, stat.S_IFREG) and not {"\\", ":"} & {*member.filename}
    if name.is_absolute() or ".." in name.parts or len(name.parts) < 2 or not plain:
        raise FacetoryError(
            f"{path}: member {member.filename!r} would not lie in the archive's folder. {AGAIN}"
        )
    return name.parts
