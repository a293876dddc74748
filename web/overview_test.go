package web

import (
	"net/http"
	"testing"
)

func TestTheOverviewSaysHowFlowOffloadIs(t *testing.T) {
	s := newSite(t)
	b := s.loggedIn(t)
	s.gateway.status.Offload = Offload{InUse: true, State: "in use for lan0, wan0"}
	b.get("/").want(t, http.StatusOK, "Flow offload", "in use for lan0, wan0")
	b.get("/api/v1/status").want(t, http.StatusOK, `"flow_offload":{"in_use":true,"state":"in use for lan0, wan0"}`)
	s.gateway.status.Offload = Offload{State: "not available on this kernel: it has no flow tables"}
	b.get("/").want(t, http.StatusOK, "Not in use", "not available on this kernel: it has no flow tables")
}
