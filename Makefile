# What a developer does; CI does the same. `make PY=/path/to/python demo` uses another Python and installs nothing.

PY ?= .venv/bin/python
BIN = $(abspath $(dir $(PY)))
RUN = PATH="$(BIN):$$PATH" MLFLOW_DISABLE_TELEMETRY=true HF_HUB_DISABLE_TELEMETRY=1 DVC_NO_ANALYTICS=1

.DEFAULT_GOAL := help
.PHONY: help setup setup-all demo report test test-all chaos bench bench-quick lint format params

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(if $(filter .venv/bin/python,$(PY)),.venv/.installed)  ## make .venv and install the project with its tools

setup-all: $(if $(filter .venv/bin/python,$(PY)),.venv/.installed-all)

.venv/.installed-all: .venv/.installed
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,remotes]'
	touch $@

.venv/.installed: pyproject.toml constraints.txt
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup  ## run the whole pipeline on the embedded scenes and print the result
	$(RUN) python -m dvc repro
	@$(RUN) python -m erkt summary

report: setup  ## write report.html, the page of the run to hand on
	$(RUN) python -m dvc repro report
	@$(RUN) python -m erkt report

test: setup  ## run the tests
	$(RUN) python -m pytest --numprocesses auto --dist loadfile -m "not slow"

test-all: setup-all  ## run the long tests too: every kill, remotes over ssh and S3, MLflow on PostgreSQL
	$(RUN) python -m pytest --numprocesses auto --dist loadfile

chaos: setup  ## break a tiny run in more than a hundred ways, and say what became of each
	$(RUN) PYTHONPATH=tests:. python -m chaos

bench: setup  ## measure speed and memory as ratios, into metrics/bench-<device>.json
	$(RUN) python -m pytest benchmarks --quiet

bench-quick: setup  ## a few of them in fewer rounds and at small sizes, into .benchmarks/
	$(RUN) python -m pytest benchmarks --quiet --quick

lint: setup  ## check style, format and types
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

format: setup  ## put imports and lines in order
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

params: setup  ## check params.yaml and every preset
	$(RUN) python -m erkt params params.yaml presets/*.yaml
