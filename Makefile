# Everything is set up on first use and left alone afterwards; `make clean` starts over.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# One process a core, each with one thread; the tests of one file stay together, for they share what they train.
SHARED := --numprocesses auto --dist loadfile --no-loadscope-reorder

# Where the public data sets lie, for what needs them.
DATA   := $(or $(KGREC_DATA),../shared/data)

.PHONY: demo test test-slow test-spark check docs figures lock clean

demo: $(READY)
	$(BIN)/kgrec demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest $(SHARED) -m "not slow and not gpu"

test-slow: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest $(SHARED) --durations 12 -m "slow and not gpu"

# 450 MB of Spark and a Java, which the other tests do without.
test-spark: $(READY)
	command -v java > /dev/null || apt-get install --yes --no-install-recommends openjdk-17-jre-headless
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable ".[spark]"
	$(BIN)/pytest tests/kg/rdf/test_engine.py -m slow

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site in build/site: the pages of docs/, the API from docstrings, the notebooks as executed. `make -j 2 docs` uses two cores.
BOOKS  := build/notebooks
STATE  := $(BOOKS)/.with$(if $(wildcard $(DATA)/ml-100k),,out)-data
RUNS   := runs

docs: $(READY) $(patsubst notebooks/%.ipynb,$(BOOKS)/%.md,$(wildcard notebooks/*.ipynb))
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A notebook is executed when it has changed; all of them, with what they trained cleared, when the code has, or when data came.
$(BOOKS)/%.md: notebooks/%.ipynb $(STATE) | $(READY)
	KGREC_DATA=$(abspath $(DATA)) KGREC_RUNS=$(CURDIR)/$(BOOKS)/$(RUNS) OMP_NUM_THREADS=1 $(BIN)/python docs/making/execute.py $< $@

$(STATE): docs/making/execute.py $(shell find kg models training $(wildcard kgrec.py) -type f -not -name "*.pyc")
	rm -rf $(BOOKS)
	mkdir -p $(BOOKS)
	touch $@

# 04 reads the run of 02. 03 has a folder of its own, so that it may run beside them.
$(BOOKS)/04_user_behaviour.md: $(BOOKS)/02_train.md
$(BOOKS)/03_cold_start.md: RUNS := study

# The figures that README shows, drawn again: about ten minutes on one core.
figures: $(READY)
	$(BIN)/kgrec build movielens-100k --data $(DATA) --out graphs/ml-100k
	$(BIN)/kgrec train graphs/ml-100k --split u1 --out runs/u1
	$(BIN)/kgrec explain runs/u1 --history 50=5,181=4,172=5,288=1 --item 174 --figure docs/figures/why.svg --overwrite
	$(BIN)/kgrec beyond runs/u1 --out runs/beyond
	$(BIN)/kgrec cold-start graphs/ml-100k --no-ablate --out runs/cold-start
	cp runs/beyond/trade-off.svg runs/cold-start/figures/few_shot_users.svg docs/figures/

# torch comes first and by version: a range would fetch gigabytes of CUDA libraries.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("kgrec needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25"
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' requirements.lock)"
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(READY)

lock: $(READY)
	$(BIN)/python -m pip install --quiet --upgrade --upgrade-strategy only-if-needed --editable ".[dev,docs]"
	$(BIN)/python -m pip freeze --exclude-editable --exclude kgrec | sed 's/^torch==\([0-9.]*\).*/torch==\1/' > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf $(VENV) graphs runs build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
