# make run        install what is missing, start the app on http://127.0.0.1:7860
# make test       install what is missing, check style and types, run the tests
# make test-all   the same with the tests that take longer, and nearly all trials
# make bench      time every stage on a film (FILM="my film.mp4")
# make resolve    see whether every Python from 3.11 to 3.14 finds its packages; installs none
# make constraints  write down the versions that are installed, after the tests passed with them
# make clean      remove what the checks leave behind; .venv stays
#
# HOST, PORT      where the app listens:  make run HOST=0.0.0.0 PORT=8000
# PYTHON          the Python that .venv is made with
# APT=no          install no system packages

HOST ?= 127.0.0.1
PORT ?= 7860
FILM ?=
PYTHON ?=
APT ?= yes
export PYTHON APT

python := .venv/bin/python

.PHONY: run test test-all check bench resolve constraints clean
.DEFAULT_GOAL := run

run:
	@bash scripts/setup.sh app
	@GRADIO_SERVER_NAME="$(HOST)" GRADIO_SERVER_PORT="$(PORT)" exec $(python) app.py

# Two cores are busy with four workers, since many tests wait: for the app, a host, a time limit.
pytest := $(python) -m pytest --numprocesses 4 --dist worksteal

test: check
	$(pytest)

test-all: check
	$(pytest) -m "not longest"

check:
	@bash scripts/setup.sh tests
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy

bench:
	@bash scripts/setup.sh app
	@$(python) -m emsync.benchmarks.speed $(if $(FILM),"$(FILM)")

resolve:
	@bash scripts/setup.sh tests
	@$(python) scripts/resolve.py

constraints:
	@$(python) -c 'import sys; print("# Python %d.%d is what these versions were tested with; made by `make constraints`." % sys.version_info[:2])' >constraints.txt
	@$(python) -m pip freeze >>constraints.txt

clean:
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
