"""Resolve the requirements for every Python that EMSYNC runs on: `make resolve`. Installs nothing.

Only wheels count, since a fresh machine has no compiler; openai-whisper, published as source
and plain Python, is the exception.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "aarch64": "aarch64-manylinux_2_28"}
"""Of Linux: the names that markers and uv have for a processor."""
_SOURCES = ("openai-whisper",)


def main() -> int:
    """Print a line for each Python and processor; return 1 if any cannot be resolved."""
    failed = 0
    for python in PYTHONS:
        for machine in PLATFORMS:
            found = resolve(python, machine)
            failed += isinstance(found, str)
            if isinstance(found, str):
                came = f"CANNOT be resolved.\n{found}"
            else:
                names = ", ".join(left_out(python, machine))
                came = f"{len(found)} packages" + (f"; left out: {names}" if names else "")
            print(f"Python {python}, Linux on {machine}: {came}", flush=True)
    return int(failed > 0)


def resolve(python: str, machine: str) -> Sequence[str] | str:
    """Return the packages that the app and the tests get, each with its version, or what is wrong.

    Args:
        python: such as "3.14".
        machine: one of `PLATFORMS`.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
    command += ["--no-annotate", "--python-version", python]
    command += ["--python-platform", PLATFORMS[machine], "--only-binary", ":all:"]
    for source in _SOURCES:
        command += ["--no-binary", source]
    done = subprocess.run(
        [*command, "requirements-dev.txt"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stderr.strip() if done.returncode else done.stdout.splitlines()


def left_out(python: str, machine: str) -> list[str]:
    """Return the requirements of the app that their markers leave out there."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line and line[0] not in "#-"]
    there = {"python_version": python, "platform_machine": machine, "sys_platform": "linux"}
    return [one.name for one in wanted if one.marker and not one.marker.evaluate(there)]


if __name__ == "__main__":
    sys.exit(main())
