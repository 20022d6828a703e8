"""The emotion regressor's trainer: `python -m emsync.training.train_regressor FOLDER -o OUT`.

FOLDER holds the archives and the index that `emsync.training.corpus` reads. Two kinds of label:
valence and energy of recordings by a streaming service, matched to pop and rock pieces by artist
and title, and the valence and arousal that listeners gave to piano arrangements of game music
(VGMIDI, Ferreira & Whitehead 2019).

Fitted to the recordings alone, valence comes out as another word for liveliness: their valence goes
with density and a steady snare, hardly with the mode, and the regressor's valence and arousal then
correlate by 0.9 on music of other kinds. So what arousal explains of valence is taken out first,
and the listeners' few pieces, whose valence goes with the mode, weigh `LISTENERS_WEIGHT` each. That
costs a tenth of the correlation on recordings; a network gains it back, and loses it elsewhere.

The fit is to the training split. OUT/config.json tells the correlation on the pieces held out, and
by five-fold cross-validation over songs.
"""

import itertools
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emsync.music.judging.emotion_regressor import (
    MINIMUM_NOTES,
    EmotionRegressor,
    features,
    save_regressor,
)
from emsync.music.notes import TICK_SECONDS
from emsync.process.command import parser_of
from emsync.training.corpus import Row, UnusableFile, files_of, read_index, tokenise
from emsync.training.labels import WINDOW_SECONDS, windows_of

WINDOWS = 4
"""Drawn from each piece, beside the whole of it."""
LISTENERS_WEIGHT = 15.0
RIDGE = 0.1
SPREAD = 0.5
"""Standard deviation of the answers on the training windows."""
FOLDS = 5
MINIMUM_PIECES = 30


@dataclass(frozen=True)
class Examples:
    """Windows of labelled pieces. Rows of one piece stand together."""

    names: tuple[str, ...]
    inputs: np.ndarray
    """(windows, features) float32."""
    labels: np.ndarray
    """(windows, 2) valence and arousal in [-1, 1]."""
    piece: np.ndarray
    """(windows,) number of the piece."""
    fold: np.ndarray
    """(windows,) 0 to 4; the pieces of one song share a fold."""
    training: np.ndarray
    """(windows,) whether the piece is of the training split."""
    listeners: np.ndarray
    """(windows,) whether the label comes from listeners."""

    def take(self, rows: np.ndarray) -> "Examples":
        columns = (self.inputs, self.labels, self.piece, self.fold, self.training, self.listeners)
        return Examples(self.names, *(column[rows] for column in columns))


def label_of(row: Row) -> tuple[float, float] | None:
    """Valence and arousal in [-1, 1]; None where the index has none (0.0 means unknown)."""
    if row.get("human_valence") is not None:
        return float(str(row["human_valence"])), float(str(row["human_arousal"]))
    if row.get("valence") and row.get("energy") is not None:
        return 2 * float(str(row["valence"])) - 1, 2 * float(str(row["energy"])) - 1
    return None


def _inputs_of(item: tuple[Row, bytes]) -> tuple[Row, list[dict[str, float]]]:
    """Return features of the whole piece and of some windows; none where the file is unusable."""
    row, data = item
    try:
        clean = tokenise(data)
    except UnusableFile:
        return row, []
    notes, bars = clean.notes, clean.bars
    generator = np.random.default_rng(int(str(row["song"]), 16) % 2**32)
    last = int(notes.end.max()) - round(WINDOW_SECONDS / TICK_SECONDS)
    early = bars[: max(int(np.searchsorted(bars, last)), 1)]
    found = [(notes, bars), *windows_of(notes, bars, generator.choice(early, WINDOWS))]
    return row, [features(n, b) for n, b in found if len(n) >= MINIMUM_NOTES]


def read_examples(folder: Path, processes: int) -> Examples:
    """Return all labelled pieces of the archives in `folder`."""
    index = {f: r for f, r in read_index(folder).items() if label_of(r) is not None}
    if not index:
        raise SystemExit(f"The index in {folder} has no piece with valence and energy.")
    sources = sorted({str(row["source"]) for row in index.values()})
    files = itertools.chain.from_iterable(files_of(folder, source, index) for source in sources)
    inputs: list[list[float]] = []
    rows: list[Row] = []
    piece: list[int] = []
    names: tuple[str, ...] = ()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for number, (row, found) in enumerate(pool.imap(_inputs_of, files, chunksize=8)):
            for window in found:
                names = names or tuple(window)
                inputs.append([window[name] for name in names])
                rows.append(row)
                piece.append(number)
    return Examples(
        names,
        np.array(inputs, dtype=np.float32),
        np.array([label_of(row) for row in rows], dtype=np.float32),
        np.array(piece),
        np.array([int(str(row["song"]), 16) % FOLDS for row in rows]),
        np.array([row["split"] == "train" for row in rows]),
        np.array([row.get("human_valence") is not None for row in rows]),
    )


def targets_of(examples: Examples) -> np.ndarray:
    """Return (windows, 2): labels in their kind's standard deviations, valence less arousal's
    share."""
    targets = np.zeros_like(examples.labels)
    for rows in (examples.listeners, ~examples.listeners):
        if not rows.any():
            continue
        own = _standardised(examples.labels[rows])
        share = (own[:, 0] * own[:, 1]).mean()
        own[:, 0] = _standardised(own[:, 0] - share * own[:, 1])
        targets[rows] = own
    return targets


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-6)


def fit(examples: Examples) -> EmotionRegressor:
    """Ridge regression (Hoerl & Kennard 1970), in closed form."""
    centre = examples.inputs.mean(axis=0)
    scale = examples.inputs.std(axis=0) + 1e-3
    inputs = np.clip((examples.inputs - centre) / scale, -4, 4).astype(np.float64)
    targets = targets_of(examples)
    share = np.where(examples.listeners, LISTENERS_WEIGHT, 1.0)[:, None]
    share = share / share.sum()
    middle, target_middle = (inputs * share).sum(axis=0), (targets * share).sum(axis=0)
    x = inputs - middle
    covariance = x.T @ (x * share) + RIDGE * np.eye(x.shape[1])
    weight = np.linalg.solve(covariance, x.T @ ((targets - target_middle) * share))
    spread = SPREAD / (x @ weight).std(axis=0)
    return EmotionRegressor(
        examples.names,
        centre,
        scale,
        (weight * spread).astype(np.float32),
        ((target_middle - middle @ weight) * spread).astype(np.float32),
    )


def correlations(answers: np.ndarray, examples: Examples) -> dict[str, dict[str, float]]:
    """Pearson correlation of answers with labels, one point a window, by kind of label.

    Kinds with fewer than `MINIMUM_PIECES` are left out: a correlation over them says nothing.
    """
    found = {}
    kinds = {"recordings": ~examples.listeners, "listeners": examples.listeners}
    for kind, rows in kinds.items():
        if len(np.unique(examples.piece[rows])) < MINIMUM_PIECES:
            continue
        found[kind] = {
            axis: round(float(np.corrcoef(answers[rows, i], examples.labels[rows, i])[0, 1]), 3)
            for i, axis in enumerate(("valence", "arousal"))
        } | {"pieces": len(np.unique(examples.piece[rows]))}
    return found


def _cross_validated(examples: Examples) -> np.ndarray:
    """Return answers (windows, 2) to every window by a regression that did not see its song."""
    answers = np.zeros_like(examples.labels)
    for fold in range(FOLDS):
        aside = examples.fold == fold
        fitted = fit(examples.take(np.flatnonzero(~aside)))
        answers[aside] = fitted(examples.inputs[aside])
    return answers


def main(arguments: list[str] | None = None) -> None:
    parser = parser_of("emsync.training.train_regressor", __doc__)
    parser.add_argument("folder", type=Path, help="archives of MIDI files with a labelled index")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the regressor")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    examples = read_examples(options.folder, options.processes)
    training = examples.take(np.flatnonzero(examples.training))
    held_out = examples.take(np.flatnonzero(~examples.training))
    regressor = fit(training)
    aside = _cross_validated(training)
    card: dict[str, object] = {
        "labelled_pieces": len(np.unique(training.piece)),
        "held_out": correlations(regressor(held_out.inputs), held_out),
        "cross_validated": correlations(aside, training),
        "valence_with_arousal": round(float(np.corrcoef(aside.T)[0, 1]), 3),
        "tiers": ["research"],
    }
    save_regressor(regressor, options.out, card)
    print(card)


if __name__ == "__main__":
    main()
