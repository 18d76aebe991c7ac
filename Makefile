# Every command of this project. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help deps build run test unit storm bench fmt tidy aot deb deb-test systemd-test ci clean

SEED    ?=
SEEDS   ?=
FILTER  ?=
ARGS    ?=
DOTNET   = DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 dotnet
STORM    = $(DOTNET) tests/FastRelay.Storm/bin/Release/net10.0/FastRelay.Storm.dll
QUIET    = -c Release --nologo -v q -clp:NoSummary

help:           ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

deps:           ## install, or name, what building and testing need
	@eng/needs --tests

build:          ## compile every project
	@eng/needs
	@$(DOTNET) build FastRelay.sln $(QUIET)

run: aot        ## build out/fastrelay and start it: SMTP on 127.0.0.1:2525 (ARGS="--config F")
	@exec out/fastrelay serve $(ARGS)

test:           ## build out/fastrelay and run all tests; ends with "N passed, N failed"
	@eng/test

unit:           ## the unit tests alone, without the published file (FILTER=Journal)
	@$(DOTNET) test tests/FastRelay.Tests $(QUIET) $(if $(FILTER),--filter "$(FILTER)")

storm:          ## the simulator; SEED=42 repeats one run, SEEDS=5000 tries many, ARGS=mutants hunts planted defects
	@$(DOTNET) build tests/FastRelay.Storm $(QUIET)
	@if [ -n "$(ARGS)" ]; then $(STORM) $(ARGS); \
	else $(STORM) relay $(or $(SEED),1) $(or $(SEEDS),$(if $(SEED),1,200)) && $(STORM) journal $(or $(SEED),1) $(or $(SEEDS),$(if $(SEED),1,30)); fi

bench:          ## micro benchmarks (ARGS="--filter *Journal*"; with --aot compiled as the product is, too)
	@$(DOTNET) run --project bench/FastRelay.Bench -c Release -- $(if $(ARGS),$(ARGS),--filter '*')

fmt:            ## format the code
	@$(DOTNET) format FastRelay.sln

tidy:           ## check format and house rules; changes nothing
	@$(DOTNET) format FastRelay.sln --verify-no-changes
	@$(DOTNET) test tests/FastRelay.Tests $(QUIET) --filter FullyQualifiedName~FastRelay.Tests.Tidy

aot:            ## publish the static executable to out/fastrelay
	@eng/needs
	@eng/publish

deb:            ## build the Debian package from out/fastrelay
	@eng/deb

deb-test:       ## install, run, remove and purge the package in a root of its own (root)
	@eng/deb-test

systemd-test:   ## the same under a systemd of its own: watchdog, hardening, restarts while clients send (root)
	@eng/systemd-test

ci: tidy test   ## what must pass before a merge

clean:          ## remove everything that was built
	@rm -rf out artifacts
	@find src tests bench -type d \( -name bin -o -name obj -o -name TestResults \) -prune -exec rm -rf {} +
