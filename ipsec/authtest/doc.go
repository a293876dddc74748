// Package authtest makes authorities and certificates for tests and for the
// lab: what an office's own CA would, and what a bad one would. It is never
// shipped.
package authtest
