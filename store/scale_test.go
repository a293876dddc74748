package store

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"testing"
)

// manyBranches is a document with n branches beside the example's.
func manyBranches(t testing.TB, n int) Document {
	doc := example(t)
	for i := range n {
		doc.Branches = append(doc.Branches, Branch{
			Name: fmt.Sprintf("branch-%04d", i), Enabled: true, Start: StartAlways,
			Peer:           netip.AddrFrom4([4]byte{192, 0, byte(i / 250), byte(1 + i%250)}).String(),
			LocalNetworks:  prefixes("10.1.0.0/24"),
			RemoteNetworks: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(16 + i/256), byte(i % 256), 0}), 24)},
			PSK:            Secret(fmt.Sprintf("the key of branch %d", i)),
		})
	}
	return doc
}

const scale = 1000

func BenchmarkImport1000Branches(b *testing.B) {
	ctx := context.Background()
	db := open(b, b.TempDir())
	text, err := manyBranches(b, scale).Marshal()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		doc, err := ParseDocument(bytes.NewReader(text))
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Import(ctx, doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExport1000Branches(b *testing.B) {
	ctx := context.Background()
	db := open(b, b.TempDir())
	if err := db.Import(ctx, manyBranches(b, scale)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		doc, err := db.Draft(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := doc.WithoutSecrets().Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutBranchAmong1000(b *testing.B) {
	ctx := context.Background()
	db := open(b, b.TempDir())
	doc := manyBranches(b, scale)
	if err := db.Import(ctx, doc); err != nil {
		b.Fatal(err)
	}
	one := doc.Branches[scale/2]
	for i := 0; b.Loop(); i++ {
		one.Note = fmt.Sprint(i)
		if err := db.PutBranch(ctx, one.Name, "", one); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChanges1000Branches(b *testing.B) {
	ctx := context.Background()
	db := open(b, b.TempDir())
	if err := db.Import(ctx, manyBranches(b, scale)); err != nil {
		b.Fatal(err)
	}
	rev, err := db.Commit(ctx, "admin", "")
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Confirm(ctx, rev.ID); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := db.Changes(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
