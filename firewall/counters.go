package firewall

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Counter is how much one rule decided since it exists: an admin's, by its
// ID, or one of the firewall's own ("spoof-lan", "wan-default", "leak").
// Packets of a connection after its first are not counted for an allow rule.
type Counter struct {
	Rule           string
	Packets, Bytes uint64
}

// Allows says whether packets counted under one of the firewall's own IDs were
// let in; all others of its own were refused.
func Allows(id string) bool {
	return id == idAdmin || id == idIKE || id == idDHCP || strings.HasPrefix(id, idAllowed)
}

// Counters reads them from the kernel, sorted by rule. Without a table of ours
// there are none and no error.
func (a *Applier) Counters(ctx context.Context) ([]Counter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return readCounters(tableName, dynamicTable)
}

func readCounters(tables ...string) ([]Counter, error) {
	var out []Counter
	for _, table := range tables {
		ask := []netlink.Attribute{named(unix.NFTA_OBJ_TABLE, table)}
		err := dump("counters", unix.NFT_MSG_GETOBJ, ask, func(attributes []byte) error {
			c, ok, err := readCounter(attributes)
			if ok {
				out = append(out, c)
			}
			return err
		})
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b Counter) int { return cmp.Compare(a.Rule, b.Rule) })
	return out, nil
}

// readCounter reads an object of nf_tables; false if it is no rule's counter.
func readCounter(attributes []byte) (c Counter, ok bool, err error) {
	d, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return c, false, err
	}
	d.ByteOrder = binary.BigEndian
	table, kind, ours := "", uint32(0), false
	for d.Next() {
		switch d.Type() {
		case unix.NFTA_OBJ_TABLE:
			table = d.String()
		case unix.NFTA_OBJ_NAME:
			c.Rule, ours = strings.CutPrefix(d.String(), counterName(""))
		case unix.NFTA_OBJ_TYPE:
			kind = d.Uint32()
		case unix.NFTA_OBJ_DATA:
			d.Nested(func(in *netlink.AttributeDecoder) error {
				for in.Next() {
					switch in.Type() {
					case unix.NFTA_COUNTER_BYTES:
						c.Bytes = in.Uint64()
					case unix.NFTA_COUNTER_PACKETS:
						c.Packets = in.Uint64()
					}
				}
				return nil
			})
		}
	}
	return c, ours && (table == tableName || table == dynamicTable) && kind == unix.NFT_OBJECT_COUNTER, d.Err()
}
