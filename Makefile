# `make check ROLE=master` judges this machine; `make test` runs everything that CI runs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help check test lint types unit pythons docs bench prove trace-sweep cni-sweep cni-runtimes fleet-sweep dist clean venv dev apt

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ROLE ?= master
# More flags for nodeprep check, such as ARGS="--offline --cni flannel"
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:
	@echo 'make check ROLE=master   judge this machine as master, worker, multi-master or etcd'
	@echo 'make test                lint, types and all tests; installs what they need'
	@echo 'make bench               measure, side by side with what a user would run instead'
	@echo 'make prove               send every port through the rules of every role, pod network and backend'
	@echo 'make docs                write the generated references again'
	@echo 'make dist                sdist, wheel, one file for nodes, manual, completions, checksums'

# A Debian python3 without python3-venv cannot make pip; then as root it is installed.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo 'nodeprep needs Python 3.10 or newer: make PYTHON=python3.12 ...' >&2; exit 2; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  package=python$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y $$package >/dev/null; \
	  else echo "python3 has no venv; run: sudo apt-get install $$package" >&2; exit 2; fi; fi
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml preflight/__init__.py | $(BIN)/python
	@echo 'installing nodeprep into $(VENV)' >&2
	@$(BIN)/python -m pip -q install -e .
	@touch $@

venv: $(VENV)/.installed

check: $(VENV)/.installed
	@$(BIN)/nodeprep check --role $(ROLE) $(ARGS)

# The packages bring services that the tests start by themselves, in namespaces: none is started
# here, and none that was not there before is left enabled.
apt:
	@if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	  echo 'not root, or not Debian: tests that need packages or the kernel skip' >&2; exit 0; fi; \
	missing=$$(grep -v '^#' tests/apt-packages.txt | while read -r name; do \
	  dpkg-query -W -f='$${Status}' "$$name" 2>/dev/null | grep -q 'ok installed' || echo "$$name"; done); \
	[ -n "$$missing" ] || exit 0; \
	echo "installing Debian packages:" $$missing >&2; \
	policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then \
	  trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' > $$policy; chmod 755 $$policy; fi; \
	apt-get -qq update; \
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing >/dev/null; \
	for name in firewalld containerd ufw nftables etcd-server:etcd openssh-server:ssh; do \
	  if grep -qx "$${name%:*}" <<< "$$missing" && command -v systemctl >/dev/null; then \
	    systemctl disable -q "$${name#*:}.service" || true; fi; done

$(VENV)/.dev: pyproject.toml $(VENV)/.installed
	@echo 'installing what the tests need into $(VENV)' >&2
	@$(BIN)/python -m pip -q install --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip -q install --group dev
	@touch $@

dev: apt $(VENV)/.dev

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev
	$(BIN)/mypy

# Tests start hundreds of processes: what those compile is kept, whatever the caller has set.
unit pythons: export PYTHONDONTWRITEBYTECODE :=

# Side by side, one more than processors: many tests wait for a kernel, a daemon or a deadline. In
# the order of tests/conftest.py. JOBS=0: one after the other.
JOBS ?= $(shell echo $$(($$(nproc) + 1)))
unit: dev
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# The other supported Pythons that this machine has, without the kernel tests.
pythons: dev
	$(BIN)/python -m tests.pythons

test: dev lint types unit pythons

docs: dev
	NODEPREP_UPDATE_DOCS=1 $(BIN)/pytest -q -k 'docs or readme'

bench: $(VENV)/.dev
	$(BIN)/python -m bench

# Minutes, on all cores, in network namespaces of its own.
prove: apt $(VENV)/.installed
	@$(BIN)/nodeprep firewall prove --all

# Traces against the kernel's own verdicts, PAIRS of them; prints the counts.
PAIRS ?= 24000
trace-sweep: dev
	$(BIN)/python -m tests.rules.tracing.sweep $(PAIRS)

# All 36 seeded failures of the pod network beside a real containerd, RUNS healthy proofs and 100
# killed callers: prints what was found, and writes the table of docs/cni.md.
RUNS ?= 200
cni-sweep: dev
	$(BIN)/python -m tests.cni.sweep $(RUNS)

# With containerd 2, the newest plugins and Docker: Debian's packages, unpacked and not installed.
cni-runtimes: dev
	$(BIN)/python -m tests.cni.runtimes

# Into dist/, the same bytes from the same sources; needs PyPI or a mirror, the nodes need nothing.
dist: $(VENV)/.dev
	@$(BIN)/python -m release

# The eight hosts of the fleet's tests, with each of their faults alone, none, and all at once: by the
# commands themselves, and by the playbook over SSH.
fleet-sweep: dev
	NODEPREP_FLEET_SWEEP=1 $(BIN)/pytest -q -s tests/fleet/test_whole.py tests/ansible/test_fleet.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
