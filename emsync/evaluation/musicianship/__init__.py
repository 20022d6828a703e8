"""What a musician would check in a piece, as numbers: rhythm, harmony, texture, melody and form.

None of them says that music is good. Held against the same measures of real music they show where
a generator is unlike it (`comparing`); each field of `Rhythm`, `Harmony`, `Texture` and `Melody`
has its definition and source.
"""

from dataclasses import asdict

from emsync.evaluation.musicianship.harmony import Harmony, harmony_of
from emsync.evaluation.musicianship.melody import Melody, melody_of
from emsync.evaluation.musicianship.piece import MeasuredPiece, piece_of
from emsync.evaluation.musicianship.rhythm import Rhythm, rhythm_of
from emsync.evaluation.musicianship.texture import Texture, texture_of

__all__ = ["NAMES", "MeasuredPiece", "measure", "piece_of"]

NAMES: tuple[str, ...] = tuple(
    name for family in (Rhythm, Harmony, Texture, Melody) for name in family.__dataclass_fields__
)
"""Of all measures, in the order of the table."""


def measure(piece: MeasuredPiece) -> dict[str, float]:
    """Return every measure of a piece by name; NaN where there is too little to tell."""
    families = (rhythm_of(piece), harmony_of(piece), texture_of(piece), melody_of(piece))
    found = {name: value for family in families for name, value in asdict(family).items()}
    return {name: float(value) for name, value in found.items()}
