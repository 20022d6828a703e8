"""Draws a film of a day at the fair: `python -m examples.carnival examples/carnival/film.mp4`.

Six shots, from balloons in the morning to fireworks at night; two are shorter than four seconds,
and the film has no sound. Like the rest of the repository it may be used freely.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from examples.drawing import (
    HEIGHT,
    RATE,
    WIDTH,
    Color,
    Poster,
    X,
    Y,
    clouds,
    disc,
    finished,
    glow,
    gradient,
    paint,
    shine,
    smooth,
    tinted,
    window,
    write_film,
)

Draw = Callable[[float], np.ndarray]
"""Draws the picture at a second of its shot."""

RED, ORANGE, YELLOW = (238, 50, 66), (255, 140, 32), (255, 212, 42)
GREEN, BLUE, VIOLET = (52, 190, 104), (36, 128, 240), (150, 70, 220)
PINK, CREAM = (255, 98, 168), (255, 246, 222)
COLORS: tuple[Color, ...] = (RED, ORANGE, YELLOW, GREEN, BLUE, VIOLET, PINK)


def main(target: str) -> None:
    """Draw the shots one after another."""
    write_film(Path(target), frames(), RATE, 35)


def frames() -> Iterator[np.ndarray]:
    """All frames, each (height, width, 3) uint8."""
    grain = np.random.default_rng(0)
    for number, (seconds, shot) in enumerate(SHOTS):
        draw = shot(np.random.default_rng(number + 1))
        for frame in range(round(seconds * RATE)):
            yield finished(draw(frame / RATE), grain, 0.16)


def ascent(random: np.random.Generator) -> Draw:
    """Hot-air balloons rise over green hills."""
    field = clouds(random, 1280, 512, 1.9, 3.0)
    base = gradient((0, (40, 140, 236)), (0.55, (132, 206, 250)), (0.85, (255, 236, 190)))
    balloons = (
        (60, 236, 17, YELLOW, RED), (560, 214, 20, CREAM, BLUE), (404, 250, 15, PINK, CREAM),
        (214, 222, 34, GREEN, YELLOW), (596, 300, 38, ORANGE, VIOLET),
        (86, 330, 56, BLUE, CREAM), (372, 306, 82, RED, YELLOW),
    )  # fmt: skip

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        shine(picture, 0.8 * glow(520, 90, 90), (255, 244, 196))
        paint(picture, disc(520, 90, 26, 3), (255, 252, 226))
        thick = smooth(window(field, 14 * time, 70 - 10 * time) - 0.1, 0, 1.9)
        paint(picture, 0.85 * thick, (255, 255, 255))
        hills = (
            (262, 20, 210, (118, 192, 150)), (288, 16, 150, (84, 182, 96)),
            (318, 14, 260, (48, 156, 78)),
        )  # fmt: skip
        for layer, (top, high, length, color) in enumerate(hills):
            across = (X[0] + (6 + 9 * layer) * time) / length
            line = top + (8 + 7 * layer) * time
            line = line - high * (np.sin(6.28 * across + layer) + 0.4 * np.sin(15 * across))
            tint = gradient((0, tinted(color, 1.35)), (1, color), along=(Y - line[None, :]) / 70)
            paint(picture, np.clip(Y - line[None, :] + 0.5, 0, 1), tint)
        poster = Poster()
        for index, (x, y, size, color, other) in enumerate(balloons):
            rise = (6 + 0.62 * size) * time
            sway = 0.1 * size * np.sin(1.3 * time + index)
            _balloon(poster, x + sway, y - rise, size, color, other, 0.5 * time + index)
        poster.onto(picture)
        return picture

    return draw


def big_wheel(random: np.random.Generator) -> Draw:
    """A Ferris wheel before the evening sun."""
    base = gradient((0, (104, 18, 108)), (0.5, (222, 48, 98)), (0.95, (255, 146, 70)))

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        rays = np.sin(14 * np.arctan2(Y - 250, X - 210) + 1.1 * time)
        shine(picture, 0.2 * smooth(rays, -0.3, 0.3), (255, 150, 110))
        shine(picture, 0.7 * glow(210, 250, 90), (255, 232, 150))
        paint(picture, disc(210, 250, 62, 2), (255, 240, 176))
        poster, bulbs = Poster(), Poster()
        _wheel(poster, bulbs, (400, 184 + 4 * np.sin(0.8 * time)), 124, 0.55 * time, time)
        for left, wide, high, color in (
            (-30, 120, 74, BLUE), (96, 92, 56, RED), (520, 140, 84, VIOLET), (230, 70, 46, GREEN)
        ):  # fmt: skip
            _tent(poster, left - 5 * time, wide, high, color, time)
        poster.polygon([(0, 344), (WIDTH, 344), (WIDTH, HEIGHT), (0, HEIGHT)], (120, 38, 92))
        _bunting(poster, 26, time)
        poster.onto(picture)
        for blur, strength in ((0.0, 1.0), (4.0, 1.6), (12.0, 1.3)):
            picture += (255 - picture) * np.clip(strength * bulbs.light(blur) / 255, 0, 1)
        return picture

    return draw


def pinwheels(random: np.random.Generator) -> Draw:
    """Pinwheels in the wind."""

    def draw(time: float) -> np.ndarray:
        turning = np.sin(12 * np.arctan2(Y - 190, X - 320) - 1.6 * time)
        off = np.hypot(X - 320, Y - 190) / 380
        bright = gradient((0, (255, 244, 150)), (1, (255, 206, 30)), along=off)
        picture = gradient((0, (255, 226, 90)), (1, (255, 176, 20)), along=off)
        paint(picture, smooth(turning, -0.12, 0.12), bright)
        poster = Poster()
        for x, y, size, speed, first in (
            (118, 216, 84, 5.0, 0), (520, 208, 92, -4.2, 3), (318, 164, 128, 3.4, 5)
        ):  # fmt: skip
            poster.polygon([(x - 4, y), (x + 4, y), (x + 5, 380), (x - 5, 380)], (250, 250, 244))
            poster.polygon([(x + 1, y), (x + 4, y), (x + 5, 380), (x + 1, 380)], (214, 206, 196))
            _pinwheel(poster, x, y, size, speed * time + 0.5 * np.sin(2 * time), first)
        poster.onto(picture)
        return picture

    return draw


def confetti(random: np.random.Generator) -> Draw:
    """Confetti and streamers out of two cannons."""
    base = gradient((0, (40, 16, 140)), (0.6, (98, 34, 196)), (1, (216, 56, 186)))
    count = 330
    pieces = random.uniform(0, 1, (count, 6))
    colors = (*COLORS, CREAM)
    picks = random.integers(0, len(colors), count)

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        shine(picture, 0.35 * glow(320, 150, 150), (255, 120, 220))
        poster = Poster()
        for index, (aim, power, size, spin, phase, late) in enumerate(pieces):
            left = index % 2 == 0
            age = time + 0.7 - 0.9 * late - (1.7 if index % 3 == 0 else 0.0)
            if age < 0:
                continue
            x, y = _flight(left, aim, power, age)
            x += 7 * np.sin(5 * age + 6 * phase)
            turn, tip = 6 * phase + (3 * spin - 1) * age, np.cos((5 + 6 * spin) * age + 6 * phase)
            long, wide = 4 + 5 * size, (3 + 3 * size) * tip
            cos, sin = np.cos(turn), np.sin(turn)
            corners = [(-long, -wide), (long, -wide), (long, wide), (-long, wide)]
            shade = 0.78 + 0.5 * abs(tip)
            poster.polygon(
                [(x + cos * u - sin * v, y + sin * u + cos * v) for u, v in corners],
                tinted(colors[picks[index]], shade),
            )
        for index in range(10):
            ribbon = []
            for step in range(36):
                age = time + 0.5 - 0.02 * step - 0.12 * (index // 2)
                if age > 0:
                    x, y = _flight(index % 2 == 0, 0.1 + 0.17 * (index // 2), 0.75, age)
                    ribbon.append((x + 7 * np.sin(0.9 * step + 4 * time + index), y + 4 * step))
            if len(ribbon) > 1:
                poster.line(ribbon, 4.0, COLORS[(3 * index) % len(COLORS)])
        poster.onto(picture)
        return picture

    return draw


def party(random: np.random.Generator) -> Draw:
    """Balloons fly past."""
    base = gradient((0, (255, 92, 160)), (0.6, (255, 150, 196)), (1, (255, 216, 206)))
    flying = sorted(random.uniform(0, 1, (30, 4)), key=lambda balloon: float(balloon[2]))

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        shine(picture, 0.6 * glow(180, 60, 150), (255, 240, 220))
        poster = Poster()
        for index, (x, y, near, phase) in enumerate(flying):
            size = 13 + 38 * near**1.6
            left = x * 1.1 * WIDTH - 32 + 9 * np.sin(2.2 * time + 6 * phase)
            top = (0.3 + 1.5 * y) * HEIGHT - (90 + 150 * near) * time
            color = COLORS[index % 6] if index % 6 else CREAM
            wave = [
                (
                    left + 0.12 * size * np.sin(0.7 * n + 6 * time + phase),
                    top + size * (1.2 + 0.2 * n),
                )
                for n in range(14)
            ]
            poster.line(wave, 0.8, (255, 250, 244))
            foot = top + 1.32 * size
            poster.polygon([(left - 0.13 * size, foot), (left + 0.13 * size, foot),
                            (left, foot - 0.2 * size)], tinted(color, 0.75))  # fmt: skip
            for ring in range(12):
                share = 1 - ring / 12
                poster.oval(
                    left - 0.3 * size * (1 - share), top - 0.4 * size * (1 - share),
                    size * share, 1.18 * size * share,
                    tinted(color, 0.8 + 0.55 * (1 - share) ** 1.3),
                )  # fmt: skip
            poster.oval(
                left - 0.36 * size, top - 0.5 * size, 0.13 * size, 0.2 * size, (255, 252, 248)
            )
        poster.onto(picture)
        return picture

    return draw


BURSTS = (
    (-0.5, 180, 104, 88, RED), (0.1, 446, 84, 100, YELLOW), (0.8, 300, 118, 82, (60, 230, 255)),
    (1.4, 546, 116, 84, PINK), (2.0, 96, 84, 92, GREEN), (2.6, 380, 76, 118, ORANGE),
    (3.2, 210, 92, 88, (140, 120, 255)), (3.6, 520, 96, 96, (80, 220, 255)),
    (4.3, 120, 104, 96, PINK), (4.5, 330, 84, 128, YELLOW), (4.8, 540, 96, 104, RED),
    (5.2, 240, 96, 110, (255, 236, 180)), (5.4, 430, 90, 110, (120, 240, 160)),
)  # fmt: skip
"""Fireworks of the last shot: second, column, row, radius, colour."""


def fireworks(random: np.random.Generator) -> Draw:
    """Fireworks over a lake, and the wheel on its shore."""
    shore = 250
    base = gradient((0, (40, 18, 110)), (0.4, (120, 34, 140)), (0.7, (255, 112, 120)))
    stars = []
    for _ in BURSTS:
        angle = random.uniform(0, 2 * np.pi, 110)
        reach = np.sqrt(random.uniform(0.1, 1, 110))
        stars.append(np.stack([np.cos(angle) * reach, np.sin(angle) * reach], axis=1))

    def draw(time: float) -> np.ndarray:
        picture = base.copy()
        sparks, poster, bulbs = Poster(), Poster(), Poster()
        for (start, x, y, radius, color), ways in zip(BURSTS, stars, strict=True):
            age = time - start
            if -0.5 < age < 0:
                rise = y + (shore - y) * (-age / 0.5) ** 1.6
                sparks.line([(x, rise + 16), (x, rise)], 1.2, (255, 226, 170))
            if not 0 <= age < 1.9:
                continue
            fade = (1 - age / 1.9) ** 0.7
            here, past = (radius * (1 - np.exp(-3.0 * a)) for a in (age, max(age - 0.3, 0)))
            fall, fell = 16 * age**2, 16 * max(age - 0.3, 0) ** 2
            hue = tinted(tinted(color, 1 + 0.8 * float(np.exp(-4 * age))), fade)
            for across, down in ways:
                tail = (x + past * across, y + past * down + fell)
                head = (x + here * across, y + here * down + fall)
                sparks.line([tail, head], 1.0, tinted(hue, 0.75))
                sparks.oval(*head, 1.5, 1.5, hue)
            shine(picture, 0.5 * np.exp(-age / 0.35) * glow(x, y, 150), color)
        lit = sparks.light() + 1.3 * sparks.light(3) + 1.6 * sparks.light(11)
        picture += (255 - picture) * np.clip(lit / 255, 0, 1)
        _skyline(poster, shore)
        _wheel(poster, bulbs, (514, 178), 66, 0.5 * time, time, (46, 14, 70))
        poster.onto(picture)
        shone = bulbs.light() + 1.5 * bulbs.light(3)
        picture += (255 - picture) * np.clip(shone / 255, 0, 1)
        # The lake: what is above the shore, upside down, in waves that grow towards the eye.
        depth = np.maximum(Y - shore, 0)
        ripple = (0.6 + depth / 26) * np.sin(320 / (depth + 14) * 4 + 5 * time + X / 46)
        rows = np.clip(shore - 1.9 * depth + 1.6 * ripple, 0, shore - 1).astype(int)
        columns = np.clip(X + 1.5 * ripple, 0, WIDTH - 1).astype(int)
        mirrored = picture[rows, columns] * 0.72 + np.array((16, 8, 40), np.float32)
        return np.where((shore <= Y)[..., None], mirrored, picture).astype(np.float32)

    return draw


SHOTS = (
    (4.6, ascent),
    (4.6, big_wheel),
    (1.9, pinwheels),
    (2.4, confetti),
    (4.2, party),
    (6.8, fireworks),
)
"""Seconds of each shot, and what prepares it."""


def _balloon(
    poster: Poster, x: float, y: float, size: float, color: Color, other: Color, turn: float
) -> None:
    """A hot-air balloon of twelve gores that turns about its axis; `size` is its radius."""
    down = np.linspace(0, 1, 22)
    bulge = np.sin(np.pi * np.minimum(down / 0.84, 1.0) ** 0.86 * 0.905) ** 0.8
    bulge = np.where(down > 0.97, 0.2, np.maximum(bulge, 0.2 * (down > 0.5)))
    rows = y - size + 2.45 * size * down
    cuts = 4
    for part in range(12 * cuts):
        one, two = (2 * np.pi * (part + end) / (12 * cuts) + turn for end in (0, 1))
        if np.cos((one + two) / 2) < -0.1:
            continue
        here, there = (np.sin(np.clip((a + np.pi) % (2 * np.pi) - np.pi, -1.571, 1.571))
                       for a in (one, two))  # fmt: skip
        shade = 0.7 + 0.5 * max(0.0, float(np.cos((one + two) / 2 - 0.6)))
        tone = tinted(color if (part // cuts) % 2 else other, shade)
        left = [(x + size * r * here, v) for r, v in zip(bulge, rows, strict=True)]
        right = [(x + size * r * there, v) for r, v in zip(bulge, rows, strict=True)]
        poster.polygon([*left, *reversed(right)], tone)
    bottom = float(rows[-1])
    for side in (-1, 1):
        ends = [(x + 0.18 * size * side, bottom), (x + 0.13 * size * side, bottom + 0.45 * size)]
        poster.line(ends, max(0.5, 0.02 * size), (110, 78, 56))
    for top, tone in ((0.42, (176, 112, 58)), (0.47, (138, 82, 44))):
        poster.polygon(
            [(x - 0.17 * size, bottom + top * size), (x + 0.17 * size, bottom + top * size),
             (x + 0.13 * size, bottom + 0.72 * size), (x - 0.13 * size, bottom + 0.72 * size)],
            tone,
        )  # fmt: skip


def _wheel(
    poster: Poster,
    bulbs: Poster,
    hub: tuple[float, float],
    radius: float,
    turn: float,
    time: float,
    frame: Color = CREAM,
) -> None:
    """A Ferris wheel; its bulbs, which run round, are drawn apart so that they can shine."""
    x, y = hub
    thick = radius / 60
    for side in (-1, 1):
        poster.line(
            [(x, y), (x + 0.5 * side * radius, y + 1.3 * radius)], 2.2 * thick, tinted(frame, 0.82)
        )
    for part in (1.0, 0.88, 0.3):
        poster.ring(x, y, part * radius, thick, frame)
    cabins = 14
    for number in range(cabins):
        angle = turn + 2 * np.pi * number / cabins
        far = (x + radius * np.cos(angle), y + radius * np.sin(angle))
        poster.line([(x, y), far], 0.7 * thick, frame)
        for step, share in enumerate((0.3, 0.46, 0.62, 0.78, 0.94)):
            lit = 0.5 + 0.5 * np.sin(2.2 * step - 7 * time + number)
            place = (x + share * radius * np.cos(angle), y + share * radius * np.sin(angle))
            bulbs.oval(*place, 0.7 * thick, 0.7 * thick, tinted((255, 232, 150), 0.25 + 0.75 * lit))
    for number in range(4 * cabins):
        angle = turn + 2 * np.pi * number / (4 * cabins)
        lit = 0.5 + 0.5 * np.sin(1.6 * number - 9 * time)
        place = (x + radius * np.cos(angle), y + radius * np.sin(angle))
        bulbs.oval(*place, 0.8 * thick, 0.8 * thick, tinted((255, 240, 190), 0.3 + 0.7 * lit))
    size = 0.105 * radius
    for number in range(cabins):
        angle = turn + 2 * np.pi * number / cabins
        left = x + radius * np.cos(angle) + 0.2 * size * np.sin(3 * time + number)
        top = y + radius * np.sin(angle)
        color = COLORS[number % len(COLORS)]
        poster.oval(left, top + 1.1 * size, 1.05 * size, 1.0 * size, tinted(color, 0.86))
        roof = [(-1.15, 0.75), (1.15, 0.75), (0.5, 0), (-0.5, 0)]
        pane = [(-0.75, 0.85), (0.75, 0.85), (0.75, 1.3), (-0.75, 1.3)]
        for shape, tone in ((roof, color), (pane, (255, 244, 200))):
            poster.polygon([(left + size * u, top + size * v) for u, v in shape], tone)
    poster.oval(x, y, 5 * thick, 5 * thick, RED)
    poster.oval(x, y, 3 * thick, 3 * thick, YELLOW)


def _tent(poster: Poster, left: float, wide: float, high: float, color: Color, time: float) -> None:
    """A striped tent with a flag on top."""
    eaves, top = 344 - 0.42 * high, 344 - high
    middle, stripes = left + wide / 2, 9
    for stripe in range(stripes):
        a, b = (left + wide * (stripe + end) / stripes for end in (0, 1))
        tone = color if stripe % 2 else CREAM
        shade = 1.08 - 0.34 * stripe / stripes
        inset = [middle + 0.84 * (edge - middle) for edge in (a, b)]
        poster.polygon([(inset[0], eaves), (inset[1], eaves), (inset[1], 346), (inset[0], 346)],
                       tinted(tone, 0.86 * shade))  # fmt: skip
        curve = [
            (middle + (edge - middle) * share, top + (eaves - top) * share**0.72)
            for edge, shares in ((a, (0.0, 0.25, 0.5, 0.75, 1.0)), (b, (1.0, 0.75, 0.5, 0.25, 0.0)))
            for share in shares
        ]
        poster.polygon(curve, tinted(tone, shade))
        poster.oval((a + b) / 2, eaves, (b - a) / 2, 0.06 * high, tinted(tone, shade))
    flag = [(middle, top - 0.3 * high)]
    flag += [
        (middle + n * 0.06 * high, top - 0.3 * high + 1.5 * np.sin(9 * time - n)) for n in range(6)
    ]
    flag += [(middle, top - 0.13 * high)]
    poster.line([(middle, top + 2), (middle, top - 0.3 * high)], 1.2, CREAM)
    poster.polygon(flag, YELLOW)


def _bunting(poster: Poster, top: float, time: float) -> None:
    """A string of pennants across the picture."""
    places = np.arange(-20, WIDTH + 40, 26)
    sag = top + 24 * np.abs(np.sin(np.pi * places / 330)) + 2 * np.sin(2 * time + places / 60)
    poster.line(list(zip(places.tolist(), sag.tolist(), strict=True)), 1.2, CREAM)
    for number, (x, y) in enumerate(zip(places[:-1] + 13, (sag[:-1] + sag[1:]) / 2, strict=True)):
        swing = 3 * np.sin(4 * time + 0.9 * number)
        poster.polygon(
            [(x - 10, y), (x + 10, y), (x + swing, y + 24)], COLORS[number % len(COLORS)]
        )


def _pinwheel(poster: Poster, x: float, y: float, size: float, turn: float, first: int) -> None:
    """Eight folded blades; the inner side of each is darker."""
    blades = 8
    for number in range(blades):
        angle = turn + 2 * np.pi * number / blades
        color = COLORS[(first + number * 2) % len(COLORS)]

        def at(reach: float, off: float, angle: float = angle) -> tuple[float, float]:
            return (x + size * reach * np.cos(angle + off), y + size * reach * np.sin(angle + off))

        poster.polygon(
            [(x, y), at(0.62, 0.02), at(1.0, 0.3), at(0.86, 0.66), at(0.45, 0.6)],
            tinted(color, 1.12),
        )
        poster.polygon([(x, y), at(0.62, 0.02), at(1.0, 0.3), at(0.5, 0.3)], tinted(color, 0.78))
    poster.oval(x, y, 0.11 * size, 0.11 * size, CREAM)
    poster.oval(x, y, 0.06 * size, 0.06 * size, YELLOW)


def _flight(left: bool, aim: float, power: float, age: float) -> tuple[float, float]:
    """Where a piece is that a cannon shot so many seconds ago: fast, then braked by the air."""
    angle = np.radians(38 + 44 * aim)
    reach = (240 + 420 * power) * (1 - np.exp(-2.1 * age)) / 1.25
    x = reach * np.cos(angle) - 20
    y = HEIGHT + 10 - 1.05 * reach * np.sin(angle) + 62 * max(age - 0.35, 0.0) ** 1.15
    return (x if left else WIDTH - x, y)


def _skyline(poster: Poster, shore: float) -> None:
    """Houses and trees on the far shore, some windows lit."""
    random = np.random.default_rng(3)
    left = 0.0
    while left < WIDTH:
        wide, high = float(random.uniform(12, 30)), float(random.uniform(8, 36))
        poster.polygon([(left, shore), (left, shore - high), (left + wide / 2, shore - high - 7),
                        (left + wide, shore - high), (left + wide, shore)],
                       (46, 14, 70))  # fmt: skip
        for x in np.arange(left + 4, left + wide - 3, 5).tolist():
            for y in np.arange(shore - high + 3, shore - 4, 6).tolist():
                if random.uniform() < 0.4:
                    poster.polygon(
                        [(x, y), (x + 2, y), (x + 2, y + 2.5), (x, y + 2.5)], (255, 206, 110)
                    )
        left += wide


if __name__ == "__main__":
    main(*sys.argv[1:])
