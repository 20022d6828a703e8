"""EMSYNC in the browser: `python app.py`, then http://127.0.0.1:7860. Also a Hugging Face Space."""

import os
import signal
import sys
import threading


def main() -> None:
    """Build the page and serve it until the process is told to stop."""
    from emsync.errors import EmsyncError
    from emsync.interface.access import access_from
    from emsync.interface.guard import check_guarded, guarded
    from emsync.interface.memory import few_arenas
    from emsync.process.files import process_folder, remove_stale_folders

    few_arenas()
    try:
        access = access_from(os.environ)
    except EmsyncError as problem:
        sys.exit(f"emsync: {problem}")
    remove_stale_folders()
    # A plain `kill` must tidy up as well as Ctrl-C does. An exception would be lost where Python
    # ignores them, as in the callbacks of an import.
    asked_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.set())
    with process_folder() as root:
        # Read by Gradio when it is imported: uploads and results share one folder, ours.
        os.environ["GRADIO_TEMP_DIR"] = str(root)
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        from emsync.interface.page import build
        from emsync.interface.studio import Studio
        from emsync.interface.theme import SHOWN, launch_options

        if os.environ.get("SPACE_ID"):
            adopt_preloaded_weights()
        try:
            studio = Studio(root)
        except EmsyncError as problem:
            sys.exit(f"emsync: {problem}")
        studio.start_sweeping()
        page = build(studio)
        options = launch_options(studio.settings, studio.host.waiting)
        most, head = options["max_file_size"], options["head"]
        options |= guarded(access, root, SHOWN, most, head, studio.quota.has_room)
        try:
            app, _, _ = page.launch(**options, prevent_thread_lock=True)
            check_guarded(app)
            asked_to_stop.wait()
        except KeyboardInterrupt:
            print("Stopping.", flush=True)
        except (EmsyncError, OSError) as problem:
            sys.exit(f"emsync: {problem}")
        finally:
            studio.close()
            page.close(verbose=False)


def adopt_preloaded_weights() -> None:
    """Install what a Space has fetched when it was built; nothing is downloaded."""
    from emsync.weights.hub_cache import adopt_hub_cache

    for adoption in adopt_hub_cache():
        outcome = "installed" if adoption.problem is None else adoption.problem
        print(f"Weights {adoption.name}: {outcome}", flush=True)


if __name__ == "__main__":
    main()
