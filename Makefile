# Backstop. `make help` lists the targets; each sets up what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export BACKSTOP_VENV ?= $(CURDIR)/.venv
PORT ?= 4566
FN ?= ssh-access
EVENT ?= functions/ssh-access/fixtures/authorize-tcp22-world.json
PYTHON := $(BACKSTOP_VENV)/gateway/bin/python

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: venv
venv: ## the Python environments of the local AWS, cargo-lambda, and the AWS CLI
	@tests/aws/venv.sh gateway moto tools cli

# The CDK app's packages, and the stacks as the demo and the tests deploy them to the local AWS.
infra/node_modules/.package-lock.json: infra/package.json infra/package-lock.json
	cd infra && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

INFRA := $(wildcard infra/bin/*.ts infra/lib/*.ts infra/automation/*) infra/manifest.json infra/cdk.json
infra/local.out/cdk.out: infra/node_modules/.package-lock.json $(INFRA) tests/aws/backstop.toml
	cd infra && BACKSTOP_CONFIG=../tests/aws/backstop.toml npx cdk synth --quiet --output local.out \
	  -c placeholder=true -c deployed=all -c home-region=eu-west-1 >/dev/null
	@touch $@

.PHONY: synth-local
synth-local: infra/local.out/cdk.out ## the stacks that the local AWS gets

# The policy that is deployed: a path from here, also where a target works in infra/.
POLICY = $(abspath $(or $(BACKSTOP_CONFIG),config/backstop.toml))

.PHONY: synth
synth: infra/node_modules/.package-lock.json ## the CloudFormation templates, into infra/cdk.out
	cd infra && BACKSTOP_CONFIG="$(POLICY)" npx cdk synth --quiet -c placeholder=true

# The deployment packages: one cargo command that names the functions, without CLI and tests,
# linked with zig against the glibc that Lambda has.
ARCHITECTURE = $(shell node -p 'require("./infra/cdk.json").context.architecture')
FUNCTIONS = $(shell node -p 'require("./infra/manifest.json").map((m) => m.responder).join(" ")')
PACKAGES = $(CARGO_TARGET_DIR)/lambda
.PHONY: package
package: ## check the policy, and build the functions for Lambda, for the architecture in infra/cdk.json
	@# A function with a wrong policy does not start: better that this does not.
	cargo run --locked --quiet --bin backstop -- config check "$(POLICY)"
	@tests/aws/venv.sh build >/dev/null
	PATH="$(BACKSTOP_VENV)/build/bin:$$PATH" cargo-lambda lambda build --release --locked \
	  --$(subst _,-,$(ARCHITECTURE)) --lambda-dir "$(PACKAGES)" $(FUNCTIONS:%=--package %)
	@for f in $(FUNCTIONS); do cp "$(POLICY)" "$(PACKAGES)/$$f/backstop.toml"; done

DEPLOY = cd infra && NODE_NO_WARNINGS=1 BACKSTOP_CONFIG="$(POLICY)" BACKSTOP_PACKAGES="$(PACKAGES)" node --import tsx bin/deploy.ts
.PHONY: diff deploy destroy
diff: package infra/node_modules/.package-lock.json ## what a deployment would change
	$(DEPLOY) diff
deploy: package infra/node_modules/.package-lock.json ## say what will be done, ask, and deploy; YES=1 does not ask
	$(DEPLOY) deploy $(if $(YES),--yes)
destroy: infra/node_modules/.package-lock.json ## remove everything but the journal and the logs
	$(DEPLOY) destroy $(if $(YES),--yes) $(if $(FORCE),--force)

.PHONY: build
build: ## build everything, dev profile
	cargo build --workspace --locked

.PHONY: demo
demo: venv synth-local ## a real event closes port 22 on a local AWS, told as it happens
	cargo build --locked -p ssh-access -p backstop-tests -p backstop-cli --bins
	@tests/aws/with.sh "$(CARGO_TARGET_DIR)/debug/demo" "$(CARGO_TARGET_DIR)/debug/ssh-access"

.PHONY: test
test: venv synth-local ## all tests, on a local AWS of their own; then the proof of the roles by its record
	cargo build --locked --workspace --bins
	@tests/aws/with.sh bash -c 'cargo nextest run --locked --workspace && cd infra && node --import tsx proof/prove.ts && \
	  BACKSTOP_BINARY="$(CARGO_TARGET_DIR)/debug/ssh-access" npm run --silent test:local'
	cargo test --locked --workspace --doc --quiet
	tests/aws/test.sh
	cd infra && npm test

# A release is one cargo command that names the functions, without CLI and tests.
.PHONY: bench
bench: venv ## every budget, measured on release builds; fails if one is missed
	cargo build --locked --release -p ssh-access -p backstop-baseline
	cargo build --locked -p backstop-bench --features harness
	@tests/aws/with.sh "$(CARGO_TARGET_DIR)/debug/bench" "$(CARGO_TARGET_DIR)/release/ssh-access" "$(CARGO_TARGET_DIR)/release/baseline"

.PHONY: aws
aws: venv ## a local AWS on PORT (4566) in the foreground, with table, topics and policy ready
	$(PYTHON) tests/aws/serve.py --port $(PORT) --setup

.PHONY: aws-env
aws-env: ## the export lines that point a function, the CLI or any SDK at it
	@printf 'export %s\n' \
	  AWS_ENDPOINT_URL=http://127.0.0.1:$(PORT) AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1 \
	  AWS_ACCESS_KEY_ID=111111111111 AWS_SECRET_ACCESS_KEY=dummy \
	  BACKSTOP_CONFIG=$(CURDIR)/tests/aws/backstop.toml BACKSTOP_TABLE=backstop-journal \
	  BACKSTOP_LANE=unattended \
	  BACKSTOP_TOPIC_PAGE=arn:aws:sns:us-east-1:111111111111:backstop-page \
	  BACKSTOP_TOPIC_TICKET=arn:aws:sns:us-east-1:111111111111:backstop-ticket \
	  BACKSTOP_TOPIC_INFO=arn:aws:sns:us-east-1:111111111111:backstop-info

.PHONY: watch
watch: venv ## serve the functions with cargo-lambda, against `make aws`
	eval "$$($(MAKE) --no-print-directory aws-env)"; \
	$(BACKSTOP_VENV)/tools/bin/cargo-lambda lambda watch -A 127.0.0.1 --ignore-changes

.PHONY: invoke
invoke: venv ## send EVENT to FN, which `make watch` serves
	$(BACKSTOP_VENV)/tools/bin/cargo-lambda lambda invoke -A 127.0.0.1 $(FN) --data-file $(EVENT)

.PHONY: lint
lint: synth-local ## formatting and lints, of the templates too
	cd infra && npx tsc
	@tests/aws/venv.sh lint >/dev/null
	@cd infra && BACKSTOP_CONFIG=test/everything.toml npx cdk synth --quiet --output cdk.out/everything \
	  -c placeholder=true -c architecture=x86_64 -c approvals=2 -c trail-log-group=trail \
	  -c approvers=arn:aws:iam::111111111111:role/One,arn:aws:iam::111111111111:role/Two \
	  -c email-page=p@example.com -c email-ticket=t@example.com -c email-info=i@example.com >/dev/null
	$(BACKSTOP_VENV)/lint/bin/cfn-lint infra/local.out/*.template.json infra/cdk.out/everything/*.template.json
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features backstop-bench/harness -- -D warnings

.PHONY: generate
generate: ## write the files that are derived from the code
	BACKSTOP_BLESS=1 cargo nextest run --locked --workspace -E 'test(generated)'

.PHONY: docs
docs: ## the API documentation
	cargo doc --locked --workspace --no-deps

.PHONY: ci
ci: lint test ## what CI runs
