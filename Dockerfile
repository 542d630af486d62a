# The program in a small image, for a user without rights:
#   docker build -t vaepipe .
#   docker run --rm -v "$PWD":/data --user "$(id -u):$(id -g)" vaepipe fit flights.parquet
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked && mkdir /program && cp target/release/vaepipe /etc/ssl/certs/ca-certificates.crt /program/

FROM debian:bookworm-slim
# Object stores are reached by TLS.
COPY --from=build /program/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /program/vaepipe /usr/local/bin/
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/vaepipe/
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["vaepipe"]
CMD ["--help"]
