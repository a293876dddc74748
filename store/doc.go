// Package store keeps everything an admin defines, in one SQLite file.
//
// It knows typed objects, their validation, the draft, revisions and sealed
// secrets. It knows nothing of kernels, sockets or pages: cmd/gatehouse turns a
// Document into the inputs of firewall, ipsec and network.
//
// Data flows one way. A form, the API or `config import` changes the draft
// inside one transaction, after validation; Commit freezes the draft as a
// Revision; the running gateway is only ever built from a revision's document.
//
// Secrets (pre-shared keys) are sealed with XChaCha20-Poly1305 under a device
// key that lives in a file of its own (DIR/device.key, mode 0600), so a copied
// database alone gives nothing away. Secret values never appear in an export,
// a log line or an error.
package store
