# The commands of this repository; continuous integration calls only these. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run install test test-ordinary lint structure audit bench soak fuzz dist build
MAKEFLAGS += --no-print-directory

# A rustup that was installed a minute ago is not on PATH yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

# One profile for run, test and lint, so that one build serves all three.
BUILT := $(or $(CARGO_TARGET_DIR),target)
CARGO_FLAGS := --release --locked
# The tools, each pinned once; tests/lint/tool.sh installs them under .tools/.
NEXTEST = $$(tests/lint/tool.sh cargo-nextest 0.9.143 or-newer)
DENY = $$(tests/lint/tool.sh cargo-deny 0.20.2)
MACHETE = $$(tests/lint/tool.sh cargo-machete 0.9.2)
FUZZ = $$(tests/lint/tool.sh cargo-fuzz 0.13.2 or-newer)
NEXTEST_PROFILE := $(if $(CI),ci,default)
VENV := .venv
MODULES := tests/node/node_modules
# Where `make install` puts the binary: PREFIX/bin.
PREFIX ?= $(HOME)/.local

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)$$/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

build:
	@tests/lint/needs.sh build
	cargo build $(CARGO_FLAGS) -p bitrouter

run: build ## build, then serve in the foreground with the offline provider `demo`  (ARGS=… adds flags)
	@exec $(BUILT)/release/bitrouter serve --demo $(ARGS)

install: build ## build, then put the binary on PATH: ~/.local/bin  (PREFIX=/usr/local: there)
	install -D -m 0755 $(BUILT)/release/bitrouter "$(DESTDIR)$(PREFIX)/bin/bitrouter"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; \
		*) printf '%s is not in PATH; add this line to the profile of your shell:\n  export PATH="%s:$$PATH"\n' '$(PREFIX)/bin' '$(PREFIX)/bin' ;; esac

test: ## install what the tests need, lint, then every test  (ARGS=… goes to nextest)
	@tests/lint/needs.sh tests
	@tests/lint/needs.sh build
	@$(MAKE) $(VENV)/installed $(MODULES)/installed
	@$(MAKE) lint
	python3 -m unittest discover --quiet -s tests/lint
	@$(MAKE) build
	nextest=$(NEXTEST) && tests/lint/tidy.sh $$nextest nextest run $(CARGO_FLAGS) --workspace --profile $(NEXTEST_PROFILE) $(ARGS)
	cargo test $(CARGO_FLAGS) --workspace --doc --quiet
	@if [ "$$(id -u)" = 0 ] && [ -z "$(ARGS)" ]; then $(MAKE) test-ordinary; fi

test-ordinary: ## as root: the tests of listener, control API and secrets again, as an ordinary user  (`make test` does it)
	nextest=$(NEXTEST) && tests/lint/tidy.sh tests/lint/ordinary.sh $$nextest $(CARGO_FLAGS)

$(VENV)/installed: tests/requirements.txt
	python3 -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@touch $@

# Scripts of packages are not run. Of an older Node npm says that it does not do: it is npm's own, not that of the tests.
$(MODULES)/installed: tests/node/package.json tests/node/package-lock.json
	cd tests/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

lint: ## what continuous integration checks besides the tests
	@tests/lint/needs.sh build
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	cargo fetch --locked --quiet
	deny=$(DENY) && $$deny --offline check bans licenses sources
	machete=$(MACHETE) && $$machete --skip-target-dir
	@$(MAKE) structure

structure: ## file sizes, direction of dependencies, must-not-link, reviewed lists
	python3 tests/lint/structure.py

audit: ## known advisories against the dependencies (fetches the advisory database)
	@tests/lint/needs.sh build
	deny=$(DENY) && $$deny check advisories

bench: build ## beside a direct run, a bare relay and a bare proxy; prints ratios
	cargo run $(CARGO_FLAGS) -p bitrouter-bench $(if $(ARGS),-- $(ARGS))

soak: build $(VENV)/installed $(MODULES)/installed ## the long runs: no growth of memory, descriptors or wake-ups; other cuts for the SDKs
	nextest=$(NEXTEST) && $$nextest nextest run $(CARGO_FLAGS) -p bitrouter-tests --profile soak --run-ignored only -E 'binary(soak)' $(ARGS)

# The sanitizer is asked of the compiler by flags that are otherwise for its nightly builds.
fuzz: ## bytes from outside for the cutter and each reader, a minute each  (TARGET=…, FOR=seconds)
	@tests/lint/needs.sh build
	fuzz=$(FUZZ) && cd fuzz && for target in $(or $(TARGET),$(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))); do \
		mkdir -p corpus/$$target && \
		RUSTC_BOOTSTRAP=1 $$fuzz run $$target corpus/$$target seeds/$$target -- -max_total_time=$(or $(FOR),60) || exit 1; \
	done

# RUSTFLAGS in the environment would silently replace the flags that make the binary static.
dist: ## one static binary: dist/bitrouter
	@tests/lint/needs.sh build
	host=$$(rustc -vV | sed -n 's/^host: //p') && \
	env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS cargo build --locked --config .cargo/dist.toml --target "$$host" --profile dist -p bitrouter && \
	binary=$(BUILT)/$$host/dist/bitrouter && \
	{ ldd "$$binary" 2>&1 | grep -E 'statically linked|not a dynamic executable' || { echo "error: $$binary is not static" >&2; exit 1; }; } && \
	mkdir -p dist && cp "$$binary" dist/bitrouter && ls -l dist/bitrouter
