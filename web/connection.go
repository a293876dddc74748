package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"
)

type acceptedKey struct{}

// ConnContext notes when a connection was accepted; an http.Server that serves
// the pages must have it, or nothing on trial is ever confirmed by a browser.
func ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, acceptedKey{}, time.Now())
}

// acceptedAt is zero if it was not noted.
func acceptedAt(r *http.Request) time.Time {
	t, _ := r.Context().Value(acceptedKey{}).(time.Time)
	return t
}

// clientAddr is where a request comes from; invalid if that is unknown.
func clientAddr(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr().Unmap()
}

// serverAddr is our address that a request came to; invalid if that is
// unknown.
func serverAddr(r *http.Request) netip.Addr {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	ap, _ := netip.ParseAddrPort(local.String())
	return ap.Addr().Unmap()
}
