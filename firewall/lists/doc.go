// Package lists keeps the lists of the firewall whose content comes from
// elsewhere: the addresses of host names, a text at a URL, the networks of
// countries.
//
//	names      asked for again when the answer's time to live ends (RFC 1035
//	           3.2.1), A and AAAA, over UDP and, if cut, TCP
//	URL        fetched every so often, by ETag and Last-Modified only when it is
//	           new (RFC 9110 13)
//	countries  from a MaxMind DB file that an admin gives
//
// Keeper does this for the lists in force and says what changed. Whatever
// fails, the last good content stays: in memory, and in a directory from which
// the next start takes it before any network is up. A download that is empty,
// cut or mostly something else is such a failure.
//
// Whom a list comes from is not trusted: sizes and times are bounded, and no
// server can lead the gateway's requests to the gateway itself.
//
// The package knows neither the store nor the kernel: what a list is comes in
// as a List, its content goes out as ranges.
package lists
