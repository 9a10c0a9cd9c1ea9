# Everything needs only Python 3.11 or later, pip and, for what runs as root, apt.
#   make demo    the story of an image, told on a real Debian
#   make test    lint, types, and all tests
#   make soak    500 containers, 20 at a time, after which the machine is as before
#   make test-rootless  all tests as an ordinary user, whom root becomes for it
#   make check   lint and types alone
#   make bench   the comparison with docker, podman and buildkit (root; half an hour)
#   make clean   remove what these made

SHELL := /bin/bash
# The newest Python that really runs: a name on PATH may be a version manager's empty promise.
PYTHON ?= $(shell for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
USABLE := .venv/.usable
STAMP := .venv/.installed
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
AS_USER := $(BIN)/python -m tests.as_user
# Each time: what users do most, in about a minute on an idle machine of two cores.
ROOTLESS := $(addprefix tests/system/test_,run_cli.py build.py transfer.py)
# What a user without subordinate ids does.
SINGLE := $(addprefix tests/system/test_,transfer.py waste.py explore.py)

# Whoever is told to write no bytecode compiles all there is at each start, of thousands.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-rootless soak check bench clean packages test-packages bench-packages

help:
	@sed -n '2,8s/^#  //p' Makefile

demo: $(USABLE) packages
	@PATH="$(CURDIR)/$(BIN):$$PATH" demo/story.sh

test: check packages test-packages
	$(BIN)/python -m compileall -q -j 0 src
	$(BIN)/pytest -n auto --dist worksteal
	[[ $$EUID -ne 0 ]] || $(AS_USER) -n auto --dist worksteal $(ROOTLESS)

# What is root's work in the tests' own process is done by a root of the user's; and what takes
# no ids but the user's own, by a user without others.
test-rootless: check packages test-packages
	$(AS_USER) -n auto --dist worksteal
	$(AS_USER) --inside -n auto --dist worksteal -m rights
	[[ $$EUID -ne 0 ]] || $(AS_USER) --single -n auto --dist worksteal $(SINGLE)

soak: $(STAMP) packages
	LAMINA_SOAK=500 $(BIN)/pytest -rA tests/system/test_soak.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP) packages bench-packages
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.run

packages:
	@.ci/install-packages .ci/packages

test-packages:
	@.ci/install-packages .ci/test-packages

bench-packages:
	@.ci/install-packages bench/packages

# The packages come first: Debian's Python has no venv module until it is installed.
$(USABLE): pyproject.toml
	@$(MAKE) --no-print-directory packages
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or later found; set PYTHON=" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[all]'
	@touch $@

# What only those need who change Lamina: linters, a browser's driver, a notebook's kernel.
$(STAMP): $(USABLE)
	$(INSTALL) --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find . -name __pycache__ -prune -exec rm -rf {} +
