# Every target is explained by `make help`. Versions are pinned here.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION   := $(shell git describe --always --dirty 2>/dev/null || echo development)
TAGS      := netgo osusergo sqlite_omit_load_extension
GO_BUILD  := go build -trimpath -tags '$(TAGS)'
WIREGUARD := golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME  ?= 20000x

.PHONY: help build deps run verify test test-kernel fuzz bench lint screenshot

help: ## Explain every target
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 10

build: ## Build build/gatehouse and build/lab
	@mkdir -p build
	$(GO_BUILD) -ldflags '-X main.version=$(VERSION)' -o build/gatehouse ./cmd/gatehouse
	$(GO_BUILD) -o build/lab ./cmd/lab

deps: ## Install from Debian what building and testing need
	@scripts/deps.sh

run: deps build ## Start the lab: two offices on a small internet, and the page
	build/lab run

verify: deps build ## Run every check of the lab, one line each
	build/lab verify

test: deps build ## Run every test
	scripts/test.sh

test-kernel: deps build ## Run the tests that need a Debian kernel, in a guest under QEMU
	scripts/test-kernel.sh

fuzz: ## Run every fuzz target for FUZZTIME (20000x inputs, or a time such as 10m)
	scripts/fuzz.sh $(FUZZTIME)

bench: deps build ## Measure, as ratios of one run
	go test -run '^$$' -bench . -benchmem ./ipsec/... ./firewall/... ./store/... ./cmd/gatehouse
	GOBIN='$(CURDIR)/build' go install $(WIREGUARD)
	scripts/kernels.sh trixie
	go run ./cmd/guest --kernel build/kernel/trixie --instructions --timeout 5m ./firewall -test.run '^TestMeasure' -test.v
	build/lab scale
	build/lab bench --wireguard-go build/wireguard

screenshot: deps build ## Take docs/overview.png anew
	cd web/browsertest && npm ci --no-audit --no-fund --silent && node screenshot.mjs

lint: ## gofmt, go vet, staticcheck, govulncheck where it can reach its data
	STATICCHECK='$(STATICCHECK)' GOVULNCHECK='$(GOVULNCHECK)' scripts/lint.sh
