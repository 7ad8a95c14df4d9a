# make demo and make test set everything up by themselves: a virtual environment in .venv with pinned packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

TARGETS := manifest bundle statement vsa onnx differential_diff
SECONDS := 60

.PHONY: help demo test check coverage fuzz bench docs lock clean

help:
	@echo "make demo      pack, sign, verify and score a real model, then three refusals"
	@echo "make test      the tests"
	@echo "make check     lint, types and import contracts"
	@echo "make coverage  branch coverage of everything that decides (floors 0 to 3)"
	@echo "make fuzz      the decoders under a coverage-guided fuzzer, SECONDS=60 for each of TARGETS"
	@echo "make bench     speed beside the peers, as ratios, into docs/performance.md; takes a quarter of an hour"
	@echo "make docs      write the generated pages again"
	@echo "make lock      pin the newest packages that fit (needs uv)"
	@echo "make clean     remove the virtual environment and caches"

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mlsign needs Python 3.11 or newer; say which with make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (once; takes a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)
	@$(BIN)/python examples/demo.py

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(READY)
	$(BIN)/python -m pytest -q tests/unit tests/properties --cov=mlsign --cov-branch --cov-report=
	$(BIN)/coverage report --fail-under=100 --show-missing --skip-covered --include="src/mlsign/*.py,src/mlsign/formats/*,src/mlsign/onnx/*,src/mlsign/evidence/*,src/mlsign/trust/*,src/mlsign/policy/*,src/mlsign/compare/*" --omit="src/mlsign/__main__.py"

fuzz: $(READY)
	@set -e; for target in $(TARGETS); do case $$target in differential_*) file=$$target;; *) file=decode_$$target;; esac; $(BIN)/python fuzz/$$file.py $(SECONDS); done

bench: $(READY)
	$(BIN)/python bench/run.py

docs: $(READY)
	$(BIN)/python docs/build.py

lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage demo build dist
