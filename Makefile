# signstash-proxy. `make help` lists all targets. Needs Go and make. Tests use other tools if they are installed.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
OUT      ?= out
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  := -s -w -X main.version=$(VERSION)
PROGRAMS := $(notdir $(wildcard cmd/*))
# Programs for developers run with the flags of the built programs, so that each package is compiled once.
RUN      := CGO_ENABLED=0 $(GO) run -trimpath

# The race detector needs a C compiler. In CI it is not optional.
CC_FOUND := $(shell command -v $(or $(CC),cc) 2>/dev/null)
RACE     := $(if $(or $(CC_FOUND),$(CI)),-race)
# SQLite is C code that was translated to Go. Its memory is outside the Go heap, where the race detector checks nothing.
# Without the detector's instructions in these packages the fault matrices need a third less CPU time.
RACEFLAGS := $(if $(RACE),$(foreach package,sqlite/lib libc memory,-gcflags=modernc.org/$(package)=-race=false))
# By default each test program with the detector sleeps for a second before it ends.
GORACE   ?= atexit_sleep_ms=100
# Three packages at a time keep two cores busy, because many tests wait for programs. The time-out ends a test that hangs,
# with a stack trace.
TESTFLAGS ?= -p 3 -timeout 30m

# ---------------------------------------------------------------------------------------------------------------------------
# Build and try
# ---------------------------------------------------------------------------------------------------------------------------

.PHONY: build
build: $(PROGRAMS:%=bin/%) ## build the programs into bin/ (static, no C compiler needed)

.PHONY: $(PROGRAMS:%=bin/%)
$(PROGRAMS:%=bin/%): bin/%:
	@mkdir -p bin
	@echo "build $@"
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/$*

.PHONY: demo
demo: bin/proxy bin/signctl ## sign the sample PDF, XML and CMS documents over REST, sync and async, and in a hot folder, and have them judged; results are in ./out. PROVIDER=csc signs remotely, with timestamps
	@$(RUN) ./hack/demo -bin bin -out $(OUT) $(if $(PROVIDER),-provider $(PROVIDER))

.PHONY: run
run: bin/proxy bin/signctl ## start the proxy on 127.0.0.1:8080 with the embedded key; state in ./work (SERVER_ADDRESS=0.0.0.0: on all addresses)
	@mkdir -p work
	@$(RUN) ./hack/demo -prepare work
	SERVER_ADDRESS=$${SERVER_ADDRESS:-127.0.0.1} MANAGEMENT_SERVER_ADDRESS=$${MANAGEMENT_SERVER_ADDRESS:-127.0.0.1} \
	  bin/proxy --work.folder=work --state.folder=work/state

# ---------------------------------------------------------------------------------------------------------------------------
# Tests
# ---------------------------------------------------------------------------------------------------------------------------

.PHONY: test
test: vet layers ## vet, layering check and all tests (with -race if there is a C compiler)
	@echo "test: $(if $(RACE),with,without) the race detector"
	@KUBEBUILDER_ASSETS=$$(hack/envtest/assets); HELM=$$(hack/envtest/helm); export KUBEBUILDER_ASSETS HELM; export GORACE="$(GORACE)"; set -x; \
	$(if $(RACE),CGO_ENABLED=1) $(GO) test $(RACE) $(RACEFLAGS) $(TESTFLAGS) ./... && \
	$(GO) test -run '^Test(Model|Mutations|Orderly|KilledInstance)$$' ./pkg/keyhome # all schedules, without the race detector
	cd hack/release && $(GO) test $(TESTFLAGS) ./...

.PHONY: test-e2e
test-e2e: ## test the chart in a real kind cluster with three workers, and the image with its documented command (needs Docker, or root on Debian). KEEP=1 keeps the cluster
	@hack/e2e/test

.PHONY: envtest
envtest: ## download the API server that tests of the controller use, or build it (9 to 15 minutes the first time)
	@hack/envtest/assets

.PHONY: test-storage
test-storage: ## run the tests of object storage against real servers, which it builds (5 minutes the first time), and against Azurite if npm is there
	@mkdir -p bin/storage
	GOBIN=$(CURDIR)/bin/storage $(GO) install -modfile=hack/storage/go.mod github.com/versity/versitygw/cmd/versitygw github.com/fsouza/fake-gcs-server
	if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix bin/storage azurite@3.37.0; fi
	VERSITYGW=$(CURDIR)/bin/storage/versitygw FAKE_GCS=$(CURDIR)/bin/storage/fake-gcs-server \
	  AZURITE=$$(ls $(CURDIR)/bin/storage/node_modules/azurite/dist/src/blob/main.js 2>/dev/null || true) \
	  $(GO) test $(RACE) $(TESTFLAGS) -count=1 -run 'OnServer' ./pkg/hotfolder/bucket

SOAK_RUNS ?= 200
SOAK_TIME ?= 30m
.PHONY: soak
soak: ## SOAK_RUNS (200) random kills, 100,000 mutated requests and 10,000 mutated PDFs, 10,000 schedules of key homes, documents of 1 GB (6 GB of disk), then SOAK_TIME (30m) of traffic with faults, kills and full disks
	SOAK_RUNS=$(SOAK_RUNS) $(GO) test -count=1 -parallel 1 -timeout 2h -run 'Crash|TestKill' ./cmd/proxy
	HOSTILE=100 $(GO) test -count=1 -parallel 1 -timeout 2h -v -run 'Hostile|HalfOpen' ./cmd/proxy
	KEYHOME_SCHEDULES=10000 $(GO) test -count=1 -timeout 2h -v -run '^Test(Model|Orderly|KilledInstance)$$' ./pkg/keyhome
	GIGABYTE=1 $(GO) test -count=1 -timeout 1h -v -run 'TestGigabyte' ./cmd/proxy
	SOAK_TIME=$(SOAK_TIME) $(GO) test -count=1 -timeout 3h -v -run 'TestSoak' ./cmd/proxy

FLOOD ?= 5000
.PHONY: hostile
hostile: ## open FLOOD (5000) hostile connections of each kind to a proxy with 512 MiB, while a client signs (in a cgroup if root can create one)
	FLOOD=$(FLOOD) $(GO) test -count=1 -timeout 30m -v -run 'TestFlood$$' ./cmd/proxy

.PHONY: vet
vet: ## run go vet
	$(GO) vet ./...
	$(GO) vet -tags e2e ./pkg/e2e
	cd hack/release && $(GO) vet ./...

.PHONY: layers
layers: ## check which package imports which (hack/layers/rules.go)
	$(GO) test -count=1 ./hack/layers

.PHONY: lint
lint: vet layers ## vet, layering check, formatting, line lengths, staticcheck
	@unformatted=$$(gofmt -l cmd pkg hack); if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) test -count=1 ./hack/measure
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
bench: bin/proxy ## measure latency, throughput, memory and disk, as ratios to a floor measured in the same run. BENCHFLAGS='-case sync-1' selects a case, -strict fails on a missed goal
	@$(RUN) ./hack/bench -bin bin $(BENCHFLAGS)

# ---------------------------------------------------------------------------------------------------------------------------
# Release
# ---------------------------------------------------------------------------------------------------------------------------

# The version of Go that go.mod names, because another one writes other bytes. Go downloads it if it is missing.
RELEASE_GO = GOTOOLCHAIN=go$(shell sed -n 's/^go //p' go.mod) CGO_ENABLED=0 GOWORK=off

.PHONY: bin/release
bin/release:
	@mkdir -p bin
	@$(RELEASE_GO) $(GO) build -C hack/release -trimpath -buildvcs=false -o $(CURDIR)/bin/release .

.PHONY: release
release: bin/release ## build images, chart, archives, SBOMs and provenance in out/release, without a container engine. KEY=cosign.key signs, REGISTRY=host/path pushes
	bin/release build -out $(OUT)/release $(if $(KEY),-key '$(KEY)') $(if $(REGISTRY),-registry '$(REGISTRY)') $(RELEASEFLAGS)
	$(if $(REGISTRY),bin/release push -dir $(OUT)/release -registry '$(REGISTRY)' $(PUSHFLAGS))

PUBLIC_KEY ?= cosign.pub
.PHONY: verify-release
verify-release: bin/release ## verify out/release, or the release RELEASE_VERSION in REGISTRY, with PUBLIC_KEY (cosign.pub): signatures, content, SBOMs, provenance
	bin/release verify -key '$(PUBLIC_KEY)' $(if $(REGISTRY),-registry '$(REGISTRY)' -version '$(RELEASE_VERSION)',-dir $(OUT)/release) $(VERIFYFLAGS)

# ---------------------------------------------------------------------------------------------------------------------------
# House
# ---------------------------------------------------------------------------------------------------------------------------

.PHONY: tools
tools: ## install the optional independent verifiers from Debian packages
	hack/install-tools

.PHONY: clean
clean: ## remove bin and out; ./work stays
	rm -rf bin out

.PHONY: kind-up
kind-up: ## start a kind cluster with the product and a simulated signing service; REST is at http://127.0.0.1:30080
	@hack/e2e/play

.PHONY: kind-down
kind-down: ## remove the kind cluster
	hack/kind/down

.PHONY: generate
generate: ## write the generated files: config/rbac/role.yaml and the chart's README
	$(GO) tool -modfile=hack/tools/go.mod controller-gen rbac:roleName=signstash-controller paths=./pkg/controller/... output:rbac:dir=config/rbac
	$(GO) run ./hack/chart

.PHONY: image
image: ## build the container image from scratch; no base image is pulled (needs docker or a compatible tool)
	hack/image

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' \
	  '/^# [A-Z][a-z ]+$$/ { title = substr($$0, 3) } \
	   /^[a-z0-9-]+:.*## / { if (title != "") { printf "\n%s\n", title; title = "" } printf "  make %-8s %s\n", $$1, $$2 }' Makefile
