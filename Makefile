# Two commands do everything: `make lab` opens the notebooks, `make test` proves them. The first run of either sets up .venv.
PYTHON ?= python3
BIN := .venv/bin
# One thread a process: both cores are busy with processes already. No progress bars in compared notebooks. Bytecode is kept,
# also where the environment says not to: else each of some hundred processes compiles torch and Jupyter anew.
TESTENV := OMP_NUM_THREADS=1 PYTHONHASHSEED=0 TQDM_DISABLE=1 PYTHONDONTWRITEBYTECODE=

PEERS := .venv-peers/bin
# Where an environment has its packages.
SITE := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'

.PHONY: lab test lint current quick peers parity benchmarks benchmarks-gpu sweeps sweep-pages notebooks figures site clean
.DEFAULT_GOAL := lab

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python is {sys.version.split()[0]}, but must be 3.11 or newer: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[test]'
	touch $@

# Trusted, so that the saved explorers move before a cell is run; root, as in a container, has to be told to Jupyter.
lab: .venv/installed
	$(BIN)/jupyter trust notebooks/*.ipynb
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

# What keeps one core busy goes side by side, and then both have tests.
test: .venv/installed
	$(MAKE) --jobs 2 lint current .venv-peers/installed
	$(TESTENV) $(BIN)/python -m pytest -rs -n 2 --dist loadfile --no-loadscope-reorder
	$(TESTENV) $(BIN)/python -m pytest -p tests.helpers.strict_notebooks --nbval --nbval-current-env \
		--nbval-sanitize-with tests/helpers/nbval_sanitize.cfg --nbval-cell-timeout 120 -n 2 --dist loadscope notebooks
	$(MAKE) peers

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Whether the committed figures are those that are drawn now.
current: .venv/installed
	$(TESTENV) $(BIN)/python -m xception_edu figures --out figures --check

# Within a minute on two cores: lint, types, and what is claimed of the heart and of the house.
quick: lint
	$(TESTENV) $(BIN)/python -m pytest -n 2 -m "not slow" tests/core tests/recipes tests/house

# It sees what lies in .venv: only the peers, and what they need, come anew. What is in it hides what is there.
.venv-peers/installed: .venv/installed tests/peers/requirements.txt tests/peers/requirements-no-deps.txt
	test -x $(PEERS)/python || $(PYTHON) -m venv .venv-peers
	$(BIN)/python $(SITE) > "$$($(PEERS)/python $(SITE))/main.pth"
	$(PEERS)/python -m pip install --quiet --disable-pip-version-check --no-compile --requirement tests/peers/requirements.txt
	$(PEERS)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --requirement tests/peers/requirements-no-deps.txt
	touch $@

peers: .venv-peers/installed
	$(TESTENV) $(PEERS)/python -m pytest -n 2 tests/peers

parity: .venv-peers/installed
	PYTHONPATH=. $(PEERS)/python tests/peers/parity.py results/parity.json

# As many threads as torch takes by itself: these times are for an idle machine.
benchmarks: .venv/installed .venv-peers/installed
	$(BIN)/python -m xception_edu benchmark all
	$(BIN)/python experiments/startup.py
	PYTHONPATH=. $(PEERS)/python experiments/counting.py
	PYTHONPATH=. $(PEERS)/python experiments/networks.py
	PYTHONPATH=. $(PEERS)/python experiments/race_turns.py
	PYTHONPATH=. $(PEERS)/python experiments/faster_step.py
	PYTHONPATH=. $(BIN)/python experiments/pointwise.py
	$(BIN)/python experiments/readme_tables.py
	$(BIN)/python -m xception_edu figures --out figures

# On a machine with a GPU, and a torch that knows it: layers, segments and mistakes there, and the networks at three batch sizes.
benchmarks-gpu: .venv/installed .venv-peers/installed
	$(BIN)/python -m xception_edu benchmark all --device cuda --out results/gpu
	PYTHONPATH=. $(PEERS)/python experiments/networks.py --device cuda --batches 64 128 256 --dtypes bfloat16
	$(BIN)/python experiments/readme_tables.py
	$(BIN)/python -m xception_edu figures --out figures

# Every plan of experiments/plans, by name, and what was stopped goes on: hours on two cores. DATA says where CIFAR-10 lies.
sweeps: .venv/installed
	for plan in experiments/plans/*.json; do \
		$(BIN)/python -m xception_edu sweep $$plan --out runs/sweeps $(if $(DATA),--data $(DATA)) || exit; done
	$(BIN)/python experiments/sweep_results.py runs/sweeps
	$(MAKE) sweep-pages

# What shows the sweeps: both pages, the figures, and the two notebooks with their explorer.
sweep-pages: .venv/installed
	$(BIN)/python experiments/claims.py
	$(BIN)/python experiments/sweep_report.py
	$(TESTENV) $(BIN)/python -m xception_edu figures --out figures
	$(TESTENV) $(BIN)/python tests/helpers/run_notebooks.py notebooks/10*.ipynb notebooks/13*.ipynb

notebooks: .venv/installed
	$(TESTENV) $(BIN)/python tests/helpers/run_notebooks.py notebooks/*.ipynb

figures: .venv/installed
	$(TESTENV) $(BIN)/python -m xception_edu figures --out figures

# A static copy of the course in build/site, whose explorers move without a kernel and without a network. With
# REPOSITORY=OWNER/NAME, its name on GitHub, every notebook's page has badges that open it on mybinder.org and in Colab.
site: .venv/installed
	$(BIN)/python site/build.py --out build/site $(if $(REPOSITORY),--repository '$(REPOSITORY)')

clean:
	rm -rf .venv .venv-peers build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis test-artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
