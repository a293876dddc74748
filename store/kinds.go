package store

import (
	"context"
	"database/sql"
)

// section is a kind without its type.
type section interface {
	Info() KindInfo
	tableName() string
	validate(*checker, Document, names)
	collect(Document, names)
	differences(old, new Document) []string
	renamed(doc *Document, target, from, to string)
	users(doc Document, target, name string) []string
	mentioned(doc Document, into names)
	read(context.Context, *DB, *sql.Tx, *Document) error
	remove(in *inserter, old, new Document)
	add(in *inserter, old, new Document)
	copyList(*Document)
	keepAllSecrets(doc *Document, stored Document)
	collectSecrets(Document, map[string]string)
	putSecrets(*Document, map[string]string)
	object
}

// What this version keeps and does not carry out yet.
const (
	idleServices = "This version keeps these and does not serve them yet: what is switched on cannot be applied."
	idlePeople   = "This version keeps these, but nobody can connect from outside with them yet."
)

// immediate are the kinds that act at once and belong to no draft.
var immediate []object

// sections are the kinds of a document, in the order in which a person reads
// about their changes.
var sections []section

// objects are all kinds that a page or the API can list and change, the drafted
// ones first; byName finds them.
var (
	objects []object
	byName  = map[string]object{}
)

// Set at start, because the tables of a kind are named after other kinds.
func init() {
	immediate = []object{userKind, deviceKind, authorityKind, certificateKind}
	sections = []section{
		settingsKind, zoneKind, interfaceKind, routeKind, listKind, serviceKind, scheduleKind, defaultKind, protectionKind, ruleKind, forwardKind, natKind,
		branchKind, childKind, manualKind, labelKind, policyKind, groupKind, dhcpKind, reservationKind, hostKind,
	}
	for _, s := range sections {
		objects = append(objects, s)
	}
	objects = append(objects, immediate...)
	for _, o := range objects {
		byName[o.Info().Name] = o
	}
}

// Kinds are all kinds of objects, the drafted ones first.
func Kinds() []KindInfo {
	var out []KindInfo
	for _, o := range objects {
		out = append(out, o.Info())
	}
	return out
}

// kindNamed is one of objects, by its name; nil if there is none.
func kindNamed(name string) object { return byName[name] }
