# The gateway in a container: its own network namespace is the router.
#
#   docker build -t gatehouse .
#   docker run -d --name gatehouse --cap-add NET_ADMIN --device /dev/net/tun \
#     --security-opt systempaths=unconfined \
#     --volume gatehouse:/var/lib/gatehouse --publish 127.0.0.1:8443:8443 gatehouse
#   docker logs gatehouse        # the one-time password of the page
#
# systempaths=unconfined lets it set forwarding and source checks below
# /proc/sys/net, which belong to its own namespace.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=container
# SQLite is C, hence cgo; linked whole, so that the image needs no C library.
RUN CGO_ENABLED=1 go build -trimpath -tags 'netgo osusergo sqlite_omit_load_extension' \
    -ldflags "-X main.version=${VERSION} -linkmode external -extldflags -static" \
    -o /out/gatehouse ./cmd/gatehouse && mkdir -m 0700 -p /out/var/lib/gatehouse

FROM scratch
COPY --from=build /out/ /
VOLUME /var/lib/gatehouse
EXPOSE 500/udp 4500/udp 8443/tcp
# SIGTERM says goodbye to the peers; the perimeter lives as long as the
# container's namespace.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/gatehouse"]
CMD ["run", "--data", "/var/lib/gatehouse"]
