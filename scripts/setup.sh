#!/usr/bin/env bash
# Installs what EMSYNC needs and is not there yet: `scripts/setup.sh app` or `... tests`.
#
# System packages come through apt, only if one is missing and only where apt needs no password
# (root, or sudo that asks nothing); otherwise a sentence says which line to run, and the rest
# goes on. Python packages go into .venv; a stamp in it holds the requirements that were installed,
# so the next time there is nothing to do. On the Python that constraints.txt was made with, exactly
# its versions are installed, which are those that were tested together; on any other the newest that
# the requirements allow.
#
#   PYTHON=python3.12   the Python that .venv is made with
#   APT=no              leave the system alone
#   WEIGHTS=no          fetch no weights for the experts; EMSYNC_OFFLINE=1 does as much
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

profile=${1:-app}
case $profile in
  app) wanted=requirements.txt sources=(requirements.txt) ;;
  tests) wanted=requirements-dev.txt sources=(requirements.txt requirements-dev.txt) ;;
  *) printf 'Usage: scripts/setup.sh app|tests\n' >&2; exit 2 ;;
esac
venv_python=.venv/bin/python
stamp=.venv/emsync-$profile.installed
soundfonts=(
  /usr/share/sounds/sf2/FluidR3_GM.sf2 /usr/share/soundfonts/FluidR3_GM.sf2
  /usr/local/share/soundfonts/FluidR3_GM.sf2 /opt/homebrew/share/soundfonts/FluidR3_GM.sf2
)

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$@" >&2; exit 1; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local name
  for name in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if is_recent "$name"; then
      printf '%s\n' "$name"
      return
    fi
  done
  fail "EMSYNC needs Python 3.11 or newer; this machine has $(python3 --version 2>&1 || say none)." \
    "Install one, for example with: sudo apt-get install -y python3.11 python3.11-venv" \
    "If it is not called python3, name it: make run PYTHON=/path/to/python3.11"
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }

may_use_apt() {
  [ "${APT:-yes}" != no ] && command -v apt-get >/dev/null &&
    { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }
}

updated=no
apt_install() {
  # A freshly started Ubuntu often has its own updates under way: wait for the lock.
  local options=(-q -o DPkg::Lock::Timeout=300)
  if [ $updated = no ]; then
    updated=yes
    as_root apt-get "${options[@]}" update || say "apt-get update failed; trying with what it knows."
  fi
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get "${options[@]}" install -y --no-install-recommends "$@"
}

# have_package WHY PACKAGE: installs PACKAGE, or says in a sentence which line to run, and fails.
have_package() {
  local why=$1 package=$2
  if may_use_apt; then
    say "$why: installing $package through apt."
    apt_install "$package" && return
    say "apt could not install $package."
  fi
  if command -v apt-get >/dev/null; then
    say "$why: run this line once: sudo apt-get update && sudo apt-get install -y $package"
  else
    say "$why: install what your system calls Debian's package $package."
  fi
  return 1
}

# As pyfluidsynth looks for it.
has_fluidsynth() {
  "$1" -c 'import sys; from ctypes.util import find_library
sys.exit(not any(map(find_library, ("fluidsynth", "fluidsynth-3", "libfluidsynth"))))'
}

has_file() {
  local path
  for path in "$@"; do
    [ -e "$path" ] && return
  done
  return 1
}

has_nvidia_card() {
  command -v nvidia-smi >/dev/null || has_file /proc/driver/nvidia/version /dev/dxg
}

has_browser() {
  local name
  for name in "${EMSYNC_CHROMIUM:-chromium}" chromium-browser google-chrome; do
    command -v "$name" >/dev/null && return
  done
  return 1
}

has_musescore() {
  local name
  for name in ${EMSYNC_MUSESCORE:-mscore4 musescore4 MuseScore4 musescore mscore mscore3 musescore3}; do
    command -v "$name" >/dev/null && return
  done
  return 1
}

# OpenCV reads pictures for two of the experts. It needs libraries that servers often lack, and
# names one at a time.
need_opencv() {
  local problem package seen=
  while ! problem=$("$venv_python" -c 'import cv2' 2>&1); do
    case $problem in
      *libGL.so*) package=libgl1 ;;
      *libgthread*|*libglib*) package=libglib2.0-0 ;;
      *) say "OpenCV cannot be used: ${problem##*$'\n'}"; return 1 ;;
    esac
    [ "$package" != "$seen" ] || { say "OpenCV still does not find it."; return 1; }
    seen=$package
    have_package "A library that OpenCV needs is missing" "$package" || return 1
  done
}

make_venv() {
  local python
  python=$(find_python)
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    local version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    have_package "Python's module venv is missing" "python$version-venv" ||
      fail "EMSYNC cannot be installed before that."
  fi
  say "Making .venv with $("$python" --version)."
  "$python" -m venv --clear .venv
}

# The usual torch brings several GB of CUDA with it, which only helps an NVIDIA card. torchvision,
# which some experts need, has to be of the same kind.
install_small_torch() {
  local index=https://download.pytorch.org/whl/cpu
  "$venv_python" -c 'import torch' 2>/dev/null && return
  [ "$(uname -sm)" = "Linux x86_64" ] && ! has_nvidia_card || return 0
  say "No NVIDIA card here: looking for the small build of PyTorch, without CUDA."
  if timeout 8 "$venv_python" -c 'import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=6)' "$index/torch/" >/dev/null 2>&1 &&
    "$venv_python" -m pip install --index-url "$index" \
      "$(grep '^torch[<>=]' requirements.txt)" torchvision "${tested[@]}"; then
    return
  fi
  say "It cannot be had; the usual build works as well, but it is several GB."
}

is_recent $venv_python && "$venv_python" -m pip --version >/dev/null 2>&1 || make_venv

# The versions that were tested together, if this is the Python that they were tested with.
tested=()
read -r _ _ tested_python _ <constraints.txt
version=$("$venv_python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if [ "$version" = "$tested_python" ]; then
  tested=(--constraint constraints.txt)
  sources+=(constraints.txt)
fi

has_fluidsynth $venv_python ||
  have_package "FluidSynth, which plays the music, is missing" libfluidsynth3 ||
  say "Until then no film can be scored; the app says so when asked to."

if ! cat "${sources[@]}" | cmp -s - "$stamp"; then
  # Nice to have, so tried once and not at every start.
  if [ "$profile" = app ] && ! has_file "${soundfonts[@]}"; then
    have_package "The better instruments (FluidR3_GM, a download of 120 MB)" fluid-soundfont-gm ||
      say "Until then the smaller ones that come with pretty_midi are played."
  fi
  if [ "$profile" = tests ] && ! has_browser; then
    have_package "Chromium, for the test that drives the page" chromium ||
      say "Any Chrome or Chromium will do: set EMSYNC_CHROMIUM to its path. Without one the test is skipped."
  fi
  if [ "$profile" = tests ] && ! has_musescore; then
    have_package "MuseScore, for the tests that engrave scores" musescore3 ||
      say "Without it those tests are skipped."
  fi
  say "Installing the Python packages into .venv; the first time takes a few minutes."
  [ "${#tested[@]}" -gt 0 ] ||
    say "This is Python $version: it gets the newest versions, not those tested with $tested_python."
  install_small_torch
  "$venv_python" -m pip install --requirement "$wanted" "${tested[@]}" ||
    fail "pip could not install everything; its reason stands above." \
      "Often that is the network, or the disk: up to 7 GB are needed."
  need_opencv || say "Until then faces and text in the picture are not read."
  "$venv_python" -c 'import importlib.util, sys
sys.exit(importlib.util.find_spec("paddle") is None)' ||
    say "PaddlePaddle is not built for Python $version on this machine, so the expert that reads text" \
      "in the picture is left out. Everything else works."
  cat "${sources[@]}" >"$stamp"
fi

# Offered once; broken off with Ctrl-C, the next time again. The tests bring weights of their own.
if [ "$profile" = app ] && [ "${WEIGHTS:-yes}" != no ] && [ "${EMSYNC_OFFLINE:-0}" = 0 ] &&
  ! has_file .venv/emsync-weights.offered; then
  say "Fetching what the experts need to see, hear and read a film: 1.8 GB, once. WEIGHTS=no does without."
  status=0
  "$venv_python" -m emsync weights pull standard --if-reachable || status=$?
  [ $status -eq 0 ] || say "Films are scored without what is missing." \
    "To go on with it: $venv_python -m emsync weights pull standard"
  [ $status -eq 130 ] || touch .venv/emsync-weights.offered
fi
