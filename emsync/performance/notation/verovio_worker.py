"""A process that engraves a score with Verovio: told in JSON where it lies and where the PDF goes.

Verovio draws pages as SVG, CairoSVG makes a PDF of each, and pypdf joins them. They are no
requirement of ours, so they are imported by name.
"""

import io
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from emsync.process.child import confine

SECONDS, MEMORY, FILE_BYTES = 180.0, 3_000_000_000, 200_000_000
_SCALE: Final = 75
"""Per cent of staves of 7.2 mm."""
_A4: Final = (2100, 2970)
"""Tenths of a millimetre."""
_OPTIONS: dict[str, Any] = {
    "pageWidth": _A4[0] * 100 // _SCALE,
    "pageHeight": _A4[1] * 100 // _SCALE,
    "scale": _SCALE,
    "pageMarginLeft": 130 * 100 // _SCALE,
    "pageMarginRight": 130 * 100 // _SCALE,
    "pageMarginTop": 130 * 100 // _SCALE,
    "pageMarginBottom": 130 * 100 // _SCALE,
    "footer": "none",
    "smuflTextFont": "none",
    "systemDivider": "none",
    "justifyVertically": True,
}
_IN_TEXT: Final = str.maketrans(
    "\ue260\ue261\ue262\uea64\uea65\uea66\ued60\ued61\ued62\ueca5\ueca7\uecb7",
    "♭♮♯♭♮♯♭♮♯♩♪.",
)
"""Signs of music fonts within words, as the fonts of words have them."""
_DOTS_PER_INCH: Final = 254
"""A unit of the pages is a tenth of a millimetre."""


def main() -> None:
    """Do what standard input asks for."""
    confine(SECONDS, MEMORY, FILE_BYTES)
    asked = json.loads(sys.stdin.read())
    verovio, cairosvg, pypdf = map(import_module, ("verovio", "cairosvg", "pypdf"))
    toolkit = verovio.toolkit()
    toolkit.setOptions(_OPTIONS)
    if not toolkit.loadData(Path(asked["score"]).read_text(encoding="utf-8")):
        raise ValueError("Verovio cannot read the score")
    book = pypdf.PdfWriter()
    for number in range(1, toolkit.getPageCount() + 1):
        drawn = toolkit.renderToSVG(number).translate(_IN_TEXT)
        page = cairosvg.svg2pdf(bytestring=drawn.encode(), dpi=_DOTS_PER_INCH)
        book.append(io.BytesIO(page))
    with Path(asked["pdf"]).open("wb") as file:
        book.write(file)


if __name__ == "__main__":
    main()
