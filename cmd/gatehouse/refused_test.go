package main

import (
	"net/netip"
	"testing"

	"gatehouse/ipsec"
	"gatehouse/ipsec/sad"
)

func TestRefusedPacketsAreToldWithTheirReason(t *testing.T) {
	e := refusedEvent(ipsec.Event{What: sad.Refused, Refusal: sad.WrongSA, Count: 3, Policy: "leeds", SPI: 0x1001,
		Source: netip.MustParseAddr("10.1.0.5"), Destination: netip.MustParseAddr("10.2.0.9")})
	want := "3 packets were refused: came by the wrong SA (the last from 10.1.0.5 to 10.2.0.9), SPI 00001001."
	if e.Message != want || e.Subject != "leeds" || e.Kind != "ipsec" {
		t.Errorf("%+v", e)
	}
	e = refusedEvent(ipsec.Event{What: sad.Refused, Refusal: sad.UnknownSPI, Count: 1})
	if e.Message != "1 packet was refused: unknown SPI." {
		t.Errorf("%+v", e)
	}
}
