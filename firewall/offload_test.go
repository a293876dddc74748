package firewall

import (
	"errors"
	"strings"
	"testing"
)

// On a build machine the kernel may have no flow tables, and lan0.20 is never
// there: the perimeter must come up all the same, and say how it is.
func TestAnApplySurvivesAKernelWithoutTheFastPath(t *testing.T) {
	s := newSpace(t)
	s.ip("link add lan0 type veth peer name lan0-end")
	a := NewApplier(quiet())
	s.do(func() {
		if err := a.Apply(t.Context(), mustCompile(t, offloading())); err != nil {
			t.Error(err)
		}
	})
	if o := a.Offloading(); !o.Wanted || o.Refused == "" && (len(o.Devices) != 1 || len(o.Absent) != 2) {
		t.Errorf("flow offload is %s", o)
	}
}

func TestTheStateOfOffloadingIsSaid(t *testing.T) {
	for want, o := range map[string]Offloading{
		"switched off":                            {},
		"in use for lan0, wan0":                   {Wanted: true, Devices: []string{"lan0", "wan0"}},
		"waiting for lan0":                        {Wanted: true, Absent: []string{"lan0"}},
		"in use for a; waiting for b":             {Wanted: true, Devices: []string{"a"}, Absent: []string{"b"}},
		"in use for a by the hardware":            {Wanted: true, Devices: []string{"a"}, Hardware: true},
		"in use for a (not by the hardware: no)":  {Wanted: true, Devices: []string{"a"}, NoHardware: "no"},
		"not available on this kernel: it is old": {Wanted: true, Refused: "it is old"},
	} {
		if got := o.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWithoutTheFastPathNothingRefersToIt(t *testing.T) {
	slow, o := mustCompile(t, offloading()).refuse(Offloading{Wanted: true}, errors.New("no"))
	if text := slow.String(); strings.Contains(text, flowtableName) || o.Refused != "no" {
		t.Errorf("%s: %s", o, text)
	}
}
