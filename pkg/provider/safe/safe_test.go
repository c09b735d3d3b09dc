package safe_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/loopback"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/providertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/safe"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// authority is shared by all tests, because making RSA keys takes a while.
var authority = sync.OnceValues(service.NewAuthority)

func newService(t *testing.T, opts service.Options) *service.Service {
	t.Helper()
	a, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	opts.Authority = a
	s, err := service.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func writeFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newSettings returns settings for the simulation's account, with its first tokens, in a new
// folder.
func newSettings(t *testing.T, s *service.Service, url string) safe.Settings {
	t.Helper()
	folder := t.TempDir()
	set := safe.Settings{
		URL: url, ClientName: "invoices", Username: service.SAFEUser,
		PasswordFile:   writeFile(t, filepath.Join(folder, "password"), service.SAFEPassword),
		AccountFile:    filepath.Join(folder, "account"),
		AccountKeyFile: writeFile(t, filepath.Join(folder, "key"), "0123456789abcdef0123456789abcdef\n"),
		TokensFile:     filepath.Join(folder, "tokens"),
	}
	writeTokens(t, s, set)
	return set
}

// writeTokens writes the account's tokens file as its owner would.
func writeTokens(t *testing.T, s *service.Service, set safe.Settings) {
	t.Helper()
	access, refresh := s.SAFETokens()
	text, _ := json.Marshal(
		map[string]string{"accessToken": access, "refreshToken": refresh, "credentialID": service.SAFECredentialID},
	)
	writeFile(t, set.TokensFile, string(text))
}

func newProvider(t *testing.T, client *http.Client, set safe.Settings) *safe.Provider {
	t.Helper()
	p, err := safe.New(safe.Config{Name: "safe", Settings: set, HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConformance(t *testing.T) {
	var s *service.Service
	var remote *loopback.Server
	providertest.Run(t, providertest.Harness{
		Open: func(t *testing.T) signing.Provider {
			s = newService(t, service.Options{PendingPolls: 2})
			remote = loopback.Serve(s)
			t.Cleanup(remote.Close)
			p := newProvider(t, remote.Client, newSettings(t, s, remote.URL+"/safe"))
			p.DontPause()
			return p
		},
		Spent: func() int {
			remote.Settle() // a call that was given up may still be signed: count it here
			return int(s.Counts().Signatures)
		},
	})
}

// bubble runs a test with a fake clock and its own network. The test fails if a goroutine or
// connection is left behind.
func bubble(
	t *testing.T,
	opts service.Options,
	test func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, opts)
		client, stop := pipenet.Serve(s)
		defer stop()
		defer s.Close()
		test(t, s, client, newSettings(t, s, "http://simulated.invalid/safe"))
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

func randomCall(n int) signing.Call {
	call := signing.Call{ID: rand.Text(), Digests: make([][]byte, n)}
	for i := range call.Digests {
		call.Digests[i] = make([]byte, 32)
		_, _ = rand.Read(call.Digests[i])
	}
	return call
}

func valid(c *signing.Credential, call signing.Call, values [][]byte) error {
	if len(values) != len(call.Digests) {
		return errors.New("wrong count")
	}
	for i := range values {
		if err := signing.VerifyValue(c, call.Digests[i], values[i]); err != nil {
			return err
		}
	}
	return nil
}

// attempt signs n digests and returns the outcome.
func attempt(t *testing.T, s *service.Service, p *safe.Provider, n int) outcome {
	t.Helper()
	before := s.Counts().Signatures
	spent := func() int { return int(s.Counts().Signatures - before) }
	call := randomCall(n)
	c, err := p.Credential(t.Context())
	var values [][]byte
	if err == nil {
		values, err = p.Sign(t.Context(), call)
	}
	if err == nil {
		err := valid(c, call, values)
		return outcome{ok: err == nil, bad: err != nil, spent: spent()}
	}
	var e *signing.Error
	if !errors.As(err, &e) || values != nil {
		t.Fatalf("Sign = %d values, %v; want none and a *signing.Error", len(values), err)
	}
	return outcome{kind: e.Kind, retry: e.Retry, retryAfter: e.RetryAfter, unknown: e.Unknown, spent: spent()}
}

const provider = signing.KindProvider

// TestSignHashFaults checks each permanent fault of signHash, for three digests. A lost answer to
// signHash costs nothing, because the values are fetched in another call. The outcome stays unknown
// only if no usable values can be fetched.
func TestSignHashFaults(t *testing.T) {
	cases := []struct {
		rudeness service.Rudeness
		want     outcome
	}{
		{service.TooManyRequests, outcome{kind: provider, retry: true}},
		{service.TooManyRetryAfter, outcome{kind: provider, retry: true, retryAfter: 2 * time.Second}},
		{service.ErrorBefore, outcome{kind: provider, retry: true, unknown: true}},
		{service.Unavailable, outcome{kind: provider, retry: true, unknown: true}},
		{service.Gateway, outcome{kind: provider, retry: true, unknown: true}},
		{service.CutBefore, outcome{kind: provider, retry: true, unknown: true}},
		{service.Refused, outcome{kind: provider}},
		{service.ExpiredToken, outcome{kind: signing.KindProviderCredentials}},
		{service.ExpiredSAD, outcome{kind: provider, retry: true}},
		{service.ErrorAfter, outcome{ok: true, spent: 3}},
		{service.CutAfter, outcome{ok: true, spent: 3}},
		{service.HalfAnswer, outcome{ok: true, spent: 3}},
		{service.Stalled, outcome{ok: true, spent: 3}},
		{service.NotJSON, outcome{ok: true, spent: 3}},
		{service.Empty, outcome{ok: true, spent: 3}},
		{service.Huge, outcome{ok: true, spent: 3}},
		{service.TimedOutAfter, outcome{ok: true, spent: 3}},
		{service.TooManyAfter, outcome{ok: true, spent: 3}},
		{service.HungUpAfter, outcome{ok: true, spent: 3}},
		{service.ServerErrorAfter, outcome{ok: true, spent: 3}},
		{service.NotFoundAfter, outcome{ok: true, spent: 3}},
		{service.RedirectAfter, outcome{ok: true, spent: 3}},
		{service.WrongOrder, outcome{bad: true, spent: 3}},
		{service.TooFewValues, outcome{bad: true, spent: 3}},
		{service.TooManyValues, outcome{bad: true, spent: 3}},
		{service.WrongKey, outcome{bad: true, spent: 3}},
		{service.RawECDSA, outcome{ok: true, spent: 3}},
		{service.BadBase64, outcome{kind: provider, unknown: true, spent: 3}},
	}
	if len(cases) != len(service.Rudenesses()) {
		t.Errorf("%d cases for %d rudenesses", len(cases), len(service.Rudenesses()))
	}
	for _, c := range cases {
		t.Run(string(c.rudeness), func(t *testing.T) {
			bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
				p := newProvider(t, client, set)
				if err := s.Misbehave(service.Fault{Endpoint: "signatures/signHash", Rudeness: c.rudeness}); err != nil {
					t.Fatal(err)
				}
				if got := attempt(t, s, p, 3); got != c.want {
					t.Errorf("outcome = %v, want %v", got, c.want)
				}
				if n := s.Counts().Calls["safe/v2/signatures/signHash"]; n != 1 {
					t.Errorf("%d calls of signHash, want 1: each is counted by its caller", n)
				}
				s.Behave()
				time.Sleep(2 * time.Minute) // fake: back-offs are over
				if got := attempt(t, s, p, 3); !got.ok || got.spent != 3 {
					t.Errorf("outcome when polite again = %v, want signed, 3 spent", got)
				}
			})
		})
	}
}

// TestServiceHangs checks that other calls use the stale credential while one call waits for the
// new description.
func TestServiceHangs(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		p := newProvider(t, client, set)
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
	})
}

// TestOtherFaults checks that a fault before signHash costs no signature and leaves no outcome
// unknown, and that temporary faults after signHash are retried.
func TestOtherFaults(t *testing.T) {
	harmless := map[service.Rudeness]bool{service.ExpiredSAD: true, service.WrongOrder: true, service.TooFewValues: true,
		service.TooManyValues: true, service.WrongKey: true, service.RawECDSA: true, service.BadBase64: true}
	for _, endpoint := range []string{"credentials/list", "credentials/info", "credentials/authorize", "authorize/verify", "signHash/verify"} {
		for _, r := range service.Rudenesses() {
			for _, times := range []int{1, 0} {
				t.Run(fmt.Sprintf("%s %s times=%d", endpoint, r, times), func(t *testing.T) {
					bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
						p := newProvider(t, client, set)
						if err := s.Misbehave(service.Fault{Endpoint: endpoint, Rudeness: r, Times: times}); err != nil {
							t.Fatal(err)
						}
						got := attempt(t, s, p, 2)
						late := endpoint == "signHash/verify"
						final := r == service.Refused || r == service.NotFoundAfter || r == service.RedirectAfter
						// The body of a success is ignored for a call whose answer has no content.
						said := endpoint == "credentials/authorize" && (r == service.NotJSON || r == service.Empty)
						switch {
						case harmless[r] || r == service.ExpiredToken && times == 1:
							if !got.ok {
								t.Errorf("outcome = %v, want signed", got)
							}
						case late && times == 1 && !final && !got.ok:
							t.Errorf("outcome = %v, want signed: it passes", got)
						case late && !got.ok && (!got.unknown || got.spent != 2):
							t.Errorf("outcome = %v, want unknown, 2 spent", got)
						case !late && !got.ok && (got.unknown || got.spent != 0):
							t.Errorf("outcome = %v, want known, 0 spent", got)
						case !late && times == 0 && got.ok && !said:
							t.Errorf("outcome = %v, want a failure", got)
						}
						s.Behave()
						time.Sleep(2 * time.Minute) // fake
						if got := attempt(t, s, p, 2); !got.ok || got.spent != 2 {
							t.Errorf("outcome when polite again = %v, want signed, 2 spent", got)
						}
					})
				})
			}
		}
	}
}

// TestResume checks that the processId is recorded before anything is signed, and that a later
// process fetches the values with it.
func TestResume(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		p := newProvider(t, client, set)
		c, err := p.Credential(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The process dies after SAFE has received its request. It gets neither the answer nor the
		// values.
		call := randomCall(3)
		var handle string
		dying, die := context.WithCancel(t.Context())
		call.Note = func(_ context.Context, h string) error {
			if n := s.Counts().Signatures; n != 0 {
				t.Errorf("%d signatures were made before the processId was noted", n)
			}
			handle = h
			return nil
		}
		s.Hold()
		go func() {
			for s.Counts().Held == 0 {
				time.Sleep(time.Millisecond) // fake
			}
			die()
			s.Release()
		}()
		_, err = p.Sign(dying, call)
		if e := signing.AsError(err); e == nil || !e.Unknown {
			t.Fatalf("Sign = %v, want unknown", err)
		}
		time.Sleep(time.Second) // fake
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
		for _, wrong := range []string{"", "x", "00000000-0000-4000-8000-000000000000"} {
			_, err := p.Resume(t.Context(), call, wrong)
			if e := signing.AsError(err); e == nil || e.Unknown || e.Retry {
				t.Errorf("Resume(%q) = %v, want that there will be no answer", wrong, err)
			}
		}
	})
}

// TestNoteFails checks that a call that cannot be recorded is not sent.
func TestNoteFails(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		call := randomCall(1)
		call.Note = func(context.Context, string) error { return errors.New("disk full") }
		_, err := newProvider(t, client, set).Sign(t.Context(), call)
		if e := signing.AsError(err); e == nil || e.Kind != signing.KindStorage || e.Unknown || !e.Retry {
			t.Errorf("Sign = %v, want storage, retry, known", err)
		}
		if n := s.Counts().Signatures; n != 0 {
			t.Errorf("%d signatures were made, want 0", n)
		}
	})
}
