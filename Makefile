# signstash-proxy. `make help` says what there is. Needs Go and make; tests use other tools where they are installed.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
OUT      ?= out
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  := -s -w -X main.version=$(VERSION)
PROGRAMS := $(notdir $(wildcard cmd/*))

# The race detector needs a C compiler. In CI it is not optional.
CC_FOUND := $(shell command -v $(or $(CC),cc) 2>/dev/null)
RACE     := $(if $(or $(CC_FOUND),$(CI)),-race)
# Two packages at a time suits two cores; a test that hangs is ended with a stack trace.
TESTFLAGS ?= -p 2 -timeout 15m

# ---------------------------------------------------------------------------------------------------------------------------
# Build and try
# ---------------------------------------------------------------------------------------------------------------------------

.PHONY: build
build: ## build the programs into bin/ (static, no C compiler needed)
	@mkdir -p bin
	@for program in $(PROGRAMS); do \
	  echo "build bin/$$program"; \
	  CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/$$program ./cmd/$$program; \
	done

.PHONY: demo
demo: build ## sign the sample documents over REST, sync and async, and check them; results in ./out; PROVIDER=csc: remotely, with timestamps
	@$(GO) run ./hack/demo -bin bin -out $(OUT) $(if $(PROVIDER),-provider $(PROVIDER))

.PHONY: run
run: build ## start the proxy on port 8080 with the embedded key; state in ./work
	@mkdir -p work
	@$(GO) run ./hack/demo -prepare work
	bin/proxy --work.folder=work --state.folder=work/state

# ---------------------------------------------------------------------------------------------------------------------------
# Tests
# ---------------------------------------------------------------------------------------------------------------------------

.PHONY: test
test: vet layers ## vet, layering check, all tests (with -race where there is a C compiler)
	@echo "test: $(if $(RACE),with,without) the race detector"
	$(if $(RACE),CGO_ENABLED=1) $(GO) test $(RACE) $(TESTFLAGS) ./...

SOAK_RUNS ?= 200
.PHONY: soak
soak: ## kill the proxy at SOAK_RUNS (200) random moments, beside a remote side that counts its signatures
	SOAK_RUNS=$(SOAK_RUNS) $(GO) test -count=1 -timeout 2h -run 'Crash|TestKill' ./cmd/proxy

.PHONY: vet
vet: ## the Go team's own checks
	$(GO) vet ./...

.PHONY: layers
layers: ## which package may import which (hack/layers/rules.go)
	$(GO) test -count=1 ./hack/layers

.PHONY: lint
lint: vet layers ## vet, layering check, formatting, staticcheck
	@unformatted=$$(gofmt -l cmd pkg hack); if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) tool -modfile=hack/tools/go.mod staticcheck ./...

FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (1m)
	@grep -rlE '^func Fuzz' --include='*_test.go' pkg cmd hack | sort | while read -r file; do \
	  for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$file"); do \
	    echo "fuzz $$target in $$(dirname "$$file")"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "./$$(dirname "$$file")"; \
	  done; \
	done

# ---------------------------------------------------------------------------------------------------------------------------
# Figures
# ---------------------------------------------------------------------------------------------------------------------------

.PHONY: bench
bench: build ## latency, throughput, memory and disk, as ratios to a floor measured in the same run; BENCHFLAGS='-case sync-1'
	@$(GO) run ./hack/bench -bin bin $(BENCHFLAGS)

# ---------------------------------------------------------------------------------------------------------------------------
# House
# ---------------------------------------------------------------------------------------------------------------------------

.PHONY: tools
tools: ## install the optional independent verifiers from Debian's packages
	hack/install-tools

.PHONY: clean
clean: ## remove what the targets above made, but not ./work
	rm -rf bin out

.PHONY: image
image: ## container image from scratch, with nothing pulled (needs docker or a tool that is called like it)
	hack/image

.PHONY: help
help: ## this list
	@awk -F ':.*## ' \
	  '/^# [A-Z][a-z ]+$$/ { title = substr($$0, 3) } \
	   /^[a-z0-9-]+:.*## / { if (title != "") { printf "\n%s\n", title; title = "" } printf "  make %-8s %s\n", $$1, $$2 }' Makefile
