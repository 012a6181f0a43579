FROM golang:1.27 AS build
ARG PACKAGE=.
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-trimpath
WORKDIR /src
COPY go.mod ./
RUN go mod download
COPY . .
RUN go build -ldflags='-s -w' -o /out/app "$PACKAGE"

FROM gcr.io/distroless/static-debian12:nonroot
WORKDIR /
COPY --from=build /out/app /app
ENV PORT=8080
USER 10001:10001
EXPOSE 8080
CMD ["/app"]
