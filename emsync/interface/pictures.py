"""Figures as SVG within the page, in the colours of its theme."""

import html
import io
import re
from hashlib import sha256
from typing import TYPE_CHECKING

from emsync.interface.plots import BLACK, EMOTION_COLOURS, FAINT, INK, darker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAPER = "#ffffff"


def as_picture(narrow: "Figure", description: str, wide: "Figure | None" = None) -> str:
    """Return HTML of a figure: the wide form where there is room, the narrow one elsewhere.

    Lines and letters take the colour of the text around them and its background, so that they can
    be read in light and dark.

    Args:
        narrow: about as wide as a telephone.
        description: the text alternative, read out by screen readers.
        wide: the same for a desk; None where the narrow one is enough.

    Returns:
        HTML with the SVG inside: no file, no request.
    """
    kind = "" if wide is None else " em-narrow"
    pictures = _svg(narrow, description, f"em-picture{kind}")
    if wide is not None:
        pictures += _svg(wide, description, "em-picture em-wide")
    return pictures


def _svg(figure: "Figure", description: str, kind: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    drawn = buffer.getvalue()
    # Names within one picture must not meet those of another on the same page.
    mark = sha256((kind + drawn).encode()).hexdigest()[:8]
    drawn = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{mark}-", drawn[drawn.index("<svg") :])
    # Styles for everything, which would hold for the whole page; and what nobody reads.
    drawn = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    for colour, themed in _THEMED.items():
        drawn = drawn.replace(colour, themed)
    head = re.match(r"<svg[^>]*>", drawn)
    assert head is not None
    box = re.search(r'viewBox="[^"]+"', head[0])
    assert box is not None
    words = html.escape(description, quote=True)
    return (
        f'<svg class="{kind}" role="img" aria-label="{words}" {box[0]} fill="currentColor" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'stroke-linejoin="round">{drawn[head.end() :]}'
    )


def _hex(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


_THEMED = {
    INK.lower(): "currentColor",
    BLACK: "currentColor",
    FAINT.lower(): "var(--border-color-primary, #d9dde3)",
    _PAPER: "var(--background-fill-primary, #fff)",
    **{
        _hex(darker(colour)): f"color-mix(in srgb, {colour} 55%, currentColor)"
        for colour in EMOTION_COLOURS.values()
    },
}
"""What becomes of the colours that only suit a light page."""
