"""Upload this tree as a Hugging Face Space: `python hosts/space.py YOU/NAME`, first `--dry-run`.

What is committed goes up, and nothing else: no weights that were downloaded, no films, no settings
of this machine. Files that the Hub wants in its large-file storage (over 10 MB, or binary) need
nothing done here: `upload_folder` asks the Hub about each file and sends it the right way.
"""

import argparse
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

MOST_BYTES = 1_000_000_000
"""A Space's repository may hold 1 GB, history included ("Repository storage limit reached")."""
LARGE_BYTES = 10_000_000
"""Beyond this the Hub does not take a file into git."""
MOST_PRELOADS = 10
"""Lines of `preload_from_hub` ("preload models limited to 10")."""
LONGEST_DESCRIPTION = 60
"""Characters of `short_description`."""


class SpaceError(Exception):
    """A sentence for the user: what is wrong, and what to do about it."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    parser = argparse.ArgumentParser(
        description="Upload what is committed of this tree as a Hugging Face Space. Log in before: "
        "hf auth login, or set HF_TOKEN to a token that may write."
    )
    parser.add_argument("space", metavar="YOU/NAME", help="of the Space")
    parser.add_argument(
        "--dry-run", action="store_true", help="only list the files and check the Hub's limits"
    )
    parser.add_argument(
        "--update", action="store_true", help="the Space exists; put this tree over what it has"
    )
    parser.add_argument("--private", action="store_true", help="if it is made: only you see it")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="emsync-space-") as name:
            folder = Path(name)
            take_committed(ROOT, folder)
            check(options.space, folder)
            if not options.dry_run:
                print(upload(options.space, folder, options.update, options.private))
    except SpaceError as problem:
        print(f"space.py: {problem}", file=sys.stderr)
        return 1
    return 0


def take_committed(root: Path, folder: Path) -> None:
    """Put the files of the last commit of `root` into `folder`, which is empty.

    Raises:
        SpaceError: there is no git, or no commit.
    """
    try:
        archive = _git(root, "archive", "--format=tar", "HEAD")
        changed = _git(root, "status", "--porcelain").decode().splitlines()
    except (OSError, subprocess.CalledProcessError) as problem:
        told = getattr(problem, "stderr", b"") or str(problem).encode()
        raise SpaceError(
            f"git cannot say what is committed in {root}: {told.decode().strip()}. Install git, "
            "and run this in a clone of the project."
        ) from problem
    if changed:
        print(f"{len(changed)} files are changed or new and not committed: they stay here.")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def check(space: str, folder: Path) -> None:
    """List the files with their sizes, and hold them against the limits of a Space.

    Raises:
        SpaceError: what the Hub would refuse, all of it.
    """
    wrong = []
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", space):
        wrong.append(f"“{space}” is no name of a Space: give YOU/NAME.")
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    for name, size in files.items():
        print(f"{size:>12,} {name}{' (large-file storage)' if size > LARGE_BYTES else ''}")
    total = sum(files.values())
    print(f"{total:>12,} bytes in {len(files)} files")
    if total > MOST_BYTES:
        wrong.append(f"{total:,} bytes are more than the {MOST_BYTES:,} that a Space may hold.")
    wrong += _wrong_in_front_matter(folder)
    if wrong:
        raise SpaceError("\n".join(wrong))


def upload(space: str, folder: Path, update: bool, private: bool) -> str:
    """Make the Space and upload the folder; its address. The token is the library's business.

    Raises:
        SpaceError: nobody is logged in, or the Hub refuses; what has come there stays.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HTTPError

    if huggingface_hub.get_token() is None:
        raise SpaceError("Nobody is logged in. Run: hf auth login, or set HF_TOKEN.")
    hub = huggingface_hub.HfApi()
    try:
        if not update:
            hub.create_repo(space, repo_type="space", space_sdk="gradio", private=private)
        hub.upload_folder(
            repo_id=space,
            repo_type="space",
            folder_path=folder,
            commit_message="The tree of EMSYNC",
        )
    except HfHubHTTPError as problem:
        status = problem.response.status_code if problem.response is not None else None
        if status == 409 and not update:
            raise SpaceError(
                f"{space} exists. To put this tree over what it has, add --update; what it had "
                "stays in its history."
            ) from problem
        raise SpaceError(
            f"The Hub refuses ({problem.server_message or problem}). Check the name, and that the "
            "token may write (hf auth whoami); then run this again with --update."
        ) from problem
    except (OSError, HTTPError) as problem:
        raise SpaceError(
            f"The Hub cannot be reached ({type(problem).__name__}). Run this again; with --update "
            "if the Space was made."
        ) from problem
    return f"https://huggingface.co/spaces/{space}"


def _wrong_in_front_matter(folder: Path) -> list[str]:
    import yaml  # type: ignore[import-untyped]

    readme = folder / "README.md"
    text = readme.read_text() if readme.is_file() else ""
    if not text.startswith("---\n") or text.count("---\n") < 2:
        return ["README.md does not begin with the settings of the Space, between two lines ---."]
    settings = yaml.safe_load(text.split("---\n")[1])
    wrong = []
    app = settings.get("app_file", "app.py")
    if not (folder / app).is_file():
        wrong.append(f"README.md names {app} as the app, which is not committed.")
    if len(settings.get("short_description", "")) > LONGEST_DESCRIPTION:
        wrong.append(f"short_description may have {LONGEST_DESCRIPTION} characters.")
    if len(settings.get("preload_from_hub", [])) > MOST_PRELOADS:
        wrong.append(f"preload_from_hub may have {MOST_PRELOADS} lines.")
    return wrong


def _git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
