# Builds the program and an image that holds it and little else. It runs as a user without a name and needs no
# writable file system but /var/lib/ocpp-proxy:
#
#     docker run --read-only --cap-drop ALL --security-opt no-new-privileges --ulimit nofile=65536 \
#         --publish 9000:9000 --volume ocpp-proxy:/var/lib/ocpp-proxy \
#         --volume ./proxy.toml:/etc/ocpp-proxy/proxy.toml:ro ocpp-proxy
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
# The image of Rust has the headers of OpenSSL, the one below its library.
RUN cargo build --locked --profile dist --package ocpp-proxy --features openssl \
    && install -d -m 0700 /state

# glibc, OpenSSL, certificates of public authorities, and no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build --chmod=0755 /source/target/dist/ocpp-proxy /usr/bin/ocpp-proxy
COPY --from=build --chown=65532:65532 /state /var/lib/ocpp-proxy
USER 65532:65532
VOLUME /var/lib/ocpp-proxy
EXPOSE 9000 8080 9090
# There is no HEALTHCHECK: whoever runs containers asks /healthz and /readyz at listen.admin.
ENTRYPOINT ["/usr/bin/ocpp-proxy"]
CMD ["run", "--config", "/etc/ocpp-proxy/proxy.toml"]
