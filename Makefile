# Every target sets up what it needs by itself: a virtual environment in .venv with the locked dependencies.
# The first time on a machine llama.cpp is compiled (some minutes); afterwards a target starts at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
STAMP := $(VENV)/.installed
PORCUPINE := .cache/pvporcupine-1.9.5
PIPECAT := .cache/pipecat/.installed
# Rounds of every fault in `make faults`; `make test` runs each once.
ROUNDS ?= 10

# Bodies for every route of /v1, and examples for every route there is, in `make fuzz`; `make test` has a few of each.
BODIES ?= 15000
EXAMPLES ?= 1000

# Simulated turns in `make soak`; `make test` has 300.
TURNS ?= 10000

.PHONY: help setup run test check format bench bench-voice pages faults soak fuzz lock docs clean

help:
	@echo "make run     start Solo and its dashboard (Ctrl+C stops)"
	@echo "make test    all tests, with real engines; slow suites in their short form"
	@echo "make check   format, lint, types, import contracts"
	@echo "make bench   measure against the bare engines"
	@echo "make bench-voice  voice-to-voice against Pipecat with the same models, which it installs for that"
	@echo "make pages   the voice page in a real browser, spoken to and interrupted in real time"
	@echo "make faults  kill, freeze and crash every engine, ROUNDS=$(ROUNDS) times each"
	@echo "make soak    TURNS=$(TURNS) simulated turns with interruptions, lost devices and dying engines, in virtual time"
	@echo "make fuzz    what is allowed and what is not, EXAMPLES=$(EXAMPLES) times for every route"
	@echo "make lock    resolve the dependencies afresh; make docs regenerates the reference pages"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml scripts/install.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Solo needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@command -v c++ >/dev/null || { echo "llama.cpp needs a C++ compiler (Debian: apt-get install g++)"; exit 1; }
	@command -v cmake >/dev/null || { echo "llama.cpp needs CMake (Debian: apt-get install cmake)"; exit 1; }
	@echo "setting up $(VENV); the first time on a machine llama.cpp is compiled, which takes some minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@$(BIN)/python scripts/install.py
	@touch $(STAMP)

run: setup
	@exec $(BIN)/solo run --dashboard

test: setup $(PORCUPINE)
	$(BIN)/python -m pytest tests

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.reference --check

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m tests.bench

bench-voice: setup $(PIPECAT)
	$(BIN)/python -m tests.bench against_pipecat

faults: setup
	TEST_FAULT_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/faults -s --timeout=3600

soak: setup
	TEST_SOAK_TURNS=$(TURNS) $(BIN)/python -m pytest tests/faults/test_voice_soak.py -s --timeout=36000

fuzz: setup
	TEST_FUZZ_ROUNDS=$(BODIES) $(BIN)/python -m pytest tests/unit/services/test_api_v1_fuzz.py \
		tests/unit/services/test_sockets_fuzz.py tests/unit/services/test_realtime_fuzz.py --timeout=7200
	TEST_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest tests/fuzz --timeout=7200

docs: setup
	$(BIN)/python -m scripts.reference

pages: setup
	TEST_PAGES=1 $(BIN)/python -m pytest tests/acceptance/test_voice_page.py

lock: setup
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header \
		--quiet --upgrade -o requirements.lock

# The last Porcupine that needs no key, for the contract test of its adapter; its dependency enum34 breaks Python 3.
$(PORCUPINE): $(STAMP)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --target $(PORCUPINE) pvporcupine==1.9.5 \
		|| echo "pvporcupine 1.9.5 cannot be installed here; its contract test will be skipped"

# A peer to measure against, in an environment of its own; nothing of Solo needs it.
$(PIPECAT): $(STAMP)
	@$(BIN)/uv venv --quiet --clear .cache/pipecat
	@$(BIN)/uv pip install --quiet --python .cache/pipecat/bin/python "pipecat-ai[whisper,piper,silero,openai]==1.14"
	@touch $(PIPECAT)

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
