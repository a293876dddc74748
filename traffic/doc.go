// Package traffic remembers what passes the gateway and what is stopped, in
// memory and within bounds, for the pages that show it: the newest entries of
// a log (Ring) and who moved how many bytes in the last hour (Talkers).
//
// It asks nobody and starts nothing: who reads the kernel puts in, who answers
// a page takes out. What is in it is gone with the process.
package traffic
