package csc_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/servicetest"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/providertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// bubble runs a test with a fake clock and its own network. The test fails if a goroutine or
// connection is left behind.
func bubble(
	t *testing.T, opts service.Options, set csc.Settings, test func(t *testing.T, s *service.Service, p *csc.Provider),
) {
	t.Helper()
	servicetest.Bubble(t, opts, func(t *testing.T, s *service.Service, client *http.Client) {
		test(t, s, newProvider(t, client, set))
	})
}

// variant is a way to get an answer.
type variant struct {
	name  string
	path  string
	async bool
}

var variants = []variant{
	{"v1", "/csc/v1", false},
	{"v2 synchronous", "/csc/v2", false},
	{"v2 asynchronous", "/csc/v2", true},
}

// run runs a test with a credential on P-256.
func (v variant) run(t *testing.T, test func(t *testing.T, s *service.Service, p *csc.Provider)) {
	t.Helper()
	opts := service.Options{
		Asynchronous: v.async,
		Credentials:  []service.Credential{{Key: service.ECDSAP256, PIN: service.PIN}},
	}
	bubble(t, opts, csc.Settings{URL: "http://simulated.invalid" + v.path}, test)
}

const provider = signing.KindProvider

// signHashFaults are the faults of signHash. A fault lasts for ever, unless the case says that it
// happens once.
func signHashFaults() (all []signHashFault) {
	for _, f := range servicetest.SignHashFaults() {
		all = append(all, signHashFault{misbehaviour: f.Misbehaviour, want: f.Want})
	}
	signed := providertest.Outcome{OK: true, Spent: servicetest.Digests}
	return append(all,
		signHashFault{misbehaviour: service.ExpiredToken, once: true, want: signed},
		signHashFault{misbehaviour: service.ExpiredSAD, once: true, want: signed})
}

type signHashFault struct {
	misbehaviour service.Misbehaviour
	once         bool
	want         providertest.Outcome
}

// TestSignHashFaults checks what each fault of signHash means and how many signatures it costs.
// After the fault ends, signing works.
func TestSignHashFaults(t *testing.T) {
	for _, v := range variants {
		for _, f := range signHashFaults() {
			t.Run(fmt.Sprintf("%s %s once=%v", v.name, f.misbehaviour, f.once), func(t *testing.T) {
				v.run(t, func(t *testing.T, s *service.Service, p *csc.Provider) { checkSignHashFault(t, s, p, f) })
			})
		}
	}
}

func checkSignHashFault(t *testing.T, s *service.Service, p *csc.Provider, f signHashFault) {
	t.Helper()
	fault := service.Fault{Endpoint: "signatures/signHash", Misbehaviour: f.misbehaviour}
	if f.once {
		fault.Times = 1
	}
	servicetest.Misbehave(t, s, fault)
	if got := attempt(t, s, p, servicetest.Digests); got != f.want {
		t.Errorf("outcome = %v, want %v", got, f.want)
	}
	checkPolite(t, s, p)
}

// checkPolite ends all faults and checks that signing works again.
func checkPolite(t *testing.T, s *service.Service, p *csc.Provider) {
	t.Helper()
	s.Behave()
	time.Sleep(time.Minute) // fake: back-offs are over
	if got := attempt(t, s, p, 2); !got.OK || got.Spent != 2 {
		t.Errorf("outcome after the fault = %v, want signed, 2 spent", got)
	}
}

// TestSignHashIsNotRepeated checks that one Sign sends one signHash, whatever the answer is,
// because the caller counts calls. If a token or activation data had expired, the error says that
// the same call may be made again, and the next call works.
func TestSignHashIsNotRepeated(t *testing.T) {
	for _, v := range variants {
		for _, r := range service.Misbehaviours() {
			t.Run(v.name+" "+string(r), func(t *testing.T) {
				v.run(t, func(t *testing.T, s *service.Service, p *csc.Provider) {
					checkNotRepeated(t, s, p, r, v.path[1:]+"/signatures/signHash")
				})
			})
		}
	}
}

func checkNotRepeated(t *testing.T, s *service.Service, p *csc.Provider, r service.Misbehaviour, counted string) {
	t.Helper()
	c, err := p.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	servicetest.Misbehave(t, s, service.Fault{Endpoint: "signatures/signHash", Misbehaviour: r})
	_, err = p.Sign(t.Context(), providertest.NewCall(c.Hash, 3))
	if n := s.Counts().Calls[counted]; n != 1 {
		t.Errorf("%d calls of signHash, want 1", n)
	}
	renewed := r == service.ExpiredToken || r == service.ExpiredSAD
	if errors.Is(err, signing.ErrRenewed) != renewed || renewed && signing.AsError(err).Unknown {
		t.Errorf("Sign = %v, want ErrRenewed %v, with the outcome known", err, renewed)
	}
	s.Behave()
	if _, err := p.Sign(t.Context(), providertest.NewCall(c.Hash, 3)); renewed && err != nil {
		t.Errorf("next Sign = %v", err)
	}
}

// earlyWant is the expected outcome of a fault before anything can have been signed.
func earlyWant(endpoint string, r service.Misbehaviour) providertest.Outcome {
	switch {
	case servicetest.Harmless(r), r == service.ExpiredToken && (endpoint == "info" || endpoint == "token"):
		return providertest.Outcome{OK: true, Spent: 2} // info and token need no token
	}
	switch r {
	case service.TooManyRetryAfter, service.TooManyAfter:
		return providertest.Outcome{Kind: provider, Retry: true, RetryAfter: 2 * time.Second}
	case service.NotFoundAfter, service.RedirectAfter:
		return providertest.Outcome{Kind: signing.KindConfiguration}
	case service.Unavailable:
		return providertest.Outcome{Kind: provider, Retry: true, RetryAfter: 3 * time.Second}
	case service.Refused:
		return providertest.Outcome{Kind: provider}
	case service.ExpiredToken:
		return providertest.Outcome{Kind: signing.KindProviderCredentials}
	}
	return providertest.Outcome{Kind: provider, Retry: true}
}

// TestEarlyFaults checks that a fault before signHash never costs a signature and never leaves an
// outcome unknown.
func TestEarlyFaults(t *testing.T) {
	endpoints := []string{"info", "token", "credentials/list", "credentials/info", "credentials/authorize"}
	for _, v := range variants[:2] { // before signHash, asynchronous calls are like synchronous ones
		set := csc.Settings{URL: "http://simulated.invalid" + v.path}
		for _, endpoint := range endpoints {
			for _, r := range service.Misbehaviours() {
				t.Run(fmt.Sprintf("%s %s %s", v.name, endpoint, r), func(t *testing.T) {
					bubble(t, service.Options{}, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
						servicetest.Misbehave(t, s, service.Fault{Endpoint: endpoint, Misbehaviour: r})
						if got, want := attempt(t, s, p, 2), earlyWant(endpoint, r); got != want {
							t.Errorf("outcome = %v, want %v", got, want)
						}
						checkPolite(t, s, p)
					})
				})
			}
		}
	}
}

// TestPollingFaults checks that asynchronous signatures are fetched in spite of any temporary
// fault, and that their outcome is unknown after a permanent one.
func TestPollingFaults(t *testing.T) {
	opts, set := service.Options{Asynchronous: true}, csc.Settings{URL: "http://simulated.invalid"}
	for _, r := range service.Misbehaviours() {
		for _, times := range []int{1, 0} {
			t.Run(fmt.Sprintf("%s times=%d", r, times), func(t *testing.T) {
				bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
					servicetest.Misbehave(t, s, service.Fault{Endpoint: "signatures/signPolling", Misbehaviour: r, Times: times})
					got, harmless := attempt(t, s, p, 2), servicetest.Harmless(r)
					switch {
					case got.Spent != 2:
						t.Errorf("outcome = %v, want 2 spent", got)
					case harmless && !got.OK:
						t.Errorf("outcome = %v, want signed", got)
					case !harmless && times == 0 && !got.Unknown:
						t.Errorf("outcome = %v, want unknown", got)
					case !got.OK && !got.Unknown:
						t.Errorf("outcome = %v, want signed or unknown", got)
					}
					if times == 1 && got.OK == servicetest.Final(r) {
						t.Errorf("outcome = %v, want a failure only after a refusal", got)
					}
				})
			})
		}
	}
}

// TestResume checks that the recorded handle returns the values again, also to another provider,
// and that nothing is signed twice.
func TestResume(t *testing.T) {
	s := servicetest.New(t, service.Options{Asynchronous: true})
	set := csc.Settings{URL: startService(t, s)}
	client := newHTTP(t)
	first := newProvider(t, client, set)
	c, err := first.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	call := providertest.NewCall(c.Hash, 3)
	var handle string
	call.Note = noteInto(&handle)
	if _, err := first.Sign(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	values, err := newProvider(t, client, set).Resume(t.Context(), call, handle)
	if err != nil {
		t.Fatalf("Resume = %v", err)
	}
	if err := providertest.Valid(c, call, values); err != nil {
		t.Errorf("Resume gave other values: %v", err)
	}
	if n := s.Counts().Signatures; n != 3 {
		t.Errorf("%d signatures were made, want 3", n)
	}
	_, err = first.Resume(t.Context(), call, "nobody's")
	if e := signing.AsError(err); e == nil || e.Unknown || e.Retry || e.Kind != provider {
		t.Errorf("Resume with a handle that is not known = %v, want that there will be no answer", err)
	}
}

// TestServiceHangs checks that other calls use the stale credential while one call waits for the
// new description.
func TestServiceHangs(t *testing.T) {
	set := csc.Settings{URL: "http://simulated.invalid", PINFile: secretFile(t, service.PIN)}
	bubble(t, service.Options{}, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
		servicetest.CheckHangingService(t, s, p)
	})
}
