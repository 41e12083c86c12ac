# Two commands do everything: `make lab` opens the notebooks, `make test` proves them. The first run of either sets up .venv.
PYTHON ?= python3
BIN := .venv/bin
# One thread a process: both cores are busy with processes already. No progress bars in compared notebooks.
TESTENV := OMP_NUM_THREADS=1 PYTHONHASHSEED=0 TQDM_DISABLE=1

.PHONY: lab test notebooks figures clean
.DEFAULT_GOAL := lab

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python is {sys.version.split()[0]}, but must be 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

lab: .venv/installed
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --notebook-dir=notebooks

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(TESTENV) $(BIN)/python -m pytest -n 2 --dist loadfile
	$(TESTENV) $(BIN)/python -m pytest -p tests.strict_notebooks --nbval --nbval-current-env \
		--nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-cell-timeout 120 -n 2 --dist loadscope notebooks
	$(TESTENV) $(BIN)/python -m xception_edu figures --out figures --check

notebooks: .venv/installed
	$(TESTENV) $(BIN)/python tests/run_notebooks.py notebooks/*.ipynb

figures: .venv/installed
	$(TESTENV) $(BIN)/python -m xception_edu figures --out figures

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis test-artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
