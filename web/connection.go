package web

import (
	"context"
	"net"
	"net/http"
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
