# Entra Ledger. `make` alone lists the targets.

GO ?= go
BIN := .local/bin
AZURITE := tools/azurite/node_modules/.package-lock.json
GRAPHCLIENT := tools/graphclient/node_modules/.package-lock.json
KQL := tools/kql/node_modules/.package-lock.json
UITEST := tools/uitest/node_modules/.package-lock.json
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GITLEAKS := github.com/zricethezav/gitleaks/v8@v8.30.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# Some shells export HOST, the machine's name.
HOST_FLAG = $(if $(filter command,$(origin HOST)),--host $(HOST))
# make run RECORDS=../shared/samples, make run USERS=1000 DAYS=7, ...
FLAGS = $(if $(RECORDS),--records $(RECORDS)) $(if $(USERS),--users $(USERS)) $(if $(APPS),--apps $(APPS)) \
	$(if $(DAYS),--days $(DAYS)) $(if $(POLICIES),--policies $(POLICIES)) $(if $(SEED),--seed $(SEED)) \
	$(if $(BACKFILL),--backfill $(BACKFILL)) $(if $(PORT),--port $(PORT)) $(if $(TABLE_PORT),--table-port $(TABLE_PORT)) \
	$(if $(BLOB_PORT),--blob-port $(BLOB_PORT)) $(HOST_FLAG) \
	$(if $(ONCE),--once)

.DEFAULT_GOAL := help
.PHONY: help run ui types check test test-ui screenshots soak bench docs infra package dist release deploy destroy lint audit setup clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The program is built and then started by itself, not by `go run`, which would not pass on a SIGTERM.
run: ui ## archive a simulated tenant here and serve (RECORDS= USERS= APPS= DAYS= POLICIES= SEED= BACKFILL= PORT= TABLE_PORT= BLOB_PORT= HOST=func ONCE=1)
	@echo "Building the tools (a minute the first time) ..."
	@command -v $(GO) >/dev/null || { echo "find go: it is not on the PATH; install Go 1.26 or later (go.dev/dl)"; exit 1; }
	@$(GO) build -o $(BIN)/localrun ./tools/localrun
	@exec $(BIN)/localrun $(FLAGS)

# What builds the page checks Node's version itself, and does nothing where no source has changed.
NODE = command -v node >/dev/null || { echo "find node: it is not on the PATH; install Node.js 20.19 or later with npm"; exit 1; }

ui: ## build the page into functions/ui/dist, where its sources changed
	@$(NODE)
	@node ui/build.mjs

types: ## write the page's types from docs/openapi.json
	@$(NODE)
	@node ui/build.mjs --install
	@cd ui && node node_modules/openapi-typescript/bin/cli.js ../docs/openapi.json -o src/api/schema.ts

GOFMT = files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go' | sort -u | while read -r f; do [ -f "$$f" ] && echo "$$f"; done)); \
	if [ -n "$$files" ]; then echo "gofmt these:"; echo "$$files"; exit 1; fi

# What make check leaves out: the journeys (handler), the scripts (infra), the packages that are built and unpacked
# (tools/pack), and the tests that go thousands of ways or read large archives. Azurite's place is taken by the service
# in memory (-short). Binaries without debugging information are linked in two thirds of the time.
CHECKED = $$($(GO) list ./... | grep -v -e /handler$$ -e /infra$$ -e /tools/pack$$ -e /dev/azurite$$)
LONG = TestExplorer|TestEveryChangedCell|KilledAtAnyWrite|AtEveryWrite|RoughWalk|TestAWalk(ThatEndsEarly|HandsOut)|TestAShortWalkAndKills|TestWhatConfirmingABusyPast|TestPagesOfEverySize|TestASnapshotAnswersAsTheRules|TestARow(ThatIsGone|OfASnapshot)|TestEveryFaultLeavesItsTrace
# What differs from main, committed or not; where nothing does, what the last commit changed.
SINCE = $$(base=$$(git merge-base HEAD main 2>/dev/null || git merge-base HEAD origin/main); \
	if [ -z "$$(git status --porcelain)" ] && [ "$$base" = "$$(git rev-parse HEAD)" ]; then echo HEAD~1; else echo "$$base"; fi)

check: ## in a minute: formatting, vet, linters on what differs from main, and the tests that need neither Azurite nor long
	@$(GOFMT)
	$(GO) vet ./...
	$(GO) run $(GOLANGCI) run --new-from-merge-base "$(SINCE)" ./...
	$(GO) test -short -vet=off -ldflags='-s -w' -skip '$(LONG)' $(CHECKED)

# Of all orders of the requests of some runs with one step out of turn, those with a change of turns are gone through, and
# a third of the others; `make soak` goes through all. EXPLORER more are random ones.
EXPLORER ?= 1000
# The race detector makes a test four to six times slower. It looks at the small packages in which much happens at once
# (LIGHT), and elsewhere at the tests in which several runs, processes or requests are at work at once (RACED).
# What is killed at each of its writes runs alone. Each test runs once, but TestExplorerRuns: both ways.
LIGHT = /(blobs|jobs|graph|search|streams|web|dev/devhost|dev/memstorage|functions/collect)$$
RACED = AtOnce|Beside[A-Z]|Together|Overtak|TwoRuns|TwoProcesses|KilledInTheMiddle|TestASignal|TestAClient|TestWhateverHappens|TestAThirtyDay|TestAStreamThatFails
RACED_IN = $$(grep -rlE --include='*_test.go' '^func Test\w*($(subst Test,,$(RACED)))' \
	--exclude-dir=node_modules --exclude-dir=bench internal functions handler infra tools | xargs -n 1 dirname | sort -u | sed 's|^|./|' | grep -vE '$(LIGHT)')

test: ui $(AZURITE) $(GRAPHCLIENT) $(KQL) ## run every test; the race detector is on wherever several things happen at once
	node --test tools/kql/check.test.mjs ui/test/*.test.mjs
	GOGC=400 EXPLORER=$(EXPLORER) $(GO) test -timeout 20m -skip '$(RACED)' $$($(GO) list ./... | grep -vE '$(LIGHT)')
	$(GO) test -race -timeout 20m $$($(GO) list ./... | grep -E '$(LIGHT)')
	$(GO) test -race -timeout 30m -run '$(RACED)|TestExplorerRuns' $(RACED_IN)

# BASE= walks an app that is served already; without it, one is started and stopped.
test-ui: ui $(AZURITE) $(UITEST) ## walk the page in Chromium, over an archive of a simulated tenant (BASE=)
	@$(GO) build -o $(BIN)/localrun ./tools/localrun
	@tools/uitest/chromium.sh
	node tools/uitest/walk.mjs $(if $(BASE),--base $(BASE))

screenshots: ui $(AZURITE) $(UITEST) ## take the pictures of docs/screenshots (BASE=)
	@$(GO) build -o $(BIN)/localrun ./tools/localrun
	@tools/uitest/chromium.sh pictures
	node tools/uitest/screenshots.mjs $(if $(BASE),--base $(BASE))

# SEEDS and FOR bound the walk over random faults, whichever ends first.
SEEDS ?= 1000
FOR ?= 40m
soak: $(AZURITE) $(GRAPHCLIENT) ## random faults over many seeds, large archives, and Microsoft's typed client (SEEDS= FOR=)
	SEEDS=$(SEEDS) FOR=$(FOR) $(GO) test -tags soak -timeout 120m -v -run "Soak|LargeRecord|FiftyCallers" ./handler ./internal/arrivals ./internal/derive ./internal/directory/timeline ./internal/ledger ./internal/verify
	cd tools/bench && $(GO) test -timeout 30m ./...

bench: $(AZURITE) ## measure the pipeline beside the obvious program (ARGS=... for its flags)
	cd tools/bench && $(GO) run . $(ARGS)

docs: ## write the parts of docs/ that come from the code, the connector, and the API in OpenAPI 3 (then: make types)
	$(GO) run ./tools/docs

infra: ## format the Bicep, and write what comes from it: the compiled templates and the snapshots
	$(GO) run ./tools/bicep write

PACK = $(GO) run ./tools/pack --out dist/app --zip dist/entraledger.zip --goos linux --goarch amd64 --release dist/entraledger-release.zip

package: ui ## build dist/entraledger.zip for Azure (linux/amd64), and dist/entraledger-release.zip with what deploys it
	$(PACK)

dist: ui ## what a release publishes: package, a bill of materials and SHA256SUMS
	$(PACK) --sbom dist/entraledger.cdx.json --sums dist/SHA256SUMS

# make release VERSION=v1.2.3
release: ## write a new version to all that names the release, before it is tagged (VERSION=)
	@$(GO) run ./tools/release "$(VERSION)"
	@$(MAKE) --no-print-directory infra
	@echo "Next: look at git diff, and then"
	@echo "  git commit --all --message 'Release $(VERSION)'"
	@echo "  git tag $(VERSION)"
	@echo "  git push --atomic origin HEAD $(VERSION)"
	@echo "The workflow release then builds and publishes it (docs/releases.md)."

# make deploy RG=rg-ledger LOCATION=westeurope, make deploy RG=... LOCATION=... NAME=... PARAMETERS=infra/parameters/small.json YES=1
deploy: ## package, and deploy into your subscription (RG= LOCATION= NAME= PARAMETERS= SET= GRANTS= OVERWRITE=1 YES=1)
	@[ -n "$(RG)" ] && [ -n "$(LOCATION)" ] || { echo "say where to: make deploy RG=rg-ledger LOCATION=westeurope"; exit 1; }
	@$(MAKE) --no-print-directory package
	@infra/deploy.sh --resource-group "$(RG)" --location "$(LOCATION)" --package dist/entraledger.zip \
		$(if $(NAME),--name "$(NAME)") $(if $(PARAMETERS),--parameters "$(PARAMETERS)") \
		$(if $(SET),--set "$$SET") $(if $(GRANTS),--grants "$(GRANTS)") $(if $(OVERWRITE),--overwrite-settings) $(if $(YES),--yes)

destroy: ## take the app out of your subscription, and keep the archive (RG= NAME= ARCHIVE=<its account, to delete it too> YES=1)
	@[ -n "$(RG)" ] || { echo "say what: make destroy RG=rg-ledger"; exit 1; }
	@infra/destroy.sh --resource-group "$(RG)" $(if $(NAME),--name "$(NAME)") $(if $(ARCHIVE),--delete-archive "$(ARCHIVE)") $(if $(YES),--yes)

SCRIPTS = git ls-files --cached --others --exclude-standard '*.sh' .ci/run | sort -u | while read -r f; do [ -f "$$f" ] && echo "$$f"; done

lint: $(KQL) ## check formatting, go vet, staticcheck, Bicep, scripts, KQL, and that no secret was committed
	@$(GOFMT)
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run ./tools/bicep check
	@command -v shellcheck >/dev/null || { echo "find shellcheck: it is not on the PATH; install ShellCheck (apt-get install shellcheck, brew install shellcheck)"; exit 1; }
	shellcheck --external-sources --source-path=infra $$($(SCRIPTS))
	node tools/kql/check.mjs
	$(GO) run $(GITLEAKS) git --no-banner --redact .

# Without the internet: VULNDB=<folder> that holds the unpacked vuln.go.dev/vulndb.zip.
VULNDB ?=
audit: ## look for secrets in the history, for known vulnerabilities, and for API versions that have aged (asks vuln.go.dev; VULNDB=)
	$(GO) run $(GITLEAKS) git --no-banner --redact .
	@for file in $$(git ls-files --cached --others --exclude-standard go.mod '*/go.mod' | sort -u); do \
		[ -f "$$file" ] || continue; \
		echo "Looking for known vulnerabilities in $$(dirname "$$file")"; \
		(cd "$$(dirname "$$file")" && $(GO) run $(GOVULNCHECK) $(if $(VULNDB),-db "file://$(abspath $(VULNDB))") ./...) || exit 1; \
	done
	$(GO) run ./tools/bicep audit

setup: $(AZURITE) $(GRAPHCLIENT) $(KQL) $(UITEST) ## install from npm what tests and checks use, and fetch the Go modules
	$(GO) mod download

# npm writes this file last; it is older than the lockfile where another version is wanted.
tools/%/node_modules/.package-lock.json: tools/%/package-lock.json
	@command -v npm >/dev/null || { echo "find npm: it is not on the PATH; install Node.js 20 or later with npm"; exit 1; }
	npm ci --no-progress --prefix tools/$*

clean: ## remove what was built and installed
	rm -rf dist .local tools/azurite/node_modules tools/graphclient/node_modules tools/kql/node_modules \
		tools/node/node_modules tools/uitest/node_modules ui/node_modules
	find functions/ui/dist -mindepth 1 ! -name .keep -delete
