package csc_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// bubble runs a test with a fake clock and its own network. The test fails if a goroutine or
// connection is left behind.
func bubble(
	t *testing.T,
	opts service.Options,
	set csc.Settings,
	test func(t *testing.T, s *service.Service, p *csc.Provider),
) {
	t.Helper()
	bubbleWith(
		t,
		opts,
		func(t *testing.T, s *service.Service, client *http.Client) { test(t, s, newProvider(t, client, set)) },
	)
}

// bubbleWith is like bubble, but the test makes its own providers.
func bubbleWith(t *testing.T, opts service.Options, test func(t *testing.T, s *service.Service, client *http.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, opts)
		client, stop := pipenet.Serve(s)
		defer stop()
		defer s.Close()
		test(t, s, client)
	})
}

// outcome is the result of a call.
type outcome struct {
	ok         bool // correct values for the digests
	bad        bool // wrong values; the caller's check refuses them
	kind       signing.Kind
	retry      bool
	retryAfter time.Duration
	unknown    bool
	spent      int // signatures made
}

func (o outcome) String() string {
	switch {
	case o.ok:
		return fmt.Sprintf("signed, %d spent", o.spent)
	case o.bad:
		return fmt.Sprintf("values that do not fit, %d spent", o.spent)
	}
	return fmt.Sprintf("%s, retry %v after %v, unknown %v, %d spent", o.kind, o.retry, o.retryAfter, o.unknown, o.spent)
}

// attempt signs n digests and returns the outcome.
func attempt(t *testing.T, s *service.Service, p *csc.Provider, n int) outcome {
	t.Helper()
	before := s.Counts().Signatures
	spent := func() int { return int(s.Counts().Signatures - before) }
	c, err := p.Credential(t.Context())
	var values [][]byte
	var call signing.Call
	if err == nil {
		call = randomCall(t, c, n)
		values, err = signRenewed(t, p, call)
	}
	if err == nil {
		err := valid(c, call, values)
		return outcome{ok: err == nil, bad: err != nil, spent: spent()}
	}
	var e *signing.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *signing.Error", err, err)
	}
	if values != nil {
		t.Errorf("Sign returned %d values with its error", len(values))
	}
	return outcome{kind: e.Kind, retry: e.Retry, retryAfter: e.RetryAfter, unknown: e.Unknown, spent: spent()}
}

// variants are the three ways to get an answer.
var variants = []struct {
	name  string
	path  string
	async bool
}{
	{"v1", "/csc/v1", false},
	{"v2 synchronous", "/csc/v2", false},
	{"v2 asynchronous", "/csc/v2", true},
}

const provider = signing.KindProvider

// signHashFaults are the faults of signHash, for three digests. A fault lasts for ever, unless the
// case says that it happens once.
var signHashFaults = []struct {
	rudeness service.Rudeness
	once     bool
	want     outcome
}{
	{rudeness: service.TooManyRequests, want: outcome{kind: provider, retry: true}},
	{rudeness: service.TooManyRetryAfter, want: outcome{kind: provider, retry: true, retryAfter: 2 * time.Second}},
	{rudeness: service.ErrorBefore, want: outcome{kind: provider, retry: true, unknown: true}},
	{
		rudeness: service.Unavailable,
		want:     outcome{kind: provider, retry: true, retryAfter: 3 * time.Second, unknown: true},
	},
	{rudeness: service.Gateway, want: outcome{kind: provider, retry: true, unknown: true}},
	{rudeness: service.CutBefore, want: outcome{kind: provider, retry: true, unknown: true}},
	{rudeness: service.Refused, want: outcome{kind: provider}},
	{rudeness: service.ExpiredToken, once: true, want: outcome{ok: true, spent: 3}},
	{rudeness: service.ExpiredToken, want: outcome{kind: signing.KindProviderCredentials}},
	{rudeness: service.ExpiredSAD, once: true, want: outcome{ok: true, spent: 3}},
	{rudeness: service.ExpiredSAD, want: outcome{kind: provider, retry: true}},
	{rudeness: service.ErrorAfter, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{rudeness: service.CutAfter, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{rudeness: service.HalfAnswer, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{rudeness: service.Stalled, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{rudeness: service.NotJSON, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{rudeness: service.Empty, want: outcome{kind: provider, unknown: true, spent: 3}},
	{rudeness: service.Huge, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{rudeness: service.TimedOutAfter, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{
		rudeness: service.TooManyAfter,
		want:     outcome{kind: provider, retry: true, retryAfter: 2 * time.Second, unknown: true, spent: 3},
	},
	{rudeness: service.HungUpAfter, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{rudeness: service.ServerErrorAfter, want: outcome{kind: provider, retry: true, unknown: true, spent: 3}},
	{rudeness: service.NotFoundAfter, want: outcome{kind: signing.KindConfiguration, unknown: true, spent: 3}},
	{rudeness: service.RedirectAfter, want: outcome{kind: signing.KindConfiguration, unknown: true, spent: 3}},
	{rudeness: service.WrongOrder, want: outcome{bad: true, spent: 3}},
	{rudeness: service.TooFewValues, want: outcome{bad: true, spent: 3}},
	{rudeness: service.TooManyValues, want: outcome{bad: true, spent: 3}},
	{rudeness: service.WrongKey, want: outcome{bad: true, spent: 3}},
	{rudeness: service.RawECDSA, want: outcome{ok: true, spent: 3}},
	{rudeness: service.BadBase64, want: outcome{kind: provider, unknown: true, spent: 3}},
}

// TestSignHashFaults checks what each fault of signHash means and how many signatures it costs.
// After the fault ends, signing works.
func TestSignHashFaults(t *testing.T) {
	for _, v := range variants {
		for _, f := range signHashFaults {
			t.Run(fmt.Sprintf("%s %s once=%v", v.name, f.rudeness, f.once), func(t *testing.T) {
				opts := service.Options{
					Asynchronous: v.async,
					Credentials:  []service.Credential{{Key: service.ECDSAP256, PIN: service.PIN}},
				}
				bubble(
					t,
					opts,
					csc.Settings{URL: "http://simulated.invalid" + v.path},
					func(t *testing.T, s *service.Service, p *csc.Provider) {
						fault := service.Fault{Endpoint: "signatures/signHash", Rudeness: f.rudeness}
						if f.once {
							fault.Times = 1
						}
						if err := s.Misbehave(fault); err != nil {
							t.Fatal(err)
						}
						if got := attempt(t, s, p, 3); got != f.want {
							t.Errorf("outcome = %v, want %v", got, f.want)
						}
						s.Behave()
						time.Sleep(time.Minute) // fake: back-offs are over
						if got := attempt(t, s, p, 3); !got.ok || got.spent != 3 {
							t.Errorf("outcome when polite again = %v, want signed, 3 spent", got)
						}
					},
				)
			})
		}
	}
}

// TestSignHashIsNotRepeated checks that one Sign sends one signHash, whatever the answer is,
// because the caller counts calls. If a token or activation data had expired, the error says that
// the same call may be made again, and the next call works.
func TestSignHashIsNotRepeated(t *testing.T) {
	for _, v := range variants {
		for _, r := range service.Rudenesses() {
			t.Run(v.name+" "+string(r), func(t *testing.T) {
				opts := service.Options{
					Asynchronous: v.async,
					Credentials:  []service.Credential{{Key: service.ECDSAP256, PIN: service.PIN}},
				}
				bubble(
					t,
					opts,
					csc.Settings{URL: "http://simulated.invalid" + v.path},
					func(t *testing.T, s *service.Service, p *csc.Provider) {
						c, err := p.Credential(t.Context())
						if err != nil {
							t.Fatal(err)
						}
						if err := s.Misbehave(service.Fault{Endpoint: "signatures/signHash", Rudeness: r}); err != nil {
							t.Fatal(err)
						}
						_, err = p.Sign(t.Context(), randomCall(t, c, 3))
						if n := s.Counts().Calls[v.path[1:]+"/signatures/signHash"]; n != 1 {
							t.Errorf("%d calls of signHash, want 1", n)
						}
						renewed := r == service.ExpiredToken || r == service.ExpiredSAD
						if errors.Is(err, signing.ErrRenewed) != renewed || renewed && signing.AsError(err).Unknown {
							t.Errorf("Sign = %v, renewed %v wanted, with the outcome known", err, renewed)
						}
						s.Behave()
						if _, err := p.Sign(t.Context(), randomCall(t, c, 3)); renewed && err != nil {
							t.Errorf("next Sign = %v", err)
						}
					},
				)
			})
		}
	}
}

// earlyWant is the expected outcome of a fault before anything can have been signed.
func earlyWant(r service.Rudeness) (want outcome, harmless bool) {
	switch r {
	case service.TooManyRetryAfter, service.TooManyAfter:
		return outcome{kind: provider, retry: true, retryAfter: 2 * time.Second}, false
	case service.NotFoundAfter, service.RedirectAfter:
		return outcome{kind: signing.KindConfiguration}, false
	case service.Unavailable:
		return outcome{kind: provider, retry: true, retryAfter: 3 * time.Second}, false
	case service.Refused:
		return outcome{kind: provider}, false
	case service.ExpiredToken:
		return outcome{kind: signing.KindProviderCredentials}, false
	case service.ExpiredSAD,
		service.WrongOrder,
		service.TooFewValues,
		service.TooManyValues,
		service.WrongKey,
		service.RawECDSA,
		service.BadBase64:
		return outcome{ok: true, spent: 2}, true
	}
	return outcome{kind: provider, retry: true}, false
}

// TestEarlyFaults checks that a fault before signHash never costs a signature and never leaves an
// outcome unknown.
func TestEarlyFaults(t *testing.T) {
	for _, v := range variants[:2] { // before signHash, asynchronous calls are like synchronous ones
		for _, endpoint := range []string{"info", "token", "credentials/list", "credentials/info", "credentials/authorize"} {
			for _, r := range service.Rudenesses() {
				t.Run(fmt.Sprintf("%s %s %s", v.name, endpoint, r), func(t *testing.T) {
					bubble(
						t,
						service.Options{Asynchronous: v.async},
						csc.Settings{URL: "http://simulated.invalid" + v.path},
						func(t *testing.T, s *service.Service, p *csc.Provider) {
							if err := s.Misbehave(service.Fault{Endpoint: endpoint, Rudeness: r}); err != nil {
								t.Fatal(err)
							}
							want, harmless := earlyWant(r)
							got := attempt(t, s, p, 2)
							switch {
							case r == service.ExpiredToken && (endpoint == "info" || endpoint == "token"):
								want = outcome{ok: true, spent: 2} // that endpoint needs no token
							}
							if got != want {
								t.Errorf("outcome = %v, want %v", got, want)
							}
							s.Behave()
							time.Sleep(time.Minute) // fake: back-offs are over
							if got := attempt(t, s, p, 2); !got.ok || got.spent != 2 {
								t.Errorf("outcome when polite again = %v, want signed, 2 spent (harmless %v)", got, harmless)
							}
						},
					)
				})
			}
		}
	}
}

// TestPollingFaults checks that asynchronous signatures are fetched in spite of any temporary
// fault, and that their outcome is unknown after a permanent one.
func TestPollingFaults(t *testing.T) {
	for _, r := range service.Rudenesses() {
		for _, times := range []int{1, 0} {
			t.Run(fmt.Sprintf("%s times=%d", r, times), func(t *testing.T) {
				bubble(
					t,
					service.Options{Asynchronous: true},
					csc.Settings{URL: "http://simulated.invalid"},
					func(t *testing.T, s *service.Service, p *csc.Provider) {
						if err := s.Misbehave(service.Fault{Endpoint: "signatures/signPolling", Rudeness: r, Times: times}); err != nil {
							t.Fatal(err)
						}
						got := attempt(t, s, p, 2)
						_, harmless := earlyWant(r)
						switch {
						case got.spent != 2:
							t.Errorf("outcome = %v, want 2 spent", got)
						case harmless && !got.ok:
							t.Errorf("outcome = %v, want signed", got)
						case !harmless && times == 0 && !got.unknown:
							t.Errorf("outcome = %v, want unknown", got)
						case !got.ok && !got.unknown:
							t.Errorf("outcome = %v, want signed or unknown", got)
						}
						final := r == service.Refused || r == service.NotFoundAfter || r == service.RedirectAfter
						if times == 1 && got.ok == final {
							t.Errorf("outcome = %v; all but a refusal passes", got)
						}
					},
				)
			})
		}
	}
}

// TestResume checks that the recorded handle returns the values again, also to another provider,
// and that nothing is signed twice.
func TestResume(t *testing.T) {
	s := newService(t, service.Options{Asynchronous: true})
	set := csc.Settings{URL: startService(t, s)}
	client := newHTTP(t)
	first := newProvider(t, client, set)
	c, err := first.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	call := randomCall(t, c, 3)
	var handle string
	call.Note = noteInto(&handle)
	if _, err := first.Sign(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	values, err := newProvider(t, client, set).Resume(t.Context(), call, handle)
	if err != nil {
		t.Fatalf("Resume = %v", err)
	}
	if err := valid(c, call, values); err != nil {
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
	bubble(
		t,
		service.Options{},
		csc.Settings{URL: "http://simulated.invalid", PINFile: secretFile(t, service.PIN)},
		func(t *testing.T, s *service.Service, p *csc.Provider) {
			if _, err := p.Credential(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // fake
			if err := s.Misbehave(service.Fault{Endpoint: "credentials/info", Rudeness: service.Stalled}); err != nil {
				t.Fatal(err)
			}
			credential := func(who string) {
				if _, err := p.Credential(t.Context()); err != nil {
					t.Errorf("%s: Credential = %v, want the old one", who, err)
				}
			}
			var all sync.WaitGroup
			all.Go(func() { credential("one") })
			synctest.Wait()
			began := time.Now()
			credential("another")
			if took := time.Since(began); took != 0 {
				t.Errorf("another waited %v", took)
			}
			all.Wait()
			if time.Since(began) == 0 {
				t.Error("nobody waited")
			}
		},
	)
}
