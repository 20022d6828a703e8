"""Machines break: `python -m trials.faults`.

The command line and the app are started as they are, killed and stopped at every stage; disks fill
up, FFmpegs die, hang and talk nonsense, model files are cut and swapped, the hub goes away, the GPU
is full, and the clock is set. What is promised: a sentence or a result, nothing half-written under
anybody's name, nothing left running or lying about, and a restart that works.
"""

import sys

from trials import clock, disk, ffmpeg, gpu, hub, kills, models
from trials.trial import main

CASES = [
    *kills.CASES, *ffmpeg.CASES, *disk.CASES, *models.CASES, *hub.CASES, *gpu.CASES, *clock.CASES,
]  # fmt: skip
"""All that breaks."""

if __name__ == "__main__":
    sys.exit(main("faults"))
