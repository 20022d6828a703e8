"""Draws a film to try EMSYNC with: `python -m examples.landscapes examples/landscapes.mp4`.

Ten shots of one valley, from the night through a storm to the morning; some cuts are less than
four seconds apart. Like the rest of the repository it may be used freely.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.drawing import Color, write_film

WIDTH, HEIGHT, RATE = 960, 540, 24


@dataclass(frozen=True)
class Shot:
    """One view. Colours are RGB; the sun or moon is placed in shares of the picture."""

    seconds: float
    zenith: Color
    horizon: Color
    near: Color
    light: tuple[float, float, float] | None
    """Centre x, centre y, radius; None behind clouds."""
    glow: Color = (255, 240, 200)
    falling: str = ""
    """"snow", "rain" or nothing."""
    stars: bool = False
    speed: float = 12.0
    """Pixels per second at which the nearest ridge passes by."""


SHOTS = (
    Shot(6, (10, 14, 40), (38, 50, 98), (4, 6, 16), (0.72, 0.24, 0.05), (230, 235, 255), "", True),
    Shot(5, (232, 160, 120), (255, 214, 150), (70, 34, 52), (0.3, 0.5, 0.07)),
    Shot(2.5, (18, 24, 54), (60, 66, 110), (6, 8, 20), (0.2, 0.3, 0.04), (220, 230, 255), "", True),
    Shot(5.5, (120, 178, 226), (206, 230, 240), (22, 74, 52), (0.8, 0.2, 0.06), speed=26),
    Shot(3, (46, 52, 62), (92, 98, 106), (14, 18, 22), None, falling="rain", speed=90),
    Shot(6, (150, 158, 168), (196, 200, 204), (48, 56, 62), None, falling="rain", speed=60),
    Shot(4.5, (28, 24, 44), (84, 52, 74), (10, 6, 14), None, falling="rain", speed=110),
    Shot(6.5, (214, 226, 238), (240, 244, 248), (96, 116, 136), None, falling="snow", speed=8),
    Shot(5, (74, 42, 96), (246, 128, 84), (28, 10, 34), (0.5, 0.56, 0.08), (255, 190, 120)),
    Shot(8, (104, 176, 222), (255, 236, 176), (34, 92, 58), (0.56, 0.36, 0.08), speed=18),
)


def main(target: str) -> None:
    """Draw all shots, with wind for a sound."""
    seconds = sum(shot.seconds for shot in SHOTS)
    wind = f"anoisesrc=color=brown:amplitude=0.1:r=44100:seed=1:d={seconds}"
    write_film(Path(target), pictures(), RATE, 29, f"{wind},tremolo=f=0.15:d=0.7")


def pictures() -> Iterator[np.ndarray]:
    """The frames of all shots, one after another."""
    for number, shot in enumerate(SHOTS):
        yield from frames(shot, np.random.default_rng(number))


def frames(shot: Shot, random: np.random.Generator) -> Iterator[np.ndarray]:
    """The frames of a shot, each (height, width, 3) uint8."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    zenith, horizon, near, glow = (
        np.array(color, np.float32) for color in (shot.zenith, shot.horizon, shot.near, shot.glow)
    )
    height = np.clip(y / (0.78 * HEIGHT), 0, 1)[..., None]
    sky = zenith + (horizon - zenith) * height**1.4
    if shot.stars:
        at = random.integers(0, (HEIGHT // 2, WIDTH), (140, 2))
        sky[at[:, 0], at[:, 1]] += random.uniform(40, 170, (140, 1))
    if shot.light:
        cx, cy, radius = shot.light[0] * WIDTH, shot.light[1] * HEIGHT, shot.light[2] * HEIGHT
        distance = np.hypot(x - cx, y - cy)[..., None]
        sky += (glow - sky) * 0.55 * np.exp(-distance / (3.5 * radius))
        sky += (glow - sky) * np.clip(radius - distance + 0.5, 0, 1)
    ridges = [_ridge(random, layer) for layer in range(5)]
    drops = random.uniform(0, 1, (260, 3))
    for number in range(round(shot.seconds * RATE)):
        time = number / RATE
        picture = sky.copy()
        for layer, ridge in enumerate(ridges):
            share = (layer + 1) / len(ridges)
            color = horizon + (near - horizon) * share**0.8
            left = shot.speed * time * share**2
            line = np.interp(np.arange(WIDTH) + left, np.arange(len(ridge)), ridge)
            cover = np.clip(y - line.astype(np.float32) + 0.5, 0, 1)[..., None]
            picture += (color - picture) * cover
        if shot.falling:
            _fall(picture, drops, time, shot.falling)
        yield np.clip(picture, 0, 255).astype(np.uint8)


def _ridge(random: np.random.Generator, layer: int) -> np.ndarray:
    """Upper edge of a range of hills in pixels from the top; the nearest one bears firs."""
    places = np.arange(3 * WIDTH)
    line = HEIGHT * (0.5 + 0.1 * layer) * np.ones(len(places))
    for octave in range(1, 6):
        step = (420 - 50 * layer) / 2**octave
        knots = random.uniform(-1, 1, int(len(places) / step) + 3)
        line += (95 - 12 * layer) / 1.9**octave * np.interp(places / step, range(len(knots)), knots)
    if layer == 4:
        for root in np.cumsum(random.uniform(6, 30, 200)):
            tall = random.uniform(16, 58)
            fir = tall - 4.2 * np.abs(places - root) - 3 * (np.abs(places - root) % 3)
            line = np.minimum(line, HEIGHT * 0.9 + 12 - np.maximum(fir, -80))
    return line


def _fall(picture: np.ndarray, drops: np.ndarray, time: float, kind: str) -> None:
    """Draw snow or rain: every drop has a place, and a speed of its own."""
    snow = kind == "snow"
    speed = (0.12 if snow else 1.6) * (0.5 + drops[:, 2])
    rows = ((drops[:, 1] + speed * time) % 1 * HEIGHT).astype(int)
    sway = 0.01 * np.sin(time + 20 * drops[:, 2]) if snow else -0.15 * time
    columns = ((drops[:, 0] + sway) % 1 * WIDTH).astype(int)
    for length in range(3 if snow else 16):
        for thick in range(3 if snow else 1):
            at = (
                (rows + length) % HEIGHT,
                (columns + thick - (0 if snow else length // 5)) % WIDTH,
            )
            picture[at] += (250 - picture[at]) * (0.9 if snow else 0.28)


if __name__ == "__main__":
    main(*sys.argv[1:])
