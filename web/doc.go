// Package web is the admin's view: pages, forms and their API, rendered on the
// server with html/template, one stylesheet and one small script.
//
// It reads and writes the draft through store and sees the running gateway
// only through the small interface Gateway that it declares itself.
package web
