"""Labelled films as the experts saw them: what the fusion is trained on, made and read.

A folder of features has one file a film, <emotion>/<film>.npz, whose arrays are named as in
`emsync.emotion.classifiers.fusion.MODALITY`, each (items, numbers), `<name>.times` beside it in
seconds (may be left out), and `looked`, the names of the features that were looked for.

`features.pkl` is the layout that VEMOCLAP's authors document for their earlier work
(github.com/serkansulun/movie-genre-classification): a dictionary with `samples`, each with
`features` and `label`, and `idx_to_label`. They publish features of Ekman-6 as well
(zenodo.org/records/17159328), whose layout is not documented; where it is another one, the error
says what is lacking.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from emsync.emotion.classifiers.fusion import MODALITY, SINGULAR
from emsync.emotion.classifiers.vemoclap import gathered
from emsync.emotion.features.expert import Expert
from emsync.emotion.features.panel import Panel, device_of
from emsync.emotion.features.report import FeatureReport
from emsync.emotion.reading import EMOTIONS
from emsync.errors import EmsyncError, FilmError, WeightsNotInstalled
from emsync.pipeline import analyse
from emsync.process.files import written_whole
from emsync.progress import CancelToken, silent
from emsync.settings import Device, ExpertSettings, FilmLimits, Settings
from emsync.text import listed

FILM_SUFFIXES = {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".flv", ".mpg", ".wmv"}


@dataclass(frozen=True)
class Sample:
    """One film with its label and what the experts saw of it.

    Attributes:
        name: of the film, unique.
        label: index into `EMOTIONS`.
        vectors: for each feature that has something, (items, numbers).
        times: seconds of a feature's items, ascending; without them they are taken for equidistant.
        looked: features that were looked for, found or not.
    """

    name: str
    label: int
    vectors: Mapping[str, np.ndarray]
    times: Mapping[str, list[float]] = field(default_factory=dict)
    looked: frozenset[str] = frozenset(MODALITY)


# Features ----------------------------------------------------------------------------------------


def read_samples(path: Path) -> list[Sample]:
    """Return all films of a folder of features, or of a published file.

    Raises:
        EmsyncError: there are none, or they are not in the layout above.
    """
    if not path.exists():
        raise EmsyncError(f"There is no {path}. Name a folder of features, or features.pkl.")
    samples = read_published(path) if path.is_file() else read_folder(path)
    if not samples:
        raise EmsyncError(
            f"There are no features in {path}. It needs FEATURES/<emotion>/<film>.npz; --films "
            "makes them from films."
        )
    return samples


def read_folder(folder: Path) -> list[Sample]:
    """Return the films of FOLDER/<emotion>/<film>.npz, by name."""
    samples = []
    for label, emotion in enumerate(EMOTIONS):
        for path in sorted((folder / emotion).glob("*.npz")):
            try:
                with np.load(path, allow_pickle=False) as file:
                    found = {name: file[name] for name in file.files}
                looked = frozenset(found["looked"].tolist())
            except (OSError, ValueError, KeyError, EOFError, BadZipFile) as problem:
                raise EmsyncError(
                    f"{path} is no file of features: {problem}. Delete it; --films makes it anew."
                ) from problem
            names = [name for name in MODALITY if name in found and len(found[name])]
            timed = [name for name in names if f"{name}.times" in found]
            samples.append(
                Sample(
                    f"{emotion}/{path.stem}",
                    label,
                    {name: found[name] for name in names},
                    {name: found[f"{name}.times"].tolist() for name in timed},
                    looked,
                )
            )
    return samples


def read_published(path: Path) -> list[Sample]:
    """Return the films of a `features.pkl`, by name."""
    try:
        with path.open("rb") as file:
            content = _NumbersOnly(file).load()
        labels = content.get("idx_to_label") or dict(enumerate(EMOTIONS))
        samples = []
        for name, sample in sorted(content["samples"].items()):
            vectors = {
                feature: np.atleast_2d(np.asarray(found))
                for feature, found in sample["features"].items()
                if feature in MODALITY and found is not None and len(found)
            }
            label = _label(sample["label" if "label" in sample else "labels"], labels)
            samples.append(Sample(str(name), label, vectors, looked=frozenset(sample["features"])))
    except (
        pickle.UnpicklingError,
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        EOFError,
        OSError,
    ) as problem:
        raise EmsyncError(
            f"{path} is not laid out as `features.pkl` of the authors' earlier work: "
            f"{type(problem).__name__}: {problem}. Make a folder of .npz files of it instead; "
            "python -m emsync.training.train_emotion --help says how they look."
        ) from problem
    return samples


def _label(given: Any, names: Mapping[int, str]) -> int:
    """Read a label, a name, a number or a vector with one 1 in it, as an index into `EMOTIONS`."""
    if not isinstance(given, str):
        array = np.asarray(given)
        if array.size > 1 and np.count_nonzero(array) != 1:
            raise ValueError(f"a film must have one emotion: {given}")
        given = names[int(array.argmax() if array.size > 1 else array.item())]
    return EMOTIONS.index(given.lower())


class _NumbersOnly(pickle.Unpickler):
    """Unpickles NumPy arrays beside what is built into Python, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle asks for, if it is an array or makes one."""
        allowed = {
            "numpy": {"ndarray", "dtype"},
            "_codecs": {"encode"},
            "numpy.multiarray": {"_reconstruct", "scalar"},
            "numpy.numeric": {"_frombuffer"},
        }
        # NumPy 1 and 2 keep them in different places.
        plain = module.replace("numpy._core.", "numpy.").replace("numpy.core.", "numpy.")
        if name not in allowed.get(plain, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is no array")
        return super().find_class(module, name)


# Films -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Extraction:
    """What became of a folder of films."""

    made: int
    kept: int
    """Were there already."""
    left_out: tuple[str, ...]
    """Experts that are not installed, with why, and folders that are no emotion."""
    failed: tuple[str, ...]
    """Films without features, with why; the next run tries them again."""


def extract(
    films: Path, features: Path, experts: Sequence[Expert], device: Device = "auto"
) -> Extraction:
    """Show films to experts, and write what they saw, one file a film.

    Args:
        films: FILMS/<emotion>/<film>.
        features: FEATURES/<emotion>/<film>.npz is written, whole or not at all, unless it is
            there.
        experts: in any number; those without weights are left out. The cues are no part of this.
        device: where they run.

    Raises:
        EmsyncError: there is no film, or too few experts are installed for the fusion.
    """
    folders = sorted(path for path in films.glob("*") if path.is_dir())
    others = [folder.name for folder in folders if folder.name.lower() not in EMOTIONS]
    paths = [
        (folder.name.lower(), path)
        for folder in folders
        for path in sorted(folder.glob("*"))
        if folder.name not in others and path.suffix.lower() in FILM_SUFFIXES
    ]
    if not paths:
        raise EmsyncError(
            f"There is no film in {films}. It needs FILMS/<emotion>/<film>, with the emotions "
            f"{listed(EMOTIONS)}."
        )
    todo = [(e, p) for e, p in paths if not _features_of(features, e, p).exists()]
    ready, left_out = _installed(experts, device_of(device)) if todo else ([], [])
    sequences = {MODALITY[name] for name in MODALITY if name not in SINGULAR}
    if todo and len(sequences & {expert.modality for expert in ready}) < 2:
        raise EmsyncError(
            "The fusion needs two of the experts for pictures, faces and sound at least. "
            + " ".join(left_out)
        )
    # One decoding a film, and as many frames as the fusion takes; nobody waits for a page here.
    settings = ExpertSettings(names=tuple(e.modality for e in ready), device=device)
    settings = replace(settings, most_frames=settings.frames, patience=3600.0)
    limits = FilmLimits(seconds=4 * 3600.0, bytes=10**11)
    panel, failed = Panel(ready), []
    for number, (emotion, path) in enumerate(todo, 1):
        print(f"{number} of {len(todo)}: {emotion}/{path.name}", flush=True)
        try:
            request = Settings(limits=limits, experts=settings)
            analysis = analyse(path, request, silent, CancelToken(), panel)
            arrays = _arrays_of(analysis.reading.reports, float(analysis.film.duration))
        except EmsyncError as problem:
            failed.append(f"{emotion}/{path.name}: {problem}")
            continue
        target = _features_of(features, emotion, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    panel.release()
    left_out += [f"The folder {name} is none of the six emotions." for name in others]
    made = len(todo) - len(failed)
    return Extraction(made, len(paths) - len(todo), tuple(left_out), tuple(failed))


def _features_of(features: Path, emotion: str, film: Path) -> Path:
    """Return where the features of a film lie."""
    return features / emotion / f"{film.name}.npz"


def _installed(experts: Sequence[Expert], device: str) -> tuple[list[Expert], list[str]]:
    """Return the experts that have their weights, loaded, and sentences on the others."""
    ready, left_out = [], []
    for expert in experts:
        try:
            expert.prepare(device)
            ready.append(expert)
        except WeightsNotInstalled as problem:
            left_out.append(f"{expert.title} is left out: {problem}")
    return ready, left_out


def _arrays_of(reports: Sequence[FeatureReport], seconds: float) -> dict[str, np.ndarray]:
    """Return what is written of one film.

    Raises:
        FilmError: an expert failed on it.
    """
    known = {report.modality: report for report in reports}
    arrays: dict[str, np.ndarray] = {}
    looked = []
    for name, modality in MODALITY.items():
        report = known.get(modality)
        if report is None:
            continue
        if report.status not in ("ran", "no such content"):
            raise FilmError(f"{report.detail} ({report.status})")
        if report.status == "ran" and report.vectors is None:
            continue  # read by a substitute that gives no vectors: it did not look
        looked.append(name)
        vectors, times = gathered(report, name in SINGULAR, (0.0, seconds))
        if len(vectors):
            arrays[name], arrays[f"{name}.times"] = vectors, times
    return arrays | {"looked": np.array(looked, dtype=np.str_)}
