package safe_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/safe"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func mustSign(t *testing.T, s *service.Service, p *safe.Provider) {
	t.Helper()
	if got := attempt(t, s, p, 1); !got.OK {
		t.Fatalf("outcome = %v, want signed", got)
	}
}

// TestRenewal checks that expired tokens are renewed once, although many calls in several processes
// detect it at the same time, and that the new tokens survive a restart.
func TestRenewal(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		processes := []*safe.Provider{newProvider(t, client, set), newProvider(t, client, set), newProvider(t, client, set)}
		for _, p := range processes {
			mustSign(t, s, p)
		}
		for round := range 3 {
			s.ExpireSAFEToken()
			var all sync.WaitGroup
			for i := range 9 {
				all.Go(func() {
					if _, err := processes[i%3].Sign(t.Context(), randomCall(1)); err != nil {
						t.Errorf("Sign = %v", err)
					}
				})
			}
			all.Wait()
			if n := s.Counts().Tokens; n != int64(round+1) {
				t.Errorf("%d renewals after %d expiries, want one each", n, round+1)
			}
		}
		// The tokens in the tokens file have expired by now, so only the account file helps.
		mustSign(t, s, newProvider(t, client, set))
		if err := os.Remove(set.TokensFile); err != nil {
			t.Fatal(err)
		}
		mustSign(t, s, newProvider(t, client, set))
		if n := s.Counts().Tokens; n != 3 {
			t.Errorf("%d renewals, want 3", n)
		}
	})
}

// TestRenewalOutlivesItsCaller checks that new tokens are kept when the caller gives up while SAFE
// renews them.
func TestRenewalOutlivesItsCaller(t *testing.T) {
	opts := service.Options{Latency: time.Second}
	bubble(t, opts, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		p := newProvider(t, client, set)
		mustSign(t, s, p)
		s.ExpireSAFEToken()
		// fake: this ends during the second call, which is the renewal
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if _, err := p.Sign(ctx, randomCall(1)); err == nil {
			t.Fatal("Sign succeeds within a second and a half")
		}
		mustSign(t, s, p)
		if n := s.Counts().Tokens; n != 1 {
			t.Errorf("%d renewals, want 1", n)
		}
	})
}

// TestRestartWithEndedToken starts a new process whose access token has expired already.
func TestRestartWithEndedToken(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		mustSign(t, s, newProvider(t, client, set))
		s.ExpireSAFEToken()
		mustSign(t, s, newProvider(t, client, set))
	})
}

// TestConsentAgain checks that the error says so when all tokens have expired, that SAFE does not
// get a call for each attempt, and that new tokens are imported without a restart.
func TestConsentAgain(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		p := newProvider(t, client, set)
		mustSign(t, s, p)
		writeFile(t, set.TokensFile, `{"accessToken":"ended","refreshToken":"ended too"}`)
		s.ExpireSAFEToken()
		start := time.Now()
		for range 50 {
			_, err := p.Sign(t.Context(), randomCall(1))
			if e := signing.AsError(err); e == nil || e.Kind != signing.KindProviderCredentials || e.Retry || e.Unknown {
				t.Fatalf("Sign = %v, want provider-credentials", err)
			}
			if strings.Contains(err.Error(), "ended too") {
				t.Fatalf("error %v holds a token", err)
			}
		}
		if n := s.Counts().Calls["safe/signatureAccount/updateToken"]; n > 3*int64(time.Since(start)/time.Second)+3 {
			t.Errorf("%d renewals were tried in %v", n, time.Since(start))
		}
		writeTokens(t, s, set)
		access, _ := s.SAFETokens()
		if access == "" {
			t.Fatal("no tokens")
		}
		mustSign(t, s, p)
	})
}

// TestAccountFile checks that the tokens cannot be read without the key, and that a file that
// cannot be read is not overwritten.
func TestAccountFile(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		mustSign(t, s, newProvider(t, client, set))
		kept, err := os.ReadFile(set.AccountFile)
		if err != nil {
			t.Fatal(err)
		}
		access, refresh := s.SAFETokens()
		if bytes.Contains(kept, []byte(access)) || bytes.Contains(kept, []byte(refresh)) {
			t.Error("the account file holds a token in clear")
		}
		if info, _ := os.Stat(set.AccountFile); info.Mode().Perm() != 0o600 {
			t.Errorf("mode of the account file is %v, want 0600", info.Mode())
		}
		damaged := bytes.Clone(kept)
		damaged[len(damaged)-1] ^= 1
		cases := map[string]struct{ file, key string }{
			"other key":   {string(kept), strings.Repeat("z", 32)},
			"short key":   {string(kept), "short"},
			"no key":      {string(kept), ""},
			"damaged":     {string(damaged), ""},
			"not ours":    {"hello", ""},
			"later form":  {"signstash SAFE account 2\n....", ""},
			"cut":         {string(kept[:30]), ""},
			"far too big": {strings.Repeat("x", 300<<10), ""},
		}
		for name, c := range cases {
			other := set
			folder := t.TempDir()
			other.AccountFile = writeFile(t, filepath.Join(folder, "account"), c.file)
			if c.key != "" || name == "no key" {
				other.AccountKeyFile = writeFile(t, filepath.Join(folder, "key"), c.key)
			}
			_, err := newProvider(t, client, other).Credential(t.Context())
			if e := signing.AsError(err); e == nil || e.Kind != signing.KindConfiguration || e.Unknown {
				t.Errorf("%s: Credential = %v, want configuration", name, err)
			}
			if after, _ := os.ReadFile(other.AccountFile); string(after) != c.file {
				t.Errorf("%s: the account file was changed", name)
			}
		}
	})
}

// TestLostAccountFile checks that signing goes on when the file is lost or cannot be written for a
// while. The tokens in memory are written once that is possible.
func TestLostAccountFile(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		p := newProvider(t, client, set)
		mustSign(t, s, p)
		s.ExpireSAFEToken()
		mustSign(t, s, p)
		if err := os.Remove(set.AccountFile); err != nil {
			t.Fatal(err)
		}
		s.ExpireSAFEToken()
		mustSign(t, s, p) // the tokens file cannot help, because its tokens have expired
		if err := os.Remove(set.AccountFile); err != nil {
			t.Errorf("the account file was not written again: %v", err)
		}
		if err := os.Mkdir(set.AccountFile, 0o700); err != nil { // no file can be renamed to this name
			t.Fatal(err)
		}
		s.ExpireSAFEToken()
		mustSign(t, s, p)
		mustSign(t, s, p)
		if err := os.Remove(set.AccountFile); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // fake
		mustSign(t, s, p)
		if n := s.Counts().Tokens; n != 3 {
			t.Errorf("%d renewals, want 3", n)
		}
		mustSign(t, s, newProvider(t, client, set))
	})
}

// TestNewKey checks that a process that holds the tokens encrypts them with a new key at the next
// renewal.
func TestNewKey(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		p := newProvider(t, client, set)
		mustSign(t, s, p)
		writeFile(t, set.AccountKeyFile, strings.Repeat("new", 20))
		s.ExpireSAFEToken()
		mustSign(t, s, p)
		mustSign(t, s, newProvider(t, client, set))
	})
}

// TestEndedBeforeFirstUse checks that an expired token cannot be renewed without a credentialID,
// and that the error says what is missing.
func TestEndedBeforeFirstUse(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		_, refresh := s.SAFETokens()
		writeFile(t, set.TokensFile, `{"accessToken":"ended","refreshToken":"`+refresh+`"}`)
		_, err := newProvider(t, client, set).Credential(t.Context())
		if e := signing.AsError(err); e == nil || e.Kind != signing.KindConfiguration ||
			!strings.Contains(e.Detail, "credentialID") {
			t.Errorf("Credential = %v, want configuration naming credentialID", err)
		}
		set.CredentialID = service.SAFECredentialID
		mustSign(t, s, newProvider(t, client, set))
	})
}

func TestSettings(t *testing.T) {
	text := fmt.Sprint(safe.Settings{URL: "ftp://x", MaxBatch: 11}.Validate())
	for _, want := range []string{
		"url:", "clientName:", "username:", "passwordFile:", "accountFile:", "accountKeyFile:", "maxBatch",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Validate does not complain about %q:\n%s", want, text)
		}
	}
}

// TestRefusals tries a wrong integrator, missing tokens, and tokens in another format.
func TestRefusals(t *testing.T) {
	bubble(t, service.Options{}, func(t *testing.T, s *service.Service, client *http.Client, set safe.Settings) {
		cases := []struct {
			name   string
			change func(*safe.Settings)
			kind   signing.Kind
		}{
			{
				"wrong password",
				func(x *safe.Settings) { x.PasswordFile = writeFile(t, filepath.Join(t.TempDir(), "p"), "wrong") },
				signing.KindProviderCredentials,
			},
			{"no password file", func(x *safe.Settings) { x.PasswordFile = "/nonexistent" }, signing.KindConfiguration},
			{"no tokens", func(x *safe.Settings) { x.TokensFile = "" }, signing.KindConfiguration},
			{
				"tokens of another form",
				func(x *safe.Settings) { x.TokensFile = writeFile(t, filepath.Join(t.TempDir(), "t"), "token") },
				signing.KindConfiguration,
			},
			{
				"other credential", func(x *safe.Settings) { x.CredentialID = "5afe0000-0000-4000-8000-00000000000f" },
				signing.KindConfiguration,
			},
			{
				"folder of the account is missing", func(x *safe.Settings) { x.AccountFile = "/nonexistent/account" },
				signing.KindConfiguration,
			},
		}
		for _, c := range cases {
			other := set
			other.AccountFile = filepath.Join(t.TempDir(), "account")
			c.change(&other)
			_, err := newProvider(t, client, other).Credential(t.Context())
			if e := signing.AsError(err); e == nil || e.Kind != c.kind || e.Unknown {
				t.Errorf("%s: Credential = %v, want kind %s", c.name, err, c.kind)
			}
		}
	})
}
