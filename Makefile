# make run · make test · make lint · make study DIR=... · make check STUDY=... · make quality STUDY=... · make packet STUDY=... OUT=... · make plan ARGS=... · make predict CT=... BUNDLE=...
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CORES ?= all
# GPUs of this machine; only full-size trainings, predictions, fits and scores request one.
GPUS ?= 1
# Memory that all jobs together may request, MB: nine tenths of the machine's, where it is known.
MEM_MB ?= $(shell awk '/^MemTotal/ {print int($$2 * 0.9 / 1024)}' /proc/meminfo 2>/dev/null)
# More arguments for Snakemake, quoted as in a shell: make run ARGS="--keep-going --dry-run"
ARGS ?=
# Settings that replace the defaults in a study of your own. Default: the study's file `preset`, which
# `make study` writes, or else full size as in the paper (config/paper.yaml).
PRESET ?=
# One examination of `make predict`: a DICOM folder with both phases, or a file of each; and a code for its page.
CT ?=
ARTERIAL ?=
VENOUS ?=
PATIENT ?=
KEEP ?=
# What `make export` writes: seg, sr or keyimages.
FORMAT ?=
# By how much larger the voxels of a rehearsal are than at full size: for a machine without a GPU.
COARSER ?=

# Names reach Python through the environment, so that neither a shell nor make interprets them.
$(foreach name,STUDY DIR OUT BUNDLE PRESET ARGS CT ARTERIAL VENOUS PATIENT KEEP FORMAT COARSER,$(eval override $(name) := $$(value $(name))))
ifdef arterial
override ARTERIAL := $(value arterial)
endif
ifdef venous
override VENOUS := $(value venous)
endif
export STUDY DIR OUT BUNDLE PRESET ARGS CT ARTERIAL VENOUS PATIENT KEEP FORMAT COARSER CORES GPUS MEM_MB
RUN = @PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python -m nodestage.study.run --study="$$STUDY" --preset="$$PRESET" \
	--cores="$$CORES" --gpus="$$GPUS" --memory="$$MEM_MB" --more="$$ARGS"
ifneq ($(STUDY),)
# A mistake in the study's own files gives one clear message, before Snakemake reads them.
OWN = @$(BIN)/python -m nodestage.study.check --preset="$$PRESET" --no-images -- "$$STUDY/config.yaml"
endif
# Snakemake passes the path of Python to a shell without quotes.
export SAFE := ^[^][:space:]"'`$$\;&|<>(){}*?\#:[]+$$

# A packet made with WHEELS=1 has all packages beside nodestage: they are installed without an index.
WHEELHOUSE ?= $(wildcard ../wheels)
OFFLINE = $(if $(WHEELHOUSE),--no-index --find-links "$(WHEELHOUSE)")
EXTRAS = $(if $(WHEELHOUSE),radiomics,dev$(,)slurm$(,)radiomics)
, := ,

# There are many short jobs: without compiled files each of them would parse torch and nnU-Net again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-fast lint docs study check quality rehearsal packet plan weights bundle score predict export unlock clean help path

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# Before anything else of every command that needs the packages, in a clone that was moved after its set-up too.
path:
	@[[ "$$PWD" =~ $$SAFE ]] || { echo "This clone lies in $$PWD. Snakemake can't start Python from a folder" \
		"whose path has a blank, a quote, a bracket or another character that shells read. Move it to one of letters," \
		"digits and . _ - alone; studies and images may lie anywhere."; exit 1; }

$(VENV)/ready: pyproject.toml constraints.txt | path
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed (PYTHON=path/to/python3.11)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(OFFLINE) uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $${PIP_FIND_LINKS:+--find-links "$$PIP_FIND_LINKS"} \
		$(OFFLINE) -c constraints.txt -e ".[$(EXTRAS)]"
	$(BIN)/python -m nodestage.registration.compiled
	touch $@

run: $(VENV)/ready ## Run the simulated study, or your own with STUDY=folder
	$(OWN)
	$(RUN)
	@$(BIN)/python -m nodestage.report.summary -- "$${STUDY:-.}/results"

test: $(VENV)/ready ## Run all tests (about half an hour on two cores) and print the coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=
	@echo "Coverage of the library, without jobs that Snakemake starts: $$($(BIN)/coverage report --format=total) %"

test-fast: $(VENV)/ready ## Run the tests that neither train nor start Snakemake (under three minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

lint: $(VENV)/ready ## Check style, docstrings, types and spelling of the code, and the rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/snakefmt --check workflow
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/snakemake --lint

docs: $(VENV)/ready ## Build the documentation as a site, in site/
	$(BIN)/uv pip install --quiet --python $(BIN)/python $${PIP_FIND_LINKS:+--find-links "$$PIP_FIND_LINKS"} -c constraints.txt -e ".[docs]"
	$(BIN)/mkdocs build --strict --quiet

study: $(VENV)/ready ## Create a study of your own, with a config and an empty sheet: DIR=folder
	@test -n "$$DIR" || { echo "Name a folder: make study DIR=my_study"; exit 1; }
	@$(BIN)/python -m nodestage.study.new --preset="$$PRESET" -- "$$DIR"

check: $(VENV)/ready ## Check a study's config, sheet and image headers, in minutes: STUDY=folder
	@test -n "$$STUDY" || { echo "Name a study: make check STUDY=my_study"; exit 1; }
	@$(BIN)/python -m nodestage.study.check --preset="$$PRESET" -- "$$STUDY/config.yaml"

quality: $(VENV)/ready ## Make the pages on images, registration and organs, before the long part: STUDY=folder
	$(RUN) first_looks
	$(RUN) qualities

packet: $(VENV)/ready ## Make a packet for a hospital that keeps its images: STUDY=folder OUT=folder or .zip, WHEELS=1 with all packages
	@test -n "$$OUT" || { echo "Name a file or folder: make packet STUDY=my_study OUT=packet.zip"; exit 1; }
	@$(BIN)/python -m nodestage.exchange.packet $(if $(WHEELS),--wheels) -- "$${STUDY:-.}/results/bundle" "$$OUT"

plan: $(VENV)/ready ## Count the patients that an external validation needs: ARGS="--prevalence 0.4 --auc 0.75"; ARGS=--help
	@$(BIN)/python -m nodestage.study.plan --more="$$ARGS"

rehearsal: $(VENV)/ready ## Run every stage of full size once, on few simulated patients, and table what each took: DIR=folder, COARSER=5 for larger voxels
	@test -n "$$DIR" || { echo "Name a folder: make rehearsal DIR=my_rehearsal"; exit 1; }
	@$(BIN)/python -m nodestage.study.rehearsal --coarser="$${COARSER:-1}" -- "$$DIR"
	@STUDY="$$DIR" PRESET= $(MAKE) --no-print-directory run
	@$(BIN)/python -m nodestage.report.costs --patients 940 --output "$$DIR/costs.md" -- "$$DIR"

weights: $(VENV)/ready ## Fetch the published weights that the paper starts from, and check their digests
	@$(BIN)/python -m nodestage.study.fetch

bundle: $(VENV)/ready ## Check that a bundle is complete and unchanged: BUNDLE=folder
	@test -n "$$BUNDLE" || { echo "Name a bundle: make bundle BUNDLE=../bundle"; exit 1; }
	@$(BIN)/python -m nodestage.exchange.bundle -- "$$BUNDLE"

score: $(VENV)/ready ## Score patients at such a hospital with the bundle that the config names: STUDY=folder
	@test -n "$$STUDY" || { echo "Name a study: make score STUDY=../study"; exit 1; }
	@$(BIN)/python -m nodestage.exchange.bundle --study="$$STUDY" $${BUNDLE:+-- "$$BUNDLE"}
	@$(BIN)/python -m nodestage.study.check $${BUNDLE:+--bundle="$$BUNDLE"} --no-images -- "$$STUDY/config.yaml"
	$(RUN) --score --bundle="$$BUNDLE"
	@$(BIN)/python -m nodestage.report.summary -- "$$STUDY/results"

predict: $(VENV)/ready ## Score one examination: CT=folder, or ARTERIAL=file VENOUS=file; BUNDLE=folder OUT=folder PATIENT=code; ARGS=--help
	@$(BIN)/python -m nodestage.command predict --more="$$ARGS" $${BUNDLE:+--bundle="$$BUNDLE"} $${OUT:+--out="$$OUT"} \
		$${ARTERIAL:+--arterial="$$ARTERIAL"} $${VENOUS:+--venous="$$VENOUS"} $${PATIENT:+--patient="$$PATIENT"} \
		$${KEEP:+--keep="$$KEEP"} --cores="$$CORES" -- $${CT:+"$$CT"}

export: $(VENV)/ready ## Write results as DICOM for the hospital's own viewer: STUDY=folder FORMAT=seg, sr or keyimages; PATIENT=code
	@test -n "$$STUDY" || { echo "Name a study: make export STUDY=my_study FORMAT=seg"; exit 1; }
	@$(BIN)/python -m nodestage.command export --format="$$FORMAT" --patient="$$PATIENT" --preset="$$PRESET" \
		--cores="$$CORES" --gpus="$$GPUS" --memory="$$MEM_MB" --snakemake="$$ARGS" -- "$$STUDY"

unlock: $(VENV)/ready ## Unlock the folder after Snakemake was killed; the next run redoes only unfinished jobs: STUDY=folder
	@test -z "$$STUDY" || $(BIN)/python -m nodestage.study.folder -- "$$STUDY"
	$(RUN) --unlock

clean: ## Remove caches, but no results
	rm -rf .pytest_cache .ruff_cache .mypy_cache .coverage site build *.egg-info workflow/lib/*.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
