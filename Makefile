# All targets install into .venv and .tools of the checkout and need neither root nor Go, except where they say so.

VENV := .venv
PYTHON := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
KUBECONFORM := .tools/bin/kubeconform
ACTIONLINT := .tools/bin/actionlint
PYTEST := $(PYTHON) -m pytest
LOCK := .tools/lock
FUZZ := .tools/fuzz
DOCS := .tools/docs
UV := --quiet --universal --generate-hashes --python-version 3.11 --custom-compile-command 'make lock'
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint format bench profile e2e ordering fuzz docs lock audit release-check fields golden clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(DEVELOPMENT) $(KUBECONFORM) $(ACTIONLINT) ## set up .venv and .tools (other targets do so as needed)

demo: $(RUNTIME) $(KUBECONFORM) ## release a canary and a blue-green app in a throw-away repository (ARGS="--record docs/demo.svg")
	@$(PYTHON) -m tests.demo $(ARGS)

test: setup ## run all tests, and check that environments/ is rendered (ARGS="-k name" goes to pytest)
	$(VENV)/bin/rollstep render --check
	$(PYTEST) -q -n auto --dist loadfile $(ARGS)

lint: $(DEVELOPMENT) ## run ruff (rules and format) and mypy, and lint environments/ with rollstep
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --quiet --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/rollstep lint environments

format: $(DEVELOPMENT) ## format the code, and fix what ruff can fix
	$(VENV)/bin/ruff check --fix-only --quiet .
	$(VENV)/bin/ruff format --quiet .

bench: setup ## measure rollstep beside its peers, built on first use (BENCH=full: large fleets; ARGS=cold_start)
	$(PYTHON) -m tests.bench.run $(ARGS)

profile: $(DEVELOPMENT) ## show where a cold start and a fleet run spend their time (ARGS="--apps 1000")
	@env -u PYTHONDONTWRITEBYTECODE $(PYTHON) -m tests.bench.profile $(ARGS)

e2e: setup ## run the tests on a real control plane with a real router, built on first use
	$(PYTHON) -m tests.e2e.run $(ARGS)

ordering: setup ## run all tests of ordering and aborts, with a thousand random releases each (takes minutes)
	ROLLSTEP_ORDERING_EXAMPLES=1000 $(PYTEST) -q -n auto tests/pipeline/resolve/ordering/test_ordering.py tests/pipeline/resolve/test_abort.py $(ARGS)

fuzz: $(FUZZ)/.installed ## fuzz everything that reads input, for FUZZ_SECONDS in all (300; ARGS="yaml lint" names targets)
	$(FUZZ)/bin/python -m tests.fuzz.run $(ARGS)

docs: $(DOCS)/.installed $(DEVELOPMENT) ## run the commands in the documentation, and build its site and man pages in build/
	@mkdir -p build
	$(PYTHON) -m tests.docs.commands > build/commands.md && mv build/commands.md docs/reference/commands.md
	$(PYTHON) -m tests.docs.console --write $(ARGS)
	$(DOCS)/bin/python -m tests.docs.commands --man build/man
	$(DOCS)/bin/python -m tests.docs.site

lock: $(LOCK)/.installed ## pin all dependencies with hashes again, and write the wheel's SBOM (docs/sbom.cdx.json)
	$(LOCK)/bin/uv pip compile $(UV) --extra dev --output-file requirements-dev.txt pyproject.toml
	$(LOCK)/bin/uv pip compile $(UV) --constraint requirements-dev.txt --output-file requirements.txt pyproject.toml
	$(LOCK)/bin/uv pip compile $(UV) --constraint requirements-dev.txt --extra fuzz --output-file requirements-fuzz.txt pyproject.toml
	$(LOCK)/bin/uv pip compile $(UV) --constraint requirements-dev.txt --extra docs --output-file requirements-docs.txt pyproject.toml
	$(LOCK)/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --mc-type application \
		--index-url pkg:pypi --output-reproducible --spec-version 1.6 --output-file docs/sbom.cdx.json 2>/dev/null

audit: $(LOCK)/.installed ## check all pinned dependencies against PyPI's advisories; fail if one cannot be checked
	$(LOCK)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.txt
	$(LOCK)/bin/pip-audit --strict --disable-pip --require-hashes -r requirements-dev.txt

release-check: setup $(LOCK)/.installed ## do all of a release that needs no service (TAG=v1.2.3 also checks the tag)
	$(PYTHON) -m tests.release $(TAG)
	$(LOCK)/bin/twine check --strict build/release/*

fields: ## regenerate the tables of Go types and CRDs after a version change (needs Go 1.26.10 or newer)
	@command -v go >/dev/null || { echo "make fields needs Go 1.26.10 or newer: it generates the tables from the Go types." >&2; exit 1; }
	cd renderer/rollouts/pod_template/generate && go generate
	cd renderer/pipeline/validate/generate && go generate

golden: $(DEVELOPMENT) ## regenerate the golden files with Kubernetes' parser and the controller's validation (needs Go)
	@command -v go >/dev/null || { echo "make golden needs Go: the values come from the Go parser." >&2; exit 1; }
	$(PYTHON) -m tests.support.yaml_corpus | go run -C tests/data/yaml/generate . | gzip -9 -n > tests/data/yaml/golden.jsonl.gz
	$(PYTHON) -m tests.support.rollout_corpus | go run -C tests/data/validation/generate . | gzip -9 -n > tests/data/validation/golden.jsonl.gz
	$(PYTHON) -m tests.support.condition_corpus | go run -C tests/data/analysis/generate . | gzip -9 -n > tests/data/analysis/golden.jsonl.gz
	$(PYTHON) -m tests.support.image_corpus | go run -C tests/data/images/generate . | gzip -9 -n > tests/data/images/golden.jsonl.gz
	$(PYTHON) -m tests.support.controller_table > docs/reference/rules/controller.md

clean: ## remove the files that builds and checks leave
	rm -rf build dist .fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find renderer tests -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## also remove .venv and .tools
	rm -rf $(VENV) .tools

$(PYTHON):
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "No Python 3.11 or newer with the venv module is on PATH (Debian and Ubuntu: package python3-venv)." >&2; \
	exit 1

$(RUNTIME): requirements.txt | $(PYTHON)
	$(PYTHON) -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

# The build backend is pinned too, so everything that is installed has a hash.
$(DEVELOPMENT): pyproject.toml requirements-dev.txt | $(PYTHON)
	$(PYTHON) -m pip install --quiet --require-hashes -r requirements-dev.txt
	$(PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(RUNTIME)

$(FUZZ)/.installed: requirements-fuzz.txt | $(PYTHON)
	$(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --require-hashes -r requirements-fuzz.txt
	@touch $@

$(DOCS)/.installed: requirements-docs.txt | $(PYTHON)
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --require-hashes -r requirements-docs.txt
	@touch $@

$(LOCK)/.installed: pyproject.toml | $(PYTHON)
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/python -m pip install --quiet '.[lock]'
	@touch $@

$(KUBECONFORM): renderer/pipeline/validate/go.mod renderer/pipeline/validate/go.sum renderer/pipeline/validate/go-toolchain.txt | $(PYTHON)
	$(PYTHON) -m renderer.pipeline.validate.install --to $(@D)

$(ACTIONLINT): tests/actionlint/go.mod tests/actionlint/go.sum | $(DEVELOPMENT)
	$(PYTHON) -m tests.actionlint.install $(@D)
