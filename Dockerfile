# syntax=docker/dockerfile:1

ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends musl-tools tzdata \
 && rm -rf /var/lib/apt/lists/*
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
# The caches make the next build quick; what they hold is not part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    deploy/image/rootfs /rootfs

# Nothing but the program, the rules of time zones and the name of its user. The certificates of public authorities are
# in the program; for others, name a file in the database's URL (sslrootcert).
FROM scratch
LABEL org.opencontainers.image.title="sweepd" \
      org.opencontainers.image.description="A resident daemon that deletes expired sessions from an application's database" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# With their owners, which the places for an archive, for log files and for a socket have.
COPY --from=build /rootfs/ /
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
STOPSIGNAL SIGTERM
# Where HTTP is off there is nobody to ask, and the container is as healthy as its process is alive.
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s --retries=3 \
    CMD ["/usr/bin/sweepd", "healthcheck", "--allow-off"]
ENTRYPOINT ["/usr/bin/sweepd"]
CMD ["run"]
