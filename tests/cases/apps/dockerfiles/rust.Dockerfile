FROM rust:1-slim AS build
ARG BINARY=shop
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin "$BINARY" \
 && cp "target/release/$BINARY" /app

FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /
COPY --from=build /app /usr/local/bin/app
ENV PORT=8080
USER 10001:10001
EXPOSE 8080
CMD ["/usr/local/bin/app"]
