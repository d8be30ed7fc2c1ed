# syntax=docker/dockerfile:1
# The image: the sidecar, the few shared libraries it loads, and root certificates. No shell, no package manager, no
# emulator.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" -t ghcr.io/deepgram-sidecar/deepgram-sidecar:0.1.0 .
#   docker build --target emulator -t ghcr.io/deepgram-sidecar/deepgram-emulator:0.1.0 .

# Append a digest to the tag (1.95.0@sha256:…) to reproduce the image later.
ARG RUST=1.95.0-slim-bookworm

FROM rust:${RUST} AS source
WORKDIR /build
# Keep build paths and times out of the binary.
ENV CARGO_INCREMENTAL=0 \
    RUSTFLAGS="--remap-path-prefix=/build=. --remap-path-prefix=/usr/local/cargo=cargo -Clink-arg=-Wl,--build-id=none"
COPY Cargo.toml Cargo.lock ./
# The manifest names tests and benches, so cargo needs the files.
COPY tests tests
COPY benches benches
COPY src src
COPY crates crates
COPY deploy/image deploy/image

FROM source AS build-sidecar
# For /buildinfo and the metric build_info. Not in the image's environment: the sidecar would treat it as a setting.
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    DEEPGRAM_SIDECAR_REVISION="${REVISION}" \
        cargo build --locked --release --no-default-features --bin deepgram-sidecar \
    && deploy/image/assemble target/release/deepgram-sidecar /image

FROM source AS build-emulator
ARG SOURCE_DATE_EPOCH=0
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --locked --release --no-default-features --features emulator --bin deepgram-emulator \
    && deploy/image/assemble target/release/deepgram-emulator /image

FROM scratch AS emulator
COPY --from=build-emulator /image /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/deepgram-emulator"]
CMD ["--listen", "0.0.0.0:8080", "--log"]

# The last stage is the default target.
FROM scratch AS sidecar
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="deepgram-sidecar" \
      org.opencontainers.image.description="Holds an application's Deepgram streaming sockets" \
      org.opencontainers.image.source="https://github.com/deepgram-sidecar/deepgram-sidecar" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build-sidecar /image /
# For the socket, if no volume is mounted; a new named volume inherits this owner.
COPY --from=build-sidecar --chown=65532:65532 /image/run/deepgram-sidecar /run/deepgram-sidecar
# Numeric, so that Kubernetes can tell it is not root.
USER 65532:65532
ENV PATH=/usr/bin
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["deepgram-sidecar"]
CMD ["run"]
