"""The fusion's trainer: `python -m emsync.training.train_emotion FEATURES -o OUT`.

FEATURES is a folder of features or a `features.pkl`, see `emsync.training.film_features`. With
`--films FILMS`, films in FILMS/<emotion>/ of which FEATURES has none yet are shown to our experts
first; what is there already is kept, so that a run that was stopped goes on.

Beside the features may lie `splits.json`, lists of names under `trn`, `val` and `tst` (as the
authors write them); the name of a file is <emotion>/<film>, with the film's ending. Without it, or
where it has no `val`, films are drawn, the same share of every emotion. Ekman-6 has a split of its
own, 819 films to 818: with another one its figures cannot be compared.

As in the paper: 16 items a sequence, dropout 0.5, Adam at 1e-5, cross-entropy. Each feature is
brought to [0, 1] by its smallest and largest value in training. Training ends when the loss on the
validation films has not fallen for a while; the best weights are kept. The test films are looked
at once, at the end. OUT gets the weights (a folder of `emsync.weights.folder`), `evaluation.json`,
`evaluation.md`, `log.jsonl` and a card (`README.md`).
"""

import copy
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from emsync.emotion.classifiers.checkpoint import save
from emsync.emotion.classifiers.fusion import MODALITY, SINGULAR, Feature, Fusion, FusionSettings
from emsync.emotion.classifiers.vemoclap import NAME
from emsync.emotion.features.expert import Expert
from emsync.emotion.features.panel import device_of, standard_experts
from emsync.emotion.reading import EMOTIONS
from emsync.errors import EmsyncError
from emsync.process.command import check_empty, exit_status, parser_of, settings_from
from emsync.text import listed
from emsync.training.film_features import Sample, extract, read_samples

PUBLISHED_ACCURACY = 0.6528
"""VEMOCLAP on Ekman-6 (arXiv 2410.21303)."""
SPLITS = ("trn", "val", "tst")
LEAST_FILMS = 3
"""Of each emotion: one to train on, one to stop by, one to test with."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a fusion is trained. Sources: the paper, else its authors' code for film genres."""

    seed: int = 0
    length: int = 16
    """Items of a sequence (paper)."""
    width: int = 512
    heads: int = 4
    dropout: float = 0.5
    """Paper."""
    rate: float = 1e-5
    """Of Adam (paper)."""
    batch: int = 32
    epochs: int = 1000
    """At most. Ours."""
    patience: int = 20
    """Epochs without a lower validation loss after which training ends. Ours."""
    validation: float = 0.1
    test: float = 0.2
    """Shares of the films, where no `splits.json` says which (code for film genres)."""

    def __post_init__(self) -> None:
        whole = (self.length, self.width, self.heads, self.batch, self.epochs, self.patience)
        if min(whole) < 1 or self.rate <= 0 or not 0 <= self.dropout < 1:
            raise ValueError("numbers must be positive, and dropout below 1")
        if min(self.validation, self.test) <= 0 or self.validation + self.test >= 1:
            raise ValueError("validation and test are shares that leave films to train on")


# Training ----------------------------------------------------------------------------------------


def split(
    samples: Sequence[Sample], given: Mapping[str, Sequence[str]] | None, settings: TrainingSettings
) -> dict[str, list[Sample]]:
    """Return films to train on, to stop by, and to test with.

    Args:
        samples: all films.
        given: names by split, as in `splits.json`; None draws all three.
        settings: shares, and the seed of the draw.

    Raises:
        EmsyncError: too few films, or a split without any.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    parts: dict[str, list[Sample]]
    if given is None:
        rest, test = _drawn(samples, settings.test, generator)
        share = settings.validation / (1 - settings.test)
        training, validation = _drawn(rest, share, generator)
        parts = {"trn": training, "val": validation, "tst": test}
    else:
        known = {sample.name: sample for sample in samples}
        parts = {
            part: [known[name] for name in given.get(part, ()) if name in known] for part in SPLITS
        }
        names = [sample.name for part in parts.values() for sample in part]
        if len(set(names)) < len(names):
            raise EmsyncError("In splits.json a film is in two splits. Put each into one.")
        if not parts["val"]:
            share = settings.validation / (1 - settings.test)
            parts["trn"], parts["val"] = _drawn(parts["trn"], share, generator)
    for part, films in parts.items():
        if not films:
            raise EmsyncError(f"No film that there are features of is in the split “{part}”.")
    return parts


def _drawn(
    samples: Sequence[Sample], share: float, generator: torch.Generator
) -> tuple[list[Sample], list[Sample]]:
    """Return the films that stay and those drawn.

    Drawn are `share` of every emotion, at least one film.
    """
    stay, drawn = [], []
    for label, emotion in enumerate(EMOTIONS):
        films = [sample for sample in samples if sample.label == label]
        if len(films) < LEAST_FILMS - 1:
            raise EmsyncError(
                f"There are too few films of {emotion}: it takes {LEAST_FILMS} of each of the six "
                "emotions to train, to stop and to test."
            )
        order = torch.randperm(len(films), generator=generator).tolist()
        count = min(max(1, round(share * len(films))), len(films) - 1)
        drawn += [films[index] for index in order[:count]]
        stay += [films[index] for index in order[count:]]
    return stay, drawn


def features_in(
    samples: Sequence[Sample], training: Sequence[Sample], length: int
) -> tuple[Feature, ...]:
    """Return the features that were looked for in every film, and that some training film has.

    Raises:
        EmsyncError: films disagree on how many numbers a feature has.
    """
    looked = frozenset.intersection(*(sample.looked for sample in samples))
    features = []
    for name in sorted(looked & set(MODALITY)):
        dims = {s.vectors[name].shape[-1] for s in samples if name in s.vectors}
        if len(dims) > 1:
            raise EmsyncError(f"{name} has {listed(sorted(map(str, dims)))} numbers by turns.")
        if any(name in sample.vectors for sample in training):
            features.append(Feature(name, dims.pop(), 1 if name in SINGULAR else length))
    return tuple(features)


def untrained(
    features: tuple[Feature, ...], training: Sequence[Sample], settings: TrainingSettings
) -> Fusion:
    """Return a fusion with random weights and the ranges of the training films.

    Raises:
        EmsyncError: too few features.
    """
    try:
        model = Fusion(
            FusionSettings(features, settings.width, settings.heads, dropout=settings.dropout)
        )
        for feature in features:
            found = [s.vectors[feature.name] for s in training if feature.name in s.vectors]
            low, high = min(v.min() for v in found), max(v.max() for v in found)
            model.range_of(feature).set(float(low), float(high))
    except ValueError as problem:
        raise EmsyncError(f"These features cannot be fused: {problem}.") from problem
    model.initialise(torch.Generator().manual_seed(settings.seed))
    return model


@dataclass(frozen=True)
class Films:
    """Films as the network takes them: for each feature (films, length, numbers); and labels."""

    inputs: Mapping[str, Tensor]
    labels: Tensor

    def take(self, rows: Tensor) -> "Films":
        """Return some of the films, by their rows."""
        return Films({name: value[rows] for name, value in self.inputs.items()}, self.labels[rows])


def films_of(samples: Sequence[Sample], model: Fusion, device: torch.device) -> Films:
    """Return all films of a split, on the device."""
    try:
        inputs = {
            feature.name: torch.stack(
                [
                    model.input_of(feature, s.vectors.get(feature.name), s.times.get(feature.name))
                    for s in samples
                ]
            ).to(device)
            for feature in model.settings.features
        }
    except ValueError as problem:
        raise EmsyncError(f"These features cannot be fused: {problem}.") from problem
    return Films(inputs, torch.tensor([sample.label for sample in samples], device=device))


@torch.inference_mode()
def predictions(model: Fusion, films: Films) -> tuple[Tensor, float]:
    """Return the likeliest emotion of each film, (films,), and the mean cross-entropy in nats."""
    rows = torch.arange(len(films.labels), device=films.labels.device)
    logits = torch.cat([model(films.take(some).inputs) for some in rows.split(256)])
    return logits.argmax(dim=1), float(F.cross_entropy(logits, films.labels))


@dataclass(frozen=True)
class Training:
    """How a training went."""

    model: Fusion
    """With the best weights."""
    epochs: int
    best_epoch: int
    log: tuple[dict[str, float], ...]
    """One row an epoch: loss in training, loss and accuracy on the validation films."""


def train(
    model: Fusion, training: Films, validation: Films, settings: TrainingSettings
) -> Training:
    """Train with Adam on the cross-entropy, until the validation loss no longer falls.

    What is drawn depends on the seed alone: the order of the films, and what is dropped out.
    """
    device = training.labels.device
    order = torch.Generator().manual_seed(settings.seed)
    dropped = torch.Generator(device).manual_seed(settings.seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.rate)
    log: list[dict[str, float]] = []
    best, best_epoch, state = math.inf, 0, copy.deepcopy(model.state_dict())
    for epoch in range(1, settings.epochs + 1):
        total = 0.0
        for rows in torch.randperm(len(training.labels), generator=order).split(settings.batch):
            batch = training.take(rows.to(device))
            loss = F.cross_entropy(model(batch.inputs, dropped), batch.labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(rows)
        found, nats = predictions(model, validation)
        right = float((found == validation.labels).float().mean())
        mean = total / len(training.labels)
        if not math.isfinite(mean + nats):
            raise EmsyncError(f"The loss is {mean} in epoch {epoch}. Lower the learning rate.")
        log.append({"epoch": epoch, "loss": mean, "validation_loss": nats, "accuracy": right})
        if nats < best:
            best, best_epoch, state = nats, epoch, copy.deepcopy(model.state_dict())
        elif epoch - best_epoch >= settings.patience:
            break
    model.load_state_dict(state)
    return Training(model, len(log), best_epoch, tuple(log))


# What came of it ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """Of the test films, looked at once."""

    films: int
    accuracy: float
    interval: tuple[float, float]
    """95 % (Wilson 1927): how far the accuracy may be off for so few films."""
    majority: float
    """What naming the commonest emotion of the training films would reach."""
    cross_entropy: float
    """Nats; ln 6 = 1.79 says nothing."""
    confusion: tuple[tuple[int, ...], ...]
    """Films by label (row) and by what was read (column), order of `EMOTIONS`."""


def evaluate(model: Fusion, test: Films, training: Films) -> Evaluation:
    """Return accuracy and confusion of a trained fusion."""
    found, nats = predictions(model, test)
    counts = torch.zeros(len(EMOTIONS), len(EMOTIONS), dtype=torch.int64)
    counts.index_put_((test.labels.cpu(), found.cpu()), torch.tensor(1), accumulate=True)
    common = Counter(training.labels.tolist()).most_common(1)[0][0]
    right, films = int(counts.diagonal().sum()), len(test.labels)
    return Evaluation(
        films,
        right / films,
        _wilson(right, films),
        float((test.labels == common).float().mean()),
        nats,
        tuple(tuple(row) for row in counts.tolist()),
    )


def _wilson(right: int, films: int) -> tuple[float, float]:
    """Return the interval in which the true share lies by 95 % (Wilson 1927)."""
    from scipy.stats import binomtest

    found = binomtest(right, films).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def markdown(evaluation: Evaluation, data: str) -> str:
    """Return the figures for people, beside the paper's."""
    low, high = evaluation.interval
    recall = [
        f"{row[i] / sum(row):.0%}" if sum(row) else "–"
        for i, row in enumerate(evaluation.confusion)
    ]
    rows = [
        f"| **{emotion}** | {' | '.join(map(str, row))} | {share} |"
        for emotion, row, share in zip(EMOTIONS, evaluation.confusion, recall, strict=True)
    ]
    return "\n".join(
        [
            f"# Six emotions on {evaluation.films} test films",
            "",
            data,
            "",
            "| measure | value | beside it |",
            "| --- | --- | --- |",
            f"| accuracy | {evaluation.accuracy:.2%} (95 %: {low:.1%} to {high:.1%}) | VEMOCLAP on "
            f"Ekman-6: {PUBLISHED_ACCURACY:.2%}, comparable on its films and split only |",
            f"| always the commonest emotion | {evaluation.majority:.2%} | chance: 16.67% |",
            f"| cross-entropy | {evaluation.cross_entropy:.3f} nats | knowing nothing: 1.792 |",
            "",
            "Films by their label (rows) and by what was read (columns):",
            "",
            f"| | {' | '.join(EMOTIONS)} | found |",
            f"| --- |{' --- |' * (len(EMOTIONS) + 1)}",
            *rows,
            "",
        ]
    )


def _card(model: Fusion, counts: Mapping[str, int], compute: str, evaluation: Evaluation) -> str:
    """Return the card of the weights, for whoever finds them."""
    names = listed([feature.name for feature in model.settings.features])
    return f"""# fusion

VEMOCLAP's fusion, trained by `python -m emsync.training.train_emotion`: {names} to six emotions.

- **Data**: {counts["trn"]} films to train on, {counts["val"]} to stop by, {counts["tst"]} to test
  with. Whose films, and with what right: to be filled in.
- **Compute**: {compute}.
- **Quality**: {evaluation.accuracy:.2%} of the test films; see `evaluation.md`.
- **Licence**: to be filled in; it depends on the films, and on the experts' weights.
- **Use**: `python -m emsync weights add {NAME} FOLDER --other`
"""


def run(samples: Sequence[Sample], source: Path, out: Path, settings: TrainingSettings,
        device: torch.device) -> Evaluation:  # fmt: skip
    """Split, train, test and write; see the top of the module for what is written."""
    given = _splits_beside(source)
    parts = split(samples, given, settings)
    features = features_in(samples, parts["trn"], settings.length)
    model = untrained(features, parts["trn"], settings)
    unused = sorted(set(MODALITY) - {feature.name for feature in features})
    if unused:
        print(f"Not to be had in all films, and left out: {listed(unused)}.")
    counts = {part: len(films) for part, films in parts.items()}
    model.to(device)
    films = {part: films_of(found, model, device) for part, found in parts.items()}
    began = time.monotonic()
    done = train(model, films["trn"], films["val"], settings)
    seconds = time.monotonic() - began
    evaluation = evaluate(done.model, films["tst"], films["trn"])
    compute = (
        f"{done.epochs} epochs in {seconds:.0f} s on {device.type}, the best one "
        f"{done.best_epoch}; torch {torch.__version__}"
    )
    facts: dict[str, object] = {
        "films": counts,
        "split": "drawn" if given is None else "splits.json",
        "features_left_out": unused,
        "compute": compute,
        "training": asdict(settings),
        "test": {**asdict(evaluation), "published_accuracy": PUBLISHED_ACCURACY},
    }
    save(done.model, out, facts)
    (out / "evaluation.json").write_text(json.dumps(facts, indent=1) + "\n")
    data = (
        f"Trained on {counts['trn']} films, stopped by {counts['val']}; split "
        f"{'drawn with seed ' + str(settings.seed) if given is None else 'as given'}. "
        f"Left out: {listed(unused) if unused else 'nothing'}."
    )
    (out / "evaluation.md").write_text(markdown(evaluation, data))
    (out / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in done.log))
    (out / "README.md").write_text(_card(done.model, counts, compute, evaluation))
    return evaluation


def _splits_beside(source: Path) -> dict[str, list[str]] | None:
    """Return the names in `splits.json` by split; None if there is no such file."""
    path = (source if source.is_dir() else source.parent) / "splits.json"
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text())
        return {part: [str(name) for name in found[part]] for part in SPLITS if part in found}
    except (ValueError, TypeError) as problem:
        raise EmsyncError(
            f"{path} must hold lists of names under {listed(SPLITS)}: {problem}."
        ) from problem


def main(arguments: list[str] | None = None, experts: Sequence[Expert] | None = None) -> int:
    """Run the command line; `experts` are the project's own if None."""
    parser = parser_of("emsync.training.train_emotion", __doc__)
    standard = TrainingSettings()
    parser.add_argument("features", type=Path, help="folder of features, or features.pkl")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--films", type=Path, help="labelled films to make features of first")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    for name, kind in (
        ("seed", int), ("length", int), ("width", int), ("heads", int), ("dropout", float),
        ("rate", float), ("batch", int), ("epochs", int), ("patience", int),
        ("validation", float), ("test", float),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=getattr(standard, name))
    options = vars(parser.parse_args(arguments))
    features, out, films = options.pop("features"), options.pop("out"), options.pop("films")
    device = options.pop("device")
    settings = settings_from(parser, TrainingSettings, options)

    def work() -> None:
        check_empty(out)
        if films is not None:
            made = extract(films, features, experts or standard_experts(), device)
            print(f"Films: {made.made} done, {made.kept} were there, {len(made.failed)} failed.")
            for line in (*made.left_out, *made.failed):
                print(f"- {line}")
        samples = read_samples(features)
        evaluation = run(samples, features, out, settings, torch.device(device_of(device)))
        low, high = evaluation.interval
        print(
            f"{evaluation.accuracy:.2%} of {evaluation.films} test films (95 %: {low:.1%} to "
            f"{high:.1%}); the paper on Ekman-6: {PUBLISHED_ACCURACY:.2%}. Written to {out}.\n"
            f"To use it: python -m emsync weights add {NAME} {out} --other"
        )

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
