"""EMSYNC in the browser: `python app.py`, then http://127.0.0.1:7860. Also a Hugging Face Space."""

import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

_FOLDER = "emsync-"


def main() -> None:
    """Build the page and serve it until the process is told to stop."""
    from emsync.errors import EmsyncError
    from emsync.interface.server import access_from, check_guarded, guarded

    try:
        access = access_from(os.environ)
    except EmsyncError as problem:
        sys.exit(f"emsync: {problem}")
    remove_leftovers()
    # A plain `kill` must tidy up as well as Ctrl-C does. An exception would be lost where Python
    # ignores them, as in the callbacks of an import.
    told_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    with tempfile.TemporaryDirectory(
        prefix=f"{_FOLDER}{os.getpid()}-", ignore_cleanup_errors=True
    ) as root:
        # Read by Gradio when it is imported: uploads and results share one folder, ours.
        os.environ["GRADIO_TEMP_DIR"] = root
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        from emsync.interface.examples import FOLDER
        from emsync.interface.handlers import Studio
        from emsync.interface.layout import build, launch_options

        if os.environ.get("SPACE_ID"):
            adopt_preloaded_weights()
        studio = Studio(Path(root))
        studio.start_sweeping()
        page = build(studio)
        options = launch_options(studio.settings)
        options |= guarded(access, Path(root), FOLDER, options["max_file_size"], options["head"])
        try:
            app, _, _ = page.launch(**options, prevent_thread_lock=True)
            check_guarded(app)
            told_to_stop.wait()
        except KeyboardInterrupt:
            print("Stopping.", flush=True)
        finally:
            studio.close()
            page.close(verbose=False)


def adopt_preloaded_weights() -> None:
    """Install what a Space has fetched when it was built; nothing is downloaded."""
    from emsync.weights_adoption import adopt_hub_cache

    for adoption in adopt_hub_cache():
        outcome = "installed" if adoption.problem is None else adoption.problem
        print(f"Weights {adoption.name}: {outcome}", flush=True)


def remove_leftovers() -> None:
    """Remove the folders of earlier runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        owner = folder.name.removeprefix(_FOLDER).split("-")[0]
        # This process has made none yet: what bears its number is of an earlier container.
        if owner.isdigit() and (int(owner) == os.getpid() or not _is_running(int(owner))):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
