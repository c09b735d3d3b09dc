package safe_test

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/loopback"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/servicetest"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/providertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/safe"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

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
			s = servicetest.New(t, service.Options{PendingPolls: 2})
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
	t *testing.T, opts service.Options,
	test func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings),
) {
	t.Helper()
	servicetest.Bubble(t, opts, func(t *testing.T, s *service.Service, client *http.Client) {
		test(t, s, client, newSettings(t, s, "http://simulated.invalid/safe"))
	})
}

func randomCall(n int) signing.Call { return providertest.NewCall(crypto.SHA256, n) }

// attempt signs n digests and returns the outcome.
func attempt(t *testing.T, s *service.Service, p *safe.Provider, n int) providertest.Outcome {
	t.Helper()
	return providertest.Attempt(t, p, n, servicetest.Spent(s))
}

// TestSignHashFaults checks each permanent fault of signHash. A lost answer to signHash costs
// nothing, because the values are fetched in another call. The outcome stays unknown only if no
// usable values can be fetched.
func TestSignHashFaults(t *testing.T) {
	for _, f := range servicetest.SignHashFaults() {
		want := f.Want
		switch {
		case f.Lost:
			want = providertest.Outcome{OK: true, Spent: servicetest.Digests}
		case want.Unknown:
			want.RetryAfter = 0 // the outcome is that of the call that fetches the values
		}
		t.Run(string(f.Misbehaviour), func(t *testing.T) {
			bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
				p := newProvider(t, client, set)
				servicetest.Misbehave(t, s, service.Fault{Endpoint: "signatures/signHash", Misbehaviour: f.Misbehaviour})
				if got := attempt(t, s, p, servicetest.Digests); got != want {
					t.Errorf("outcome = %v, want %v", got, want)
				}
				if n := s.Counts().Calls["safe/v2/signatures/signHash"]; n != 1 {
					t.Errorf("%d calls of signHash, want 1, because the caller counts each", n)
				}
				checkPolite(t, s, p)
			})
		})
	}
}

// checkPolite ends all faults and checks that signing works again.
func checkPolite(t *testing.T, s *service.Service, p *safe.Provider) {
	t.Helper()
	s.Behave()
	time.Sleep(2 * time.Minute) // fake: back-offs are over
	if got := attempt(t, s, p, 2); !got.OK || got.Spent != 2 {
		t.Errorf("outcome after the fault = %v, want signed, 2 spent", got)
	}
}

// TestServiceHangs checks that other calls use the stale credential while one call waits for the
// new description.
func TestServiceHangs(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		servicetest.CheckHangingService(t, s, newProvider(t, client, set))
	})
}

// TestOtherFaults checks that a fault before signHash costs no signature and leaves no outcome
// unknown, and that temporary faults after signHash are retried.
func TestOtherFaults(t *testing.T) {
	endpoints := []string{
		"credentials/list", "credentials/info", "credentials/authorize", "authorize/verify", "signHash/verify",
	}
	for _, endpoint := range endpoints {
		for _, r := range service.Misbehaviours() {
			for _, times := range []int{1, 0} {
				fault := service.Fault{Endpoint: endpoint, Misbehaviour: r, Times: times}
				t.Run(fmt.Sprintf("%s %s times=%d", endpoint, r, times), func(t *testing.T) {
					bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
						p := newProvider(t, client, set)
						servicetest.Misbehave(t, s, fault)
						checkOtherFault(t, fault, attempt(t, s, p, 2))
						checkPolite(t, s, p)
					})
				})
			}
		}
	}
}

// checkOtherFault checks the outcome of a call of two digests with a fault at another endpoint
// than signHash.
func checkOtherFault(t *testing.T, f service.Fault, got providertest.Outcome) {
	t.Helper()
	r, once := f.Misbehaviour, f.Times == 1
	late := f.Endpoint == "signHash/verify"
	// The body of a success is ignored for a call whose answer has no content.
	ignored := f.Endpoint == "credentials/authorize" && (r == service.NotJSON || r == service.Empty)
	switch {
	case servicetest.Harmless(r) || r == service.ExpiredToken && once:
		if !got.OK {
			t.Errorf("outcome = %v, want signed", got)
		}
	case late && once && !servicetest.Final(r) && !got.OK:
		t.Errorf("outcome = %v, want signed, because the fault is temporary", got)
	case late && !got.OK && (!got.Unknown || got.Spent != 2):
		t.Errorf("outcome = %v, want unknown, 2 spent", got)
	case !late && !got.OK && (got.Unknown || got.Spent != 0):
		t.Errorf("outcome = %v, want known, 0 spent", got)
	case !late && !once && got.OK && !ignored:
		t.Errorf("outcome = %v, want a failure", got)
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
		if err := providertest.Valid(c, call, values); err != nil {
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
