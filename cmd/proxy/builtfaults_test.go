package main_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// builtFault is a permanent fault of signHash and the expected result for one document in two
// attempts with the built proxy.
type builtFault struct {
	misbehaviour service.Misbehaviour
	status       string
	failure      string // expected text in the client's answer; empty = signed
	made         int64
}

const serviceFault = "CERT_SERVICE_GLOBAL_ERROR"

// builtFaults: no signature is requested twice after an answer that was certainly refused or
// certainly useless. After a lost answer it is requested once more, as the policy says.
var builtFaults = []builtFault{
	{service.TooManyRequests, client.StatusFailed, serviceFault, 0},
	{service.TooManyRetryAfter, client.StatusFailed, serviceFault, 0},
	{service.ErrorBefore, client.StatusFailed, serviceFault, 0},
	{service.Unavailable, client.StatusFailed, serviceFault, 0},
	{service.Gateway, client.StatusFailed, serviceFault, 0},
	{service.CutBefore, client.StatusFailed, serviceFault, 0},
	{service.Refused, client.StatusFailed, serviceFault, 0},
	{service.ExpiredToken, client.StatusFailed, "INVALID_CERT_SERVICE_CREDS", 0},
	{service.ExpiredSAD, client.StatusFailed, serviceFault, 0},
	{service.ErrorAfter, client.StatusFailed, serviceFault, 2},
	{service.CutAfter, client.StatusFailed, serviceFault, 2},
	{service.HalfAnswer, client.StatusFailed, serviceFault, 2},
	{service.Stalled, client.StatusFailed, serviceFault, 2},
	{service.NotJSON, client.StatusFailed, serviceFault, 2},
	{service.Empty, client.StatusFailed, serviceFault, 1},
	{service.Huge, client.StatusFailed, serviceFault, 2},
	{service.TimedOutAfter, client.StatusFailed, serviceFault, 2},
	{service.TooManyAfter, client.StatusFailed, serviceFault, 2},
	{service.HungUpAfter, client.StatusFailed, serviceFault, 2},
	{service.ServerErrorAfter, client.StatusFailed, serviceFault, 2},
	{service.NotFoundAfter, client.StatusFailed, "CONFIGURATION_SIGN_ERROR", 2},
	{service.RedirectAfter, client.StatusFailed, "CONFIGURATION_SIGN_ERROR", 2},
	{service.WrongOrder, client.StatusExecuted, "", 1}, // one value has only one order
	{service.TooFewValues, client.StatusFailed, serviceFault, 1},
	{service.TooManyValues, client.StatusFailed, serviceFault, 1},
	{service.WrongKey, client.StatusFailed, serviceFault, 1},
	{service.RawECDSA, client.StatusExecuted, "", 1},
	{service.BadBase64, client.StatusFailed, serviceFault, 1},
}

// TestFaultsOfManyServices runs one built proxy. Each of its client services signs at a remote side
// with a different fault, all at the same time. No client service is affected by the others.
// Nothing leaks: no goroutine, no file, and no signature that is not accounted for.
func TestFaultsOfManyServices(t *testing.T) {
	t.Parallel()
	if len(builtFaults) != len(service.Misbehaviours()) {
		t.Errorf("%d faults for %d misbehaviours", len(builtFaults), len(service.Misbehaviours()))
	}
	p := newTestProxy(t,
		"--signing.tries=1", "--signing.retry.backoff=50ms", "--signing.call.timeout=10s", "--sync.wait=2m")
	remotes := startRudeServices(t, p)
	p.start(t)
	before := p.metric(t, "go_goroutines")
	var all sync.WaitGroup
	for i, f := range builtFaults {
		all.Go(func() { wantBuiltFault(t, p, fmt.Sprintf("remote-%d", i), f) })
	}
	all.Wait()
	wantPaid(t, p, remotes)
	until(t, "the goroutines are gone", func() bool { return p.metric(t, "go_goroutines") <= before+5 })
	if left, err := filepath.Glob(filepath.Join(p.o.State, "uploads", "*")); err != nil || len(left) > 0 {
		t.Errorf("uploads holds %v, %v, want nothing", left, err)
	}
	kept, err := filepath.Glob(filepath.Join(p.o.State, "operations", "*"))
	if err != nil || len(kept) != len(builtFaults) {
		t.Errorf("operations holds %d files, %v, want %d", len(kept), err, len(builtFaults))
	}
}

// startRudeServices starts a service for each fault. It configures the proxy so that each service
// has a client service of the same name.
func startRudeServices(t *testing.T, p *testProxy) []*service.Service {
	t.Helper()
	remotes := make([]*service.Service, len(builtFaults))
	authority, err := service.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	var config strings.Builder
	config.WriteString("defaultProvider: remote-0\nproviders:\n")
	ids := map[string]map[string]string{}
	for i, f := range builtFaults {
		var url string
		remotes[i], url = rudeService(t, authority, f.misbehaviour)
		name := fmt.Sprintf("remote-%d", i)
		fmt.Fprintf(&config, "- {name: %s, kind: csc, url: %q, clientID: %s, clientSecretFile: %q}\n",
			name, url, service.ClientID, p.file(t, name+"-secret", service.ClientSecret))
		ids[name] = map[string]string{"secret": "secret of " + name, "provider": name}
	}
	text, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	p.file(t, "client-services-config.json", string(text))
	p.configure(t, config.String())
	return remotes
}

// wantPaid compares the signatures that the services made with the proxy's counters.
func wantPaid(t *testing.T, p *testProxy, remotes []*service.Service) {
	t.Helper()
	var made, lost int64
	for i, f := range builtFaults {
		n := remotes[i].Counts().Signatures
		if n != f.made {
			t.Errorf("%s: %d signatures made, want %d", f.misbehaviour, n, f.made)
		}
		if made += n; f.failure != "" {
			lost += f.made
		}
	}
	// Two are signed. Calls that may have made a signature but made none also count as unknown: four
	// documents fail like this, in two attempts each.
	n := p.signatures(t)
	if n["returned"] != 2 || n["unknown"] != lost+8 || n["sent"] != n["returned"]+n["unknown"]+n["refused"] {
		t.Errorf("%d signatures made, counters %v, want 2 returned and %d unknown", made, n, lost+8)
	}
}

// rudeService starts a simulated service whose signHash has a fault.
func rudeService(t *testing.T, authority *service.Authority, r service.Misbehaviour) (*service.Service, string) {
	t.Helper()
	s, err := service.New(
		service.Options{Authority: authority, Credentials: []service.Credential{{Key: service.ECDSAP256}}},
	)
	if err == nil {
		err = s.Misbehave(service.Fault{Endpoint: "signatures/signHash", Misbehaviour: r})
	}
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return s, server.URL
}

// wantBuiltFault makes one request as the client service and checks the result.
func wantBuiltFault(t *testing.T, p *testProxy, id string, f builtFault) {
	c, err := client.New(client.Config{URL: p.URL, ClientID: id, Secret: "secret of " + id, Basic: true})
	if err != nil {
		t.Error(err)
		return
	}
	op, err := c.Sign(t.Context(), oneDocument(t, "rude "+id, client.SignatureInfo{}), discard{})
	if err != nil || op.Status != f.status || len(op.Documents) != 1 {
		t.Errorf("%s: %+v, %v, want %s", f.misbehaviour, op, err, f.status)
		return
	}
	if got := op.Documents[0].Failure(); !strings.Contains(got, f.failure) || (got == "") != (f.failure == "") {
		t.Errorf("%s: failure %q, want %q", f.misbehaviour, got, f.failure)
	}
}
