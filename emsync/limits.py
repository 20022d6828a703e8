"""What the host of the app gives to everybody together, and what its environment says of it."""

import os
from dataclasses import dataclass, field

from emsync.errors import EmsyncError, ToolError
from emsync.settings import FilmLimits
from emsync.stages import TimeLimits, time_limits


@dataclass(frozen=True)
class ToolLimits:
    """What one FFmpeg may take. It decodes what strangers send, so it is bounded from outside."""

    memory: int = 4_000_000_000
    """Bytes of address space (Linux). Measured with four threads on 4096 x 2304 at 10 bit, the
    largest picture accepted: 1.0 GB to look at HEVC, 2.3 GB to encode it as H.264; 1.1 GB for
    1080p. `EMSYNC_FFMPEG_MEMORY`, in GB, changes it."""
    threads: int = 4
    """Of each decoder, encoder and filter graph: memory grows with them."""
    scored_bytes: int = 2_000_000_000
    """Of a scored film. One that plays in every browser is as large as it was; encoded, 1080p at
    its busiest has 1.5 GB in ten minutes. Longer films are encoded with so many bits a second at
    most that they stay below (`emsync.sound.mux`): 8 million in half an hour. Ours."""


@dataclass(frozen=True)
class HostLimits:
    """What one machine gives to all strangers together; a request cannot change it.

    `emsync.interface.disk_quota.host_limits` reads the environment variables.
    """

    waiting: int = 20
    """Requests at work and waiting. Ours: a minute of film takes two cores about half a minute, so
    the last of 20 waits some ten minutes, which is as long as people do. Twenty films of half an
    hour are another matter: three hours. `EMSYNC_QUEUE`; `EMSYNC_MINUTES` for the films."""
    disk: int = 20_000_000_000
    """Bytes of all requests together: films, what is made on the way, results. Ours: the largest
    film of half an hour lies there with 1.3 GB (0.5 itself, 0.5 scored, 0.3 as WAV), so fifteen of
    them, or three while all make their ZIPs; a free Space has 50 GB. `EMSYNC_DISK`, in GB."""
    disk_per_request: int = 6_000_000_000
    """Bytes of one request. Ours: `emsync.interface.disk_quota.version_bytes` of the largest film
    are 1.3 GB, so that it may have its four versions (0.5 + 4 x 1.3 = 5.9); with one, its stems and
    ZIP (4.5 GB, `bundle_bytes`) make it 5.8. `EMSYNC_DISK_PER_REQUEST`, in GB."""
    disk_free: int = 1_000_000_000
    """Bytes of the volume that stay free for the rest of the machine. Ours. `EMSYNC_DISK_FREE`, in
    GB."""
    stages: TimeLimits = field(default_factory=time_limits)
    tools: ToolLimits = field(default_factory=ToolLimits)


def tool_limits() -> ToolLimits:
    """Read the limits, as this machine's owner set them.

    Raises:
        ToolError: `EMSYNC_FFMPEG_MEMORY` is no number of gigabytes.
    """
    said = os.environ.get("EMSYNC_FFMPEG_MEMORY", "").strip()
    if not said:
        return ToolLimits()
    try:
        memory = float(said)
    except ValueError:
        memory = 0.0
    if not 0.5 <= memory <= 1000:
        raise ToolError(
            f"EMSYNC_FFMPEG_MEMORY is “{said}”. Set it to gigabytes, from 0.5 on, such as 4."
        )
    return ToolLimits(memory=int(memory * 1e9))


def host_limits() -> HostLimits:
    """Return the limits as this machine's owner set them: `EMSYNC_QUEUE` requests; `EMSYNC_DISK`,
    `EMSYNC_DISK_PER_REQUEST`, `EMSYNC_DISK_FREE` and `EMSYNC_FFMPEG_MEMORY` gigabytes.

    Raises:
        EmsyncError: one of them is no number that makes sense.
    """
    standard = HostLimits()
    return HostLimits(
        waiting=round(_number("EMSYNC_QUEUE", standard.waiting, 1, 1000)),
        disk=_gigabytes("EMSYNC_DISK", standard.disk),
        disk_per_request=_gigabytes("EMSYNC_DISK_PER_REQUEST", standard.disk_per_request),
        disk_free=_gigabytes("EMSYNC_DISK_FREE", standard.disk_free),
        tools=tool_limits(),
    )


def film_limits() -> FilmLimits:
    """Return the limits on a film, as this machine's owner set them: `EMSYNC_MINUTES`, if he wants
    shorter ones.

    Raises:
        EmsyncError: it is no number that makes sense.
    """
    longest = FilmLimits.seconds / 60
    return FilmLimits(seconds=60 * _number("EMSYNC_MINUTES", longest, 0.1, longest))


def _gigabytes(name: str, standard: int) -> int:
    return round(_number(name, standard / 1e9, 0, 1e6) * 1e9)


def _number(name: str, standard: float, least: float, most: float) -> float:
    said = os.environ.get(name, "").strip()
    if not said:
        return standard
    try:
        number = float(said)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise EmsyncError(f"{name} is “{said}”. Set it to a number from {least:g} to {most:g}.")
    return number


def is_offline() -> bool:
    """Return whether the user forbids downloads, with `EMSYNC_OFFLINE=1`."""
    return os.environ.get("EMSYNC_OFFLINE", "") not in ("", "0")
