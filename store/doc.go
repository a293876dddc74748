// Package store keeps everything an admin defines, in one SQLite file.
//
// It knows typed objects, their validation, the draft, revisions and sealed
// secrets. Each kind of object is described once (kind), for its tables, the
// sentences about its changes, its form and its JSON. It knows nothing of
// kernels, sockets or pages: cmd/gatehouse turns a Document into the inputs of
// firewall, ipsec and network.
//
// Users, devices, authorities, certificates, invites and accounts act at once;
// no document holds them. All else flows one way. A form, the API or `config
// import` changes the draft inside one transaction, after validation; Commit
// freezes the draft as a Revision; the running gateway is only ever built from
// a revision's document.
//
// Secrets (keys, hashes of passwords) are sealed with XChaCha20-Poly1305 under
// a device key that lives in a file of its own (DIR/device.key, mode 0600), so
// a copied database alone gives nothing away. Secret values never appear in an
// export, a log line or an error.
package store
