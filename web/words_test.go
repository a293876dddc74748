package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"
)

// codes reads the failure codes out of ipsec/ike, which this package must not
// import.
func codes(t *testing.T) (out []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../ipsec/ike/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		for _, v := range spec.Values {
			text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		return true
	})
	if len(out) < 10 {
		t.Fatalf("only %d codes found", len(out))
	}
	return out
}

func TestEveryFailureHasWords(t *testing.T) {
	for _, code := range codes(t) {
		for _, byPeer := range []bool{false, true} {
			p := &Problem{Code: code, ByPeer: byPeer}
			text := sentence("leeds", p)
			if strings.Contains(text, code) || strings.Contains(text, "%!") || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q", code, text)
			}
			if next := nextStep(p); next == "" || !strings.HasSuffix(next, ".") {
				t.Errorf("%s: next step %q", code, next)
			}
		}
	}
	if text := sentence("leeds", &Problem{Code: "from_the_future"}); !strings.Contains(text, "from_the_future") {
		t.Errorf("an unknown code is lost: %q", text)
	}
}

func TestEveryStateHasWords(t *testing.T) {
	for _, s := range []TunnelState{TunnelUp, TunnelConnecting, TunnelWaiting, TunnelDown, TunnelOff} {
		if w := stateWords(s); w.Shape == "?" || w.Word == "" || w.Class == "" {
			t.Errorf("%s: %+v", s, w)
		}
	}
}

func TestHumanFigures(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_500_000: "1.5 MB", 1 << 63: "9223372.0 TB"} {
		if got := humanBytes(n); got != want {
			t.Errorf("%d: %s, not %s", n, got, want)
		}
	}
	now := time.Now()
	for d, want := range map[time.Duration]string{
		time.Second: "less than a minute", time.Minute: "1 minute", 59 * time.Minute: "59 minutes", 3 * time.Hour: "3 hours", 72 * time.Hour: "3 days",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%v: %s, not %s", d, got, want)
		}
	}
	if ago(now, time.Time{}) != "never" {
		t.Error("a time that never was")
	}
}
