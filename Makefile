# techissue. `make` prints this help.
.DEFAULT_GOAL := help
.PHONY: help demo run build test check setup bench fuzz crash fault golden env vuln release toolchain

GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 18

toolchain:
	@command -v $(GO) >/dev/null || { echo "Go is missing: https://go.dev/dl, or on Debian: apt-get install golang"; exit 1; }
	@command -v cc >/dev/null || command -v gcc >/dev/null || { echo "A C compiler is missing (SQLite is C): apt-get install gcc libc6-dev, or xcode-select --install"; exit 1; }

demo: toolchain ## the whole newsletter in one process; nothing leaves the machine
	$(GO) run ./cmd/techissue demo

run: toolchain ## serve with the settings of .env
	$(GO) run ./cmd/techissue serve

build: toolchain ## the binary ./techissue
	$(GO) build -trimpath -o techissue ./cmd/techissue

test: toolchain setup check ## every check and every test; installs what they need on Debian
	$(GO) test -race -shuffle=on -timeout 25m ./...

check: toolchain ## gofmt, vet, staticcheck, module sums
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "gofmt: $$bad"; exit 1; }
	$(GO) mod verify >/dev/null
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

setup: ## PostgreSQL, Chromium, a DKIM verifier and Korean fonts for the tests
	@sh ./.ci/setup

bench: toolchain ## benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz: toolchain ## each fuzz test for 20 seconds
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 20s $$p || exit 1; done; done

KILLS ?= 200

crash: toolchain setup ## kill -9 in the middle of sends, KILLS=200 times; both policies, both engines; prints a table
	@TECHISSUE_CRASH=$(KILLS) $(GO) test ./cmd/techissue -run '^TestCrashLoop$$' -count=1 -v -timeout 40m

fault: toolchain setup ## faults that take minutes: full and failing disks, locks, stops, nodes, a database away; prints a table
	@TECHISSUE_FAULT=1 $(GO) test ./cmd/techissue -run '^TestFaults$$' -count=1 -parallel 6 -v -timeout 10m

golden: toolchain ## write golden letters anew; review the difference
	$(GO) test ./mailer -update

env: toolchain ## write .env.example from the settings
	$(GO) run ./cmd/techissue config example > .env.example

vuln: toolchain ## known vulnerabilities, where the database can be reached
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...

# SQLite is C: the other architecture needs its cross compiler (Debian: gcc-aarch64-linux-gnu, gcc-x86-64-linux-gnu).
RELEASES := amd64:x86_64-linux-gnu-gcc arm64:aarch64-linux-gnu-gcc

release: toolchain ## tarballs for linux amd64 and arm64 with checksums, into dist/
	@rm -rf dist && mkdir -p dist
	@version=$$(git describe --tags --always --dirty); for r in $(RELEASES); do \
	  arch=$${r%%:*} cross=$${r#*:}; \
	  if [ "$$arch" = "$$($(GO) env GOHOSTARCH)" ] && [ "$$($(GO) env GOHOSTOS)" = linux ]; then cross=$$($(GO) env CC); fi; \
	  command -v $$cross >/dev/null || { echo "linux/$$arch left out: $$cross is missing"; continue; }; \
	  name=techissue-$$version-linux-$$arch; mkdir -p dist/$$name; \
	  CGO_ENABLED=1 GOOS=linux GOARCH=$$arch CC=$$cross $(GO) build -trimpath -ldflags='-s -w' -o dist/$$name/techissue ./cmd/techissue || exit 1; \
	  cp -r README.md README.ko.md LICENSE CHANGELOG.md .env.example deploy docs dist/$$name/ && \
	  tar -C dist --sort=name --owner=0 --group=0 --numeric-owner -czf dist/$$name.tar.gz $$name && rm -r dist/$$name && echo "dist/$$name.tar.gz"; \
	done
	@cd dist && sha256sum *.tar.gz > SHA256SUMS && cat SHA256SUMS
