"""Draws a film of a night at sea: `python -m examples.storm examples/storm/film.mp4`.

Six shots, from the moonlit sea through the storm to the next morning, with the sound of waves,
rain and thunder. Like the rest of the repository it may be used freely.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from emsync.sound.synth import Sound
from examples.drawing import (
    HEIGHT,
    RATE,
    WIDTH,
    Color,
    Sketch,
    X,
    Y,
    clouds,
    color_of,
    disc,
    finished,
    glow,
    gradient,
    paint,
    shine,
    smooth,
    swell,
    window,
    write_film,
)

SAMPLE_RATE = 44_100
Draw = Callable[[float], np.ndarray]
"""Draws the picture at a second of its shot."""

FLASHES = (0.7, 0.95, 2.6, 4.2, 4.4)
"""Seconds of the fifth shot at which lightning strikes."""


def main(target: str) -> None:
    """Draw the shots one after another, and make their sound."""
    write_film(Path(target), frames(), RATE, 30, sound())


def frames() -> Iterator[np.ndarray]:
    """All frames, each (height, width, 3) uint8."""
    grain = np.random.default_rng(0)
    for number, (seconds, shot) in enumerate(SHOTS):
        draw = shot(np.random.default_rng(number + 1))
        for frame in range(round(seconds * RATE)):
            yield finished(draw(frame / RATE), grain, 0.35)


def moonrise(random: np.random.Generator) -> Draw:
    """The open sea under torn clouds."""
    near, far = (clouds(random, 1024, 512, slope, 2.6) for slope in (1.7, 1.9))
    sea = clouds(random, 1024, 512, 0.9, 5)
    base = gradient((0, (9, 15, 34)), (0.35, (26, 44, 78)), (0.6, (64, 92, 122)))

    def draw(time: float) -> np.ndarray:
        x, y = 424.0, 92 + 1.2 * time
        picture = base.copy()
        light = glow(x, y, 70)
        shine(picture, 0.75 * light, (190, 210, 235))
        paint(picture, disc(x, y, 25, 1.5), (240, 242, 232))
        for field, speed, dark in ((far, 9, (22, 32, 56)), (near, 17, (12, 18, 36))):
            veil = window(field, 200 + speed * time)
            thick = smooth(veil - 0.25 + 0.9 * smooth(y - Y, -40, 120) * 0.4, -0.3, 1.5)
            edge = thick * (1 - thick) * 4
            paint(picture, 0.93 * thick, color_of(dark))
            shine(picture, 0.75 * edge * glow(x, y, 90), (205, 220, 240))
        _sea(picture, time, 206, (70, 98, 126), (5, 12, 26), (20, 9), (x, 0.8), sea)
        return picture

    return draw


def boat(random: np.random.Generator) -> Draw:
    """A small sailing boat against a pale gap in the clouds, in rain."""
    field = clouds(random, 1280, 512, 1.7, 3.2)
    sea = clouds(random, 1024, 512, 0.9, 5)
    drops = random.uniform(0, 1, (170, 3))
    base = gradient(
        (0, (66, 80, 92)), (0.28, (124, 140, 144)), (0.5, (206, 211, 190)), (0.62, (158, 172, 164))
    )

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        veil = window(field, 26 * time, 60)
        thick = smooth(veil + 1.7 - Y / 62, -0.6, 1.6)
        paint(picture, 0.9 * thick, (52, 63, 76))
        shine(picture, 0.35 * glow(300, 168, 120), (255, 246, 210))
        lines = [
            (200 + 26 * layer + swell(time, 5 + 6.5 * layer, 190 + 90 * layer, 46 + 26 * layer, p))
            for layer, p in enumerate((0.4, 2.1, 4.4, 1.0))
        ]
        for layer, line in enumerate(lines):
            share = layer / 3
            crest = (1 - share) * color_of((140, 158, 154)) + share * color_of((58, 78, 86))
            deep = (1 - share) * color_of((104, 124, 124)) + share * color_of((14, 26, 34))
            _wave(
                picture, line, crest, deep, window(sea, 90 * layer + 30 * time), 0.4 + 0.5 * share
            )
            if layer == 1:
                at = 250 + 9 * time
                rise = np.interp([at - 22, at, at + 22], np.arange(WIDTH), lines[1])
                _boat(picture, at, float(rise.mean()) + 3, float(np.arctan2(rise[2] - rise[0], 44)))
        _rain(picture, drops, time, 0.22)
        return picture

    return draw


def lighthouse(random: np.random.Generator) -> Draw:
    """A lighthouse sends its beam round."""
    field = clouds(random, 1280, 512, 1.8, 2.6)
    sea = clouds(random, 1024, 512, 0.9, 5)
    drops = random.uniform(0, 1, (190, 3))
    base = gradient((0, (7, 10, 22)), (0.4, (20, 30, 50)), (0.68, (44, 60, 78)))
    spray = random.uniform(0, 1, (220, 4))
    rock = [(360.0, 400.0)]
    for step, height in enumerate(
        (300, 286, 262, 268, 236, 226, 224, 230, 262, 256, 290, 310, 330)
    ):
        rock.append((372 + 20.0 * step, height + float(random.uniform(-4, 4))))
    rock.append((640.0, 400.0))

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        veil = window(field, 22 * time, 100)
        paint(picture, 0.75 * smooth(veil, -0.6, 1.6), (9, 12, 24))
        _sea(picture, time, 232, (52, 72, 92), (4, 8, 18), (26, 12), (492, 0.25), sea)
        x, y = 487.0, 92.0
        turn = 2.1 * time + 2.2
        across, ahead = np.cos(turn), np.sin(turn)
        off_x, off_y = X - x, Y - y
        reach = np.hypot(off_x, off_y) + 1
        for side in (1, -1):
            along = side * across * off_x
            # A beam seen end on is short, wide and bright.
            width = 0.035 + 0.11 * (1 - abs(across))
            tilt = (off_y - 0.1 * side * ahead * np.abs(off_x)) / reach
            beam = np.exp(-((tilt / width) ** 2)) * smooth(along / reach, 0, 0.35)
            mist = 0.8 + 0.2 * window(field, 60 * time, 20)
            fall = np.exp(-reach / (90 + 330 * abs(across)))
            shine(picture, 0.85 * beam * fall * mist, (255, 240, 190))
        tower = Sketch()
        tower.polygon(rock)
        tower.polygon([(474, 232), (479, 104), (496, 104), (502, 232)])
        tower.polygon([(472, 104), (503, 104), (500, 109), (475, 109)])
        tower.polygon([(478, 82), (487, 71), (497, 82)])
        cover = tower.cover()
        paint(picture, cover, (8, 10, 16))
        bands = Sketch()
        for top in (122, 156, 190):
            left, right = 479 - 5 * (top - 104) / 128, 496 + 6 * (top - 104) / 128
            bands.polygon(
                [(left, top), (right, top), (right + 0.8, top + 16), (left - 0.7, top + 16)]
            )
        paint(picture, 0.8 * bands.cover(), (58, 54, 60))
        facing = max(ahead, 0.0) ** 6 + max(-ahead, 0.0) ** 6
        paint(picture, disc(x, y, 6.5, 2), (255, 246, 214))
        shine(
            picture, 0.9 * glow(x, y, 12) + (0.15 + 0.75 * facing) * glow(x, y, 48), (255, 232, 170)
        )
        _spray(picture, time, spray, (405, 292))
        line = 318 + swell(time, 15, 420, 120, 2.0)
        _wave(
            picture, line, color_of((30, 44, 58)), color_of((3, 6, 12)), window(sea, 70 * time), 0.5
        )
        _rain(picture, drops, time, 0.16)
        return picture

    return draw


def pane(random: np.random.Generator) -> Draw:
    """Lights of a harbour through a window on which drops run down."""
    lights = random.uniform(0, 1, (40, 4))
    palette = ((255, 176, 84), (255, 208, 140), (255, 132, 72), (120, 196, 200), (255, 96, 80))
    down, across = np.zeros((2, HEIGHT, WIDTH), np.float32)
    edge = np.zeros((HEIGHT, WIDTH), np.float32)
    for x, y, size in random.uniform(0, 1, (420, 3)):
        _drop(down, across, edge, x * WIDTH, y * HEIGHT, 1.0 + 6.0 * size**5)
    runners = random.uniform(0, 1, (11, 4))

    def draw(time: float) -> np.ndarray:
        behind = gradient((0, (20, 22, 56)), (0.55, (134, 76, 74)), (1, (40, 28, 62)))
        for index, (x, y, size, phase) in enumerate(lights):
            radius = 8 + 26 * size**1.5
            left = (x * 1.2 - 0.1) * WIDTH - (2 + 8 * size) * time
            top = HEIGHT * (0.5 + 0.36 * (y - 0.5) * (1 + size)) + 3 * np.sin(time + 6 * phase)
            flicker = 0.5 + 0.1 * np.sin(2.2 * time + 20 * phase)
            part = (
                slice(max(0, int(top - radius - 2)), max(0, int(top + radius + 4))),
                slice(max(0, int(left - radius - 2)), max(0, int(left + radius + 4))),
            )
            off = np.hypot(X[part] - left, Y[part] - top)
            ring = np.clip((radius - off) / 3 + 0.5, 0, 1) * (0.7 + 0.3 * smooth(off, 0, radius))
            shine(behind[part], flicker * ring, palette[index % len(palette)])
        shift_y, shift_x, dark = down.copy(), across.copy(), edge.copy()
        for x, y, speed, size in runners:
            fall = (y + (0.1 + 0.22 * speed) * (time + 0.35 * np.sin(2.4 * time + 9 * x))) % 1.25
            for tail in range(9, -1, -1):
                left = x * WIDTH + 5 * np.sin(9 * (fall - tail / 40) + 30 * x)
                radius = 2.6 - 0.2 * tail if tail else 5 + 4 * size
                _drop(shift_y, shift_x, dark, left, (fall - 0.1) * HEIGHT - 9 * tail, radius)
        rows = np.clip(Y + shift_y, 0, HEIGHT - 1).astype(int)
        columns = np.clip(X + shift_x, 0, WIDTH - 1).astype(int)
        return behind[rows, columns] * (1 - 0.55 * dark[..., None])

    return draw


def lightning(random: np.random.Generator) -> Draw:
    """Lightning over the sea."""
    field, other = (clouds(random, 1280, 512, 1.6, 2.4) for _ in range(2))
    sea = clouds(random, 1024, 512, 0.9, 5)
    drops = random.uniform(0, 1, (210, 3))
    bolts = []
    for place in (0.3, 0.32, 0.72, 0.5, 0.52):
        bolt = Sketch()
        _bolt(bolt, random, place * WIDTH, 60, 214, 2.2)
        bolts.append((place * WIDTH, bolt.cover(), bolt.cover(3), bolt.cover(12)))
    base = gradient((0, (10, 9, 24)), (0.45, (38, 30, 60)), (0.62, (66, 54, 88)))

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        veil = window(field, 30 * time, 40) + 0.5 * window(other, 46 * time, 90)
        thick = smooth(veil + 1.4 - Y / 110, -0.7, 2.0)
        paint(picture, 0.9 * thick, (9, 8, 20))
        power = 0.0
        for moment, (x, core, halo, wide) in zip(FLASHES, bolts, strict=True):
            since = time - moment
            if not 0 <= since < 0.7:
                continue
            # Halved at first: a flash at once would count as a cut.
            now = np.exp(-since / 0.13) * (0.75 + 0.25 * np.cos(60 * since))
            now *= 0.5 if since < 1 / RATE - 1e-9 else 1.0
            power = max(power, now)
            lit = np.exp(-np.hypot((X - x) / 250, (Y - 70) / 110))
            shine(
                picture, 0.95 * now * lit * (0.35 + 0.9 * smooth(veil, -1.2, 1.6)), (186, 170, 255)
            )
            shine(picture, now * (0.9 * wide * 3 + 1.2 * halo), (170, 160, 255))
            paint(picture, np.clip(1.5 * now * core, 0, 1), (250, 246, 255))
        lit_crest = (62 + int(58 * power), 56 + int(56 * power), 84 + int(76 * power))
        _sea(picture, time, 212, lit_crest, (6, 6, 16), (24, 13), (330, 0.12 + 0.7 * power), sea)
        _rain(picture, drops, time, 0.2)
        return picture

    return draw


def morning(random: np.random.Generator) -> Draw:
    """The storm is over."""
    field = clouds(random, 1280, 512, 1.9, 4.5)
    sea = clouds(random, 1024, 512, 0.9, 6)
    base = gradient(
        (0, (96, 122, 150)),
        (0.25, (158, 166, 178)),
        (0.44, (236, 196, 168)),
        (0.57, (255, 224, 178)),
    )
    birds = random.uniform(0, 1, (7, 4))

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        x, y = 236.0, 202 - 3.2 * time
        shine(picture, 0.8 * glow(x, y, 85), (255, 214, 150))
        veil = window(field, 6 * time, 60)
        thick = smooth(veil + 0.9 - np.abs(Y - 60) / 90, 0, 2.0)
        tint = gradient((0, (98, 108, 130)), (0.5, (150, 132, 140)))
        paint(picture, 0.8 * thick, tint)
        shine(picture, 0.7 * thick * (1 - thick) * glow(x, y, 200) * 4, (255, 206, 160))
        paint(picture, disc(x, y, 17, 2), (255, 250, 226))
        shine(picture, 0.6 * glow(x, y, 30), (255, 236, 190))
        _sea(picture, 0.7 * time, 208, (206, 182, 168), (58, 82, 104), (5, 3.5), (x, 1.0), sea)
        flock = Sketch()
        for left, top, size, phase in birds:
            place = 330 + 150 * left + 26 * time * (0.8 + 0.3 * size)
            height = 96 + 60 * top - 5 * time
            span = 5 + 5 * size
            beat = 0.5 * span * np.sin(9 * time + 6.3 * phase)
            flock.line(
                [(place - span, height - beat),
                 (place - 0.4 * span, height - 0.3 * span - 0.2 * beat),
                 (place, height), (place + 0.4 * span, height - 0.3 * span - 0.2 * beat),
                 (place + span, height - beat)], 1.3,
            )  # fmt: skip
        paint(picture, 0.8 * flock.cover(), (58, 56, 70))
        return picture

    return draw


SHOTS = (
    (5.0, moonrise),
    (5.2, boat),
    (4.6, lighthouse),
    (4.2, pane),
    (5.2, lightning),
    (4.8, morning),
)
"""Seconds of each shot, and what prepares it."""


def _wave(
    picture: np.ndarray,
    line: np.ndarray,
    crest: np.ndarray,
    deep: np.ndarray,
    texture: np.ndarray,
    foam: float,
) -> None:
    """Everything below a line of (width,) pixels from the top, lightest and foaming at the line."""
    top = max(0, int(line.min()) - 1)
    below = Y[top:] - line[None, :]
    texture = texture[top:]
    cover = np.clip(below + 0.5, 0, 1)
    depth = np.exp(-np.maximum(below, 0) / 20)[..., None]
    color = deep + (crest - deep) * depth * (1 + 0.14 * texture[..., None])
    # Only what stands out of the sea breaks.
    height = smooth(line.mean() - line, 2, 16)[None, :]
    white = foam * height * smooth(texture + 1.9 - below / 5, 0.6, 2.4)
    color = color + (215 - color) * 0.55 * white[..., None]
    picture[top:] += (color - picture[top:]) * cover[..., None]


def _sea(
    picture: np.ndarray,
    time: float,
    horizon: float,
    light: Color,
    dark: Color,
    heights: tuple[float, float],
    glitter: tuple[float, float],
    texture: np.ndarray,
) -> None:
    """The sea to the horizon: waves grow towards the eye, and glitter below the light.

    Args:
        heights: of the nearest waves, and how many pixels those behind rise.
        glitter: column of the light in the sky, and how bright it is, 0 to 1.
    """
    count = 7
    for layer in range(count):
        share = layer / (count - 1)
        base = horizon + 6 * layer + 118 * share**1.9
        line = base + swell(
            time, 0.6 + heights[0] * share**1.5, 46 + 420 * share, 12 + 95 * share, 2.4 * layer
        )
        crest = color_of(light) * (1 - 0.62 * share)
        deep = color_of(dark) + (color_of(light) - color_of(dark)) * 0.5 * (1 - share)
        _wave(
            picture,
            line,
            crest,
            deep,
            window(texture, 130 * layer + 20 * time * share),
            0.75 * share,
        )
        top = max(0, int(line.min()) - 1)
        below = Y[top:] - line[None, :]
        path = np.exp(-(((X[top:] - glitter[0]) / (26 + 95 * share)) ** 2))
        shining = window(texture, 26 * time + 90 * layer, 14 * time + 60 * layer)[top:]
        near = np.exp(-np.maximum(below, 0) / (5 + heights[1])) * (below >= 0)
        light_here = float(glitter[1]) * path * near * (smooth(shining, 0.5, 1.9) * 0.9 + 0.18)
        shine(picture[top:], light_here, (236, 232, 214))


def _boat(picture: np.ndarray, x: float, y: float, roll: float) -> None:
    """A cutter with reefed sails, heeling over, a lantern at its mast."""
    lean = 0.16 + 0.7 * roll
    cos, sin = np.cos(lean), np.sin(lean)

    def at(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(x + cos * u - sin * v, y + sin * u + cos * v) for u, v in points]

    hull, sails = Sketch(), Sketch()
    hull.polygon(at([(-30, -8), (34, -11), (24, 4), (16, 9), (-18, 9), (-27, 2)]))
    hull.line(at([(1, -8), (1, -72)]), 1.8)
    hull.line(at([(1, -13), (-28, -16)]), 1.4)
    hull.line(at([(33, -11), (46, -15)]), 1.3)
    hull.line(at([(46, -15), (1, -70)]), 0.5)
    sails.polygon(at([(-1, -16), (-1, -60), (-10, -40), (-27, -18)]))
    sails.polygon(at([(4, -14), (3, -62), (16, -38), (42, -16), (22, -15)]))
    paint(picture, 0.95 * sails.cover(), (226, 218, 196))
    shade = sails.cover() * smooth(X - x, -28, 10)
    paint(picture, 0.35 * shade, (104, 104, 104))
    paint(picture, hull.cover(), (26, 24, 28))
    ((lamp_x, lamp_y),) = at([(1, -74)])
    shine(picture, glow(lamp_x, lamp_y, 7) + 0.3 * glow(lamp_x, lamp_y, 24), (255, 190, 96))


def _bolt(
    sketch: Sketch,
    random: np.random.Generator,
    x: float,
    top: float,
    bottom: float,
    width: float,
) -> None:
    """A jagged line from the clouds to the sea, with branches that die on the way."""
    points = [(x, top)]
    while points[-1][1] < bottom:
        left, height = points[-1]
        step = float(random.uniform(5, 15))
        points.append((left + float(random.normal(0, 7)), min(height + step, bottom)))
        if width > 0.9 and random.uniform() < 0.24:
            length = float(random.uniform(24, 80))
            sketch_from = points[-1]
            _branch(sketch, random, sketch_from, length, width * 0.5)
    sketch.line(points, width)


def _branch(
    sketch: Sketch,
    random: np.random.Generator,
    start: tuple[float, float],
    length: float,
    width: float,
) -> None:
    """A side arm of a bolt, to either side and thinner."""
    side = float(random.choice((-1, 1)))
    points = [start]
    for _ in range(int(length / 9)):
        left, height = points[-1]
        points.append(
            (left + side * float(random.uniform(2, 11)), height + float(random.uniform(2, 9)))
        )
    sketch.line(points, width, 0.6)


def _rain(picture: np.ndarray, drops: np.ndarray, time: float, strength: float) -> None:
    """Slanting streaks; near ones are long, fast and bright."""
    sketch = Sketch()
    for x, y, near in drops:
        fall = (y + (1.5 + 1.3 * near) * time) % 1.2 - 0.1
        left = ((x - 0.28 * fall + 0.1 * time) % 1.2 - 0.1) * WIDTH
        length = 9 + 20 * near
        top = fall * HEIGHT
        sketch.line([(left, top), (left - 0.2 * length, top + length)], 0.5, 0.35 + 0.6 * near)
    shine(picture, strength * sketch.cover(), (220, 228, 240))


def _spray(picture: np.ndarray, time: float, drops: np.ndarray, foot: tuple[float, float]) -> None:
    """Water thrown up where waves break on a rock, every second and a half."""
    sketch = Sketch()
    for side, power, size, late in drops:
        age = (time + 0.25 * late + 0.3) % 1.5
        x = foot[0] + 70 * (side - 0.45) * (0.25 + age)
        y = foot[1] - 120 * power**0.7 * age + 105 * age * age
        sketch.circle(x, y, 0.4 + 1.2 * size * (1 - age / 1.7), max(0.0, 0.85 - age / 1.6))
    shine(picture, 0.6 * sketch.cover(0.6) + 0.5 * sketch.cover(4), (206, 220, 232))


def _drop(
    down: np.ndarray, across: np.ndarray, edge: np.ndarray, x: float, y: float, radius: float
) -> None:
    """A drop on glass turns what lies behind it upside down; its rim is dark.

    Args:
        down, across: how far off the picture is to be taken, in pixels; changed.
        edge: darkening, 0 to 1; changed.
    """
    top, bottom = max(0, int(y - radius)), min(HEIGHT, int(y + radius) + 2)
    left, right = max(0, int(x - radius)), min(WIDTH, int(x + radius) + 2)
    if top >= bottom or left >= right:
        return
    part = (slice(top, bottom), slice(left, right))
    off_x, off_y = (X[part] - x) / radius, (Y[part] - y) / radius
    reach = np.hypot(off_x, off_y)
    inside = np.clip((1 - reach) * radius + 0.5, 0, 1)
    wet = inside > 0
    down[part] = np.where(wet, -off_y * inside * (14 + 6 * radius), down[part])
    across[part] = np.where(wet, -off_x * inside * (14 + 6 * radius), across[part])
    rim = inside * smooth(reach - 0.25 * off_y, 0.55, 1.15)
    edge[part] = np.where(wet, rim, edge[part])


def sound() -> Sound:
    """Waves, rain and thunder for the whole film, stereo; the sun rises over quiet water."""
    random = np.random.default_rng(7)
    seconds = sum(length for length, _ in SHOTS)
    count = round(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    starts = np.cumsum([0.0, *(length for length, _ in SHOTS)])
    sea = np.zeros((count, 2))
    for side in range(2):
        low = _noise(random, count, 60, 900, 1.0)
        high = _noise(random, count, 900, 6000, 0.6)
        rise = 0.55 + 0.45 * np.sin(2 * np.pi * time / 4.3 + 0.5 * side) ** 3
        sea[:, side] = 0.11 * low * (0.35 + rise) + 0.028 * high * rise**2
    force = np.interp(time, [0, starts[1], starts[2], starts[5] - 0.2, starts[5] + 0.6, seconds],
                      [0.5, 0.8, 1.0, 1.0, 0.35, 0.25])  # fmt: skip
    drizzle = _noise(random, count, 1500, 9000, 0.4)
    rain = np.interp(time, [0, starts[1] - 0.1, starts[1] + 0.3, starts[5] - 0.1, starts[5] + 0.2],
                     [0.0, 0.0, 1.0, 1.0, 0.0])  # fmt: skip
    mixed = sea * force[:, None] + 0.022 * (drizzle * rain)[:, None]
    for moment, power in zip(FLASHES, (0.7, 0.3, 1.0, 0.7, 0.5), strict=True):
        begin = round((starts[4] + moment + 0.25) * SAMPLE_RATE)
        length = min(count - begin, round(2.8 * SAMPLE_RATE))
        age = np.arange(length) / SAMPLE_RATE
        roll = np.exp(-age / 0.8) * np.minimum(age / 0.02, 1)
        roll *= 0.6 + 0.4 * np.interp(age, np.arange(0, 4, 0.1), random.uniform(0, 1.6, 40))
        rumble = _noise(random, length, 25, 240, 1.2) * roll
        crack = _noise(random, length, 300, 5000, 0.6) * np.exp(-age / 0.09)
        mixed[begin : begin + length] += power * (0.3 * rumble + 0.1 * crack)[:, None]
    mixed *= np.minimum(1, np.minimum(time / 0.5, (seconds - time) / 1.5))[:, None]
    return Sound((0.75 * np.tanh(mixed / 0.75)).astype(np.float32), SAMPLE_RATE)


def _noise(
    random: np.random.Generator, count: int, low: float, high: float, slope: float
) -> np.ndarray:
    """Noise between two frequencies (Hz), (count,) with deviation 1; it falls off with `slope`."""
    spectrum = np.fft.rfft(random.normal(0, 1, count))
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    shape = (hertz / low) ** 2 / (1 + (hertz / low) ** 2) / (1 + (hertz / high) ** 4)
    shape[1:] *= (hertz[1:] / low) ** -slope
    sound = np.fft.irfft(spectrum * shape, count)
    return sound / sound.std()


if __name__ == "__main__":
    main(*sys.argv[1:])
