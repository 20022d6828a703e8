"""The end of somebody's MIDI file as tokens that a piece goes on from."""

from pathlib import Path

from emsync.music.primer import Primer, read_primer
from emsync.music.transformer import vocabulary as v
from emsync.music.transformer.tokens import encode
from emsync.progress import CancelToken


def read_primer_tokens(
    path: Path, most: int, seconds: float, cancel: CancelToken | None = None
) -> tuple[int, ...]:
    """Return the last tokens of a MIDI file, `most` at most; arguments and errors as `read_primer`.

    It ends on a bar line, and all notes have ended.
    """
    return primer_tokens(read_primer(path, seconds, cancel))[-most:]


def primer_tokens(primer: Primer) -> tuple[int, ...]:
    """Encode a primer, with the silence at its end."""
    tokens = [int(token) for token in encode(primer.notes, primer.bars, drum_offs=False)]
    rest = max(0, primer.length - sum(map(v.shift_ticks, tokens)))
    tokens += [v.shift_token(v.MAXIMUM_SHIFT)] * (rest // v.MAXIMUM_SHIFT)
    if rest % v.MAXIMUM_SHIFT:
        tokens.append(v.shift_token(rest % v.MAXIMUM_SHIFT))
    return tuple(tokens)
