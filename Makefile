# `make demo` and `make test` set up everything they need; nothing else has to be installed.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := .demo
# The arms that have records; the others of the recipe have not been run.
README_ARMS := --arm relu --arm swish --arm series --arm lslu

.PHONY: demo test check slow format tables clean

demo: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/actbench train demo_fair_digits --calibrate --results-dir $(DEMO)/results --no-progress
	$(BIN)/actbench calibrate demo_fair_digits --check --results-dir $(DEMO)/results --no-progress
	$(BIN)/actbench plot waterfall demo_fair_digits --results-dir $(DEMO)/results -o $(DEMO)/waterfall.png
	$(BIN)/actbench waterfall demo_fair_digits --results-dir $(DEMO)/results

# One thread per worker: workers that share cores wait for each other's threads otherwise.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

slow: $(READY)
	$(BIN)/python -m pytest -m slow

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The tables and figures in README.md and docs/ are made from the records in results/.
tables: $(READY)
	$(BIN)/actbench waterfall demo_fair_digits -o README.md
	$(BIN)/actbench plot waterfall demo_fair_digits -o docs/figures/demo_waterfall.png
	$(BIN)/actbench plot lr demo_fair_digits -o docs/figures/demo_lr.png
	$(BIN)/actbench waterfall lslu_pwlu_vanillanet_c100_fair -o docs/fair.md
	$(BIN)/actbench plot waterfall lslu_pwlu_vanillanet_c100_fair --arm lslu -o docs/figures/lslu_waterfall.png
	$(BIN)/actbench plot waterfall lslu_pwlu_vanillanet_c100_fair --arm pwlu -o docs/figures/pwlu_waterfall.png
	$(BIN)/actbench export-table lslu_vanillanet_c100 $(README_ARMS) --format markdown -o README.md
	$(BIN)/actbench export-table pwlu_resnet20_c100 --format markdown -o README.md
	$(BIN)/actbench export-table pwlu_decay_resnet8_c100 --format markdown -o docs/pwlu.md
	$(BIN)/actbench export-table zoo_resnet8_c100 --format markdown -o docs/zoo.md
	$(BIN)/actbench export-table apalu_signdigits --format markdown -o docs/zoo.md
	$(BIN)/actbench export-table talu_mnist --format markdown -o docs/zoo.md
	$(BIN)/actbench export-table raft_bert_small_sst2 --format markdown -o docs/zoo.md
	$(BIN)/actbench plot shapes pwlu_resnet20_c100 --arm pwlu --seeds 0 -o docs/figures/pwlu_shapes.png
	$(BIN)/actbench plot shapes pwlu_resnet20_c100 --arm pwlu --seeds 0 --minus-relu -o docs/figures/pwlu_shapes_minus_relu.png
	$(BIN)/actbench plot params lslu_vanillanet_c100 --arm lslu --param theta --param omega -o docs/figures/lslu_theta_omega.png
	$(BIN)/actbench plot curves lslu_vanillanet_c100 $(README_ARMS) --show val -o docs/figures/lslu_curves.png
	$(BIN)/actbench plot seeds lslu_vanillanet_c100 $(README_ARMS) -o docs/figures/lslu_seeds.png
	$(BIN)/actbench plot pareto zoo_resnet8_c100 --width 6.5 -o docs/figures/zoo_pareto.png
	$(BIN)/actbench plot seeds zoo_resnet8_c100 --width 5 -o docs/figures/zoo_seeds.png

clean:
	rm -rf $(VENV) $(DEMO) build dist

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): PyTorch and what it needs, about 3 GB to download and 6 GB on disk, a few minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(READY)
