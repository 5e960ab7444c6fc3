# Two commands do everything on a fresh machine: `make demo` and `make test`.
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: help demo test check chaos cuts deliveries bench screenshots lock clean

help: ## Say what there is
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/server ## Show the product at work; ONCE=1 ends by itself after 150 s
	@$(BIN)/changeover demo $(if $(ONCE),--once)

test: .venv/dev check ## Run every check and every test
	@deploy/prerequisites modems
	@deploy/prerequisites databases
	@deploy/prerequisites mails
	@deploy/prerequisites prism
	@$(BIN)/pytest -q

check: .venv/dev ## Run the linters and the type checker
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

chaos: .venv/dev ## Kill and pause workers and broker under load; SEED=1 MINUTES=1
	@$(BIN)/python -m tests.chaos.run --seed $(or $(SEED),1) --minutes $(or $(MINUTES),1)

cuts: .venv/dev ## Cut the wire between a device and its servers; SEED=1 CUTS=200
	@$(BIN)/python -m tests.handover.cuts --seed $(or $(SEED),1) --cuts $(or $(CUTS),200)

deliveries: .venv/dev ## Kill those who deliver while a provider misbehaves; CHANNEL=email SEED=1 MESSAGES=2000
	@$(BIN)/python -m tests.chaos.deliver --channel $(or $(CHANNEL),email) --seed $(or $(SEED),1) \
	  --messages $(or $(MESSAGES),2000)

bench: .venv/bench ## Measure what is promised, beside its peers; NAME=core runs one
	@$(BIN)/python -m bench $(NAME)

screenshots: .venv/dev ## Take pictures of the pages with Debian's chromium
	@deploy/prerequisites chromium
	@$(BIN)/python -m tests.browser.screenshots screenshots

lock: ## Pin every dependency anew, with hashes (needs uv: pip install uv)
	@set -e; for lock in edge:edge server:edge,server dev:edge,server,dev bench:edge,server,dev,bench; do \
	  extras=$$(echo "$${lock#*:},build" | sed 's/,/ --extra /g'); \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --extra $$extras pyproject.toml -o deploy/requirements/$${lock%%:*}.txt; \
	done

clean: ## Remove what was built and what the demos left
	rm -rf .venv .cache .changeover/demo build *.egg-info screenshots

.venv/bin/python:
	@deploy/prerequisites python
	@python3 -m venv .venv

.venv/server .venv/dev .venv/bench: .venv/%: deploy/requirements/%.txt pyproject.toml | .venv/bin/python
	@deploy/prerequisites java
	@echo "installing Python packages ($*)"
	@$(INSTALL) --require-hashes -r $<
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@
