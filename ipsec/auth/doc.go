// Package auth proves who a peer is: identities (RFC 7296 section 3.5), shared
// keys (section 2.15), and certificates with signatures (RFC 7427, RFC 4754, RFC
// 8420; validated as RFC 5280 and RFC 4945 say). It asks nobody outside: whether
// a certificate is revoked is told to it.
package auth
