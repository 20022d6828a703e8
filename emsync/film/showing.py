"""Filters for FFmpeg that show a film as people are to see it: its light, its alpha, its size.

High dynamic range is brought to that of ordinary screens by a table that is worked out here, so
that every FFmpeg does it alike, whatever it was built with.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from emsync.film.film import Film, Transfer

WHITE = 203.0
"""Candelas per square metre of white that is not a highlight (ITU-R BT.2408)."""
_PEAK = 1000.0
"""Candelas per square metre of the brightest that HLG is shown at (ITU-R BT.2100)."""
_SYSTEM_GAMMA = 1.2
"""Of HLG on a screen of that peak (ITU-R BT.2100)."""
_SCREEN_GAMMA = 2.4
"""Of ordinary screens (ITU-R BT.1886)."""
_KNEE = 0.75
"""Share of `WHITE` up to which light stays as it is; what is brighter is bent below 1. Ours."""
_SIDE = 33
"""Places of the table along each colour, as is usual for such tables."""
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
"""Linear light with the primaries of BT.2020 to that with those of BT.709 (ITU-R BT.2087)."""
_SAME_SHAPE = 0.02
"""Share by which a picture's shape may differ from the film's by rounding."""


@contextmanager
def shown(film: Film) -> Iterator[list[str]]:
    """Yield the filters that make decoded frames ordinary pictures; none for ordinary films.

    High dynamic range becomes BT.709, and what is transparent becomes black. Files that they need
    are there until the context ends.
    """
    filters: list[str] = []
    with tempfile.TemporaryDirectory(prefix="emsync-") as folder:
        if film.transfer:
            table = Path(folder) / "table.cube"
            _write_table(table, film.transfer)
            filters += [
                "format=gbrp10le",
                f"lut3d=file={_escaped(table)}",
                "setparams=color_primaries=bt709:color_trc=bt709",
                "scale=out_color_matrix=bt709:out_range=tv",
                "format=yuv420p",
                "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709",
            ]
        elif film.has_alpha:
            import av

            rgb = av.VideoFormat(film.pixel_format).is_rgb or "pal" in film.pixel_format
            planes, without = ("gbrap", "gbrp") if rgb else ("yuva444p", "yuv444p")
            # In 8 bits the filter darkens what is opaque by up to one step in 255.
            planes += "16le"
            filters += [f"format={planes}", "premultiply=inplace=1", f"format={without}"]
        yield filters


def fitted(film: Film, width: int, height: int, options: str, even: bool = False) -> list[str]:
    """Return the filters that scale frames to a size; where their size changes in the middle of the
    film, they are fitted into it and get black bars.

    Args:
        film: the film.
        width, height: of the result, of the shape of the film.
        options: more for the scaler, such as ":flags=area".
        even: a line and a column are cut off where the size is odd, rather than the picture
            resampled; else frames become RGB, which alone knows bars of odd sizes.
    """
    shape = Fraction(film.stored_width, film.stored_height) * film.sample_aspect_ratio
    if film.rotation in (90, 270):
        shape = 1 / shape
    here = "iw/ih" if film.sample_aspect_ratio == 1 else "dar"
    same = f"lt(abs({here}/{float(shape)!r}-1),{_SAME_SHAPE})"
    columns = f"if({same},{width},clip(round({height}*{here}),1,{width}))"
    rows = f"if({same},{height},clip(round({width}/({here})),1,{height}))"
    prepared = "format=rgb24"
    if even:
        width, height = width - width % 2, height - height % 2
        prepared = f"crop=w='min(iw,{width})':h='min(ih,{height})':x=0:y=0"
    return [
        f"scale=w='{columns}':h='{rows}'{options}",
        prepared,
        f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2",
    ]


def _write_table(path: Path, transfer: Transfer) -> None:
    """Write the table that maps stored colours to those of ordinary screens, as FFmpeg reads it."""
    steps = np.linspace(0, 1, _SIDE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # red changes fastest
    stored = np.stack([red, green, blue], axis=-1).reshape(-1, 3)  # (places, 3)
    lines = [f"LUT_3D_SIZE {_SIDE}"]
    lines += [f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in mapped(stored, transfer)]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def mapped(stored: np.ndarray, transfer: Transfer) -> np.ndarray:
    """Return colours for ordinary screens.

    Args:
        stored: (..., 3) red, green and blue with the primaries of BT.2020, in [0, 1].
        transfer: how their light is stored.

    Returns:
        (..., 3) in [0, 1], with the primaries of BT.709, for a screen after BT.1886. Light up to
        `_KNEE` of white is kept, more is bent so that hue stays.
    """
    light = _pq_light(stored) if transfer == "pq" else _hlg_light(stored)
    linear = np.clip(light / WHITE @ _TO_709.T, 0, None)
    most = linear.max(axis=-1, keepdims=True)
    over = np.clip(most - _KNEE, 0, None) / (1 - _KNEE)
    bent = np.where(most > _KNEE, _KNEE + (1 - _KNEE) * (1 - np.exp(-over)), most)
    scaled: np.ndarray = linear * bent / np.maximum(most, 1e-9)
    return np.clip(scaled, 0, 1) ** (1 / _SCREEN_GAMMA)


def _pq_light(stored: np.ndarray) -> np.ndarray:
    """Return candelas per square metre of SMPTE ST 2084 (ITU-R BT.2100, table 4)."""
    root = stored ** (32 / 2523)
    light: np.ndarray = np.clip(root - 3424 / 4096, 0, None) / (2413 / 128 - 2392 / 128 * root)
    return 10_000 * light ** (16_384 / 2610)


def _hlg_light(stored: np.ndarray) -> np.ndarray:
    """Return candelas per square metre of ARIB STD-B67 on a screen of `_PEAK` (ITU-R BT.2100,
    table 5).

    The system gamma is that of each colour, as zimg and most converters have it, not of the
    luminance: so colours that were saturated on an ordinary screen come back saturated.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(stored <= 0.5, stored**2 / 3, (np.exp((stored - c) / a) + b) / 12)
    light: np.ndarray = _PEAK * scene**_SYSTEM_GAMMA
    return light


def _escaped(path: Path) -> str:
    """Return a path as it stands in a filter graph, which is read twice."""
    option = "".join(f"\\{one}" if one in "\\':" else one for one in str(path))
    return "".join(f"\\{one}" if one in "\\'[],; " else one for one in option)
