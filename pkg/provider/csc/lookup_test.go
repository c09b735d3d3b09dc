package csc_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestCertInfoRefused checks that a service that does not implement certInfo is called again
// without it.
func TestCertInfoRefused(t *testing.T) {
	for _, version := range []string{"csc/v1", "csc/v2"} {
		opts := service.Options{Foreign: service.Foreign{NoCertInfo: true}}
		set := csc.Settings{URL: "http://simulated.invalid/" + version}
		bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
			signGood(t, p, 1)
			if n := s.Counts().Calls[version+"/credentials/info"]; n != 2 {
				t.Errorf("%s: credentials/info was called %d times, want twice", version, n)
			}
		})
	}
}

// TestPagesOfCredentials checks that all pages are read, also empty ones, before a credential
// counts as the only one.
func TestPagesOfCredentials(t *testing.T) {
	keys := []service.Credential{
		{Key: service.ECDSAP256, PIN: service.PIN},
		{Key: service.ECDSAP384, PIN: service.PIN},
		{ID: "third", Key: service.ECDSAP256},
	}
	for _, c := range []struct {
		credentials, page int
		want              string // part of the error; empty = signing works
	}{{1, 1, ""}, {1, 10, ""}, {2, 1, "2 credentials"}, {3, 2, "3 credentials"}} {
		opts := service.Options{Credentials: keys[:c.credentials], Foreign: service.Foreign{PageSize: c.page}}
		set := csc.Settings{URL: "http://simulated.invalid"}
		bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
			if c.want == "" {
				signGood(t, p, 1)
				return
			}
			_, err := p.Credential(t.Context())
			if e := signing.AsError(err); e == nil || e.Kind != signing.KindConfiguration ||
				!strings.Contains(e.Detail, c.want) {
				t.Errorf("Credential of %d in pages of %d = %v, want a configuration fault that says %q",
					c.credentials, c.page, err, c.want)
			}
		})
	}
}

// TestEndlessPages checks that the provider stops when a service's list never ends.
func TestEndlessPages(t *testing.T) {
	calls := 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /csc/v2/info",
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"authType":["external"]}`)) })
	mux.HandleFunc("POST /csc/v2/credentials/list", func(w http.ResponseWriter, _ *http.Request) {
		calls++
		_, _ = fmt.Fprint(w, `{"credentialIDs":[],"nextPageToken":"again"}`)
	})
	client, stop := pipenet.Serve(mux)
	defer stop()
	_, err := newPlainProvider(t, client, csc.Settings{URL: "http://simulated.invalid/csc/v2"}).Credential(t.Context())
	if signing.KindOf(err) != signing.KindProvider || calls != 50 {
		t.Errorf("Credential = %v after %d calls, want a fault of the service after 50", err, calls)
	}
}

// TestOperationModeIsSent checks that the configured mode is sent to services whose version has
// that field.
func TestOperationModeIsSent(t *testing.T) {
	for _, c := range []struct {
		path, mode string
		async      bool
		ok         bool
	}{
		{"/csc/v2", "S", false, true},
		{"/csc/v2", "S", true, true},
		{"/csc/v2", "A", true, true},
		{"/csc/v2", "", true, true},
		{"/csc/v2", "", false, false},
		{"/csc/v1", "S", false, true}, // version 1 has no such field
	} {
		opts := service.Options{Asynchronous: c.async, Foreign: service.Foreign{OperationModeNeeded: true}}
		set := csc.Settings{URL: "http://simulated.invalid" + c.path, OperationMode: c.mode}
		bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
			if got := attempt(t, s, p, 2); got.OK != c.ok {
				t.Errorf("%+v: outcome = %v", c, got)
			}
			polls := s.Counts().Calls["csc/v2/signatures/signPolling"]
			if wantPolls := c.async && c.mode != "S"; (polls > 0) != wantPolls {
				t.Errorf("%+v: %d polls", c, polls)
			}
		})
	}
}

// TestSpecsWithV checks that a version written with a v is understood.
func TestSpecsWithV(t *testing.T) {
	opts := service.Options{Foreign: service.Foreign{Specs: "v1.0.4.0"}}
	set := csc.Settings{URL: "http://simulated.invalid/csc/v1"}
	bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
		signGood(t, p, 2)
	})
}
