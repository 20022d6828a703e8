"""Attacks on the running app: `python -m trials.security`.

Two apps are started in folders of their own, one that is open to everybody and one with a password;
see `trials.site`.
"""

import sys

from trials import attacks_by_load, attacks_on_access, attacks_on_files
from trials.trial import main

CASES = [*attacks_on_files.CASES, *attacks_on_access.CASES, *attacks_by_load.CASES]

if __name__ == "__main__":
    sys.exit(main("security"))
