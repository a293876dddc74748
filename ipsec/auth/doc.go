// Package auth proves who a peer is: identities (RFC 7296 section 3.5) and
// shared keys (section 2.15). Certificates and signatures join it later.
package auth
