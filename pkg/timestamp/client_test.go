package timestamp

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestTimestamp(t *testing.T) {
	h := newTSA(t, func(o *tsa.Options) { o.User, o.Password = "user", "secret" })
	c := newClient(t, Config{Authorities: []Authority{{URL: serve(t, h), User: "user", Password: "secret"}}})
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		digest := make([]byte, hash.Size())
		token, err := c.Timestamp(t.Context(), digest, hash)
		if err != nil {
			t.Fatalf("%v: Timestamp = %v", hash, err)
		}
		ts, err := cms.ParseTimestamp(token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ts.Verify(digest, hash); err != nil {
			t.Errorf("%v: the token does not verify: %v", hash, err)
		}
	}
	if h.Requests() != 3 {
		t.Errorf("%d requests for three tokens", h.Requests())
	}
}

func TestOpenSSLVerifiesToken(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	c := newClient(t, Config{Authorities: []Authority{{URL: serve(t, newTSA(t, nil))}}})
	token, err := c.Timestamp(t.Context(), digest[:], sha)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	issuing, _ := pki().authority.Issuer()
	for name, data := range map[string][]byte{
		"token": token, "root.pem": pki().authority.RootPEM(),
		"issuing.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuing.Raw}),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(openssl, "ts", "-verify", "-digest", hex.EncodeToString(digest[:]), "-token_in", "-in", "token",
		"-CAfile", "root.pem", "-untrusted", "issuing.pem")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Verification: OK") {
		t.Errorf("openssl ts -verify = %v: %s", err, out)
	}
}

// TestRudeAuthorityIsPassedOver checks that the token of a faulty authority is not used, and that
// the next authority is asked.
func TestRudeAuthorityIsPassedOver(t *testing.T) {
	for _, rude := range tsa.Misbehaviours() {
		t.Run(string(rude), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { passedOver(t, rude) })
		})
	}
}

func passedOver(t *testing.T, rude tsa.Misbehaviour) {
	bad, good := newTSA(t, nil), newTSA(t, nil)
	bad.MisbehaveAlways(rude)
	hosts := http.NewServeMux()
	hosts.Handle("bad/", bad)
	hosts.Handle("good/", good)
	network, stop := pipenet.Serve(hosts)
	defer stop()
	policy := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 3161, 1}
	client := func(authorities ...Authority) *Client {
		return newClient(t, Config{Authorities: authorities, HTTP: network})
	}
	rudeOne, politeOne := Authority{URL: "http://bad", Policy: policy}, Authority{URL: "http://good"}
	token, err := client(rudeOne).Timestamp(t.Context(), digest[:], sha)
	if err == nil || token != nil {
		t.Fatalf("Timestamp = %d bytes, %v; want an error", len(token), err)
	}
	if e := signing.AsError(err); e.Kind != signing.KindTimestamp || e.Detail == "" || e.Unknown {
		t.Errorf("Timestamp = %#v, want KindTimestamp with a detail", e)
	}
	if bad.Requests() != 1 {
		t.Errorf("the authority was asked %d times, want once", bad.Requests())
	}
	both := client(rudeOne, politeOne)
	if _, err := both.Timestamp(t.Context(), digest[:], sha); err != nil {
		t.Errorf("Timestamp with a second authority = %v, want nil", err)
	}
	if _, err := both.Timestamp(t.Context(), digest[:], sha); err != nil || bad.Requests() != 2 {
		t.Errorf("a second Timestamp = %v; the rude authority was asked %d times in all, want 2", err, bad.Requests())
	}
}

func TestGrantedWithModsIsAccepted(t *testing.T) {
	h := newTSA(t, nil)
	h.Misbehave(tsa.WithMods)
	if _, err := newClient(
		t, Config{Authorities: []Authority{{URL: serve(t, h)}}},
	).Timestamp(t.Context(), digest[:], sha); err != nil {
		t.Errorf("Timestamp = %v, want nil", err)
	}
}

func TestWhetherARetryHelps(t *testing.T) {
	for rude, want := range map[tsa.Misbehaviour]struct {
		retry bool
		after time.Duration
	}{
		tsa.Unavailable: {true, afterFailure.First},
		tsa.BadRequest:  {true, afterLimit.First},
		tsa.TooMany:     {true, 30 * time.Second},
		tsa.SystemFail:  {true, afterFailure.First},
		tsa.WrongNonce:  {true, afterFailure.First},
		tsa.Waiting:     {true, afterFailure.First},
		tsa.Rejection:   {false, 0},
		tsa.Forbidden:   {true, afterFailure.First},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newTSA(t, nil)
			h.MisbehaveAlways(rude)
			c := newClient(t, Config{Authorities: []Authority{{URL: "http://tsa"}}, HTTP: direct{"tsa": h}.client()})
			_, err := c.Timestamp(t.Context(), digest[:], sha)
			if e := signing.AsError(err); e.Retry != want.retry || e.RetryAfter != want.after {
				t.Errorf("%s: Retry %v after %v, want %v after %v", rude, e.Retry, e.RetryAfter, want.retry, want.after)
			}
		})
	}
}

// TestPausesGrow checks that a failing authority is asked again after a pause that doubles, and at
// once after it has succeeded.
func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTSA(t, nil)
		h.MisbehaveAlways(tsa.Unavailable)
		c := newClient(t, Config{Authorities: []Authority{{URL: "http://tsa"}}, HTTP: direct{"tsa": h}.client()})
		want := afterFailure.First
		for i := range 12 {
			_, err := c.Timestamp(t.Context(), digest[:], sha)
			if e := signing.AsError(err); e.RetryAfter != want {
				t.Errorf("failure %d: RetryAfter = %v, want %v", i, e.RetryAfter, want)
			}
			time.Sleep(want - time.Second)
			if _, err := c.Timestamp(t.Context(), digest[:], sha); signing.AsError(err).RetryAfter != time.Second {
				t.Errorf("in the pause: RetryAfter = %v, want 1s", signing.AsError(err).RetryAfter)
			}
			if h.Requests() != i+1 {
				t.Errorf("%d requests after %d failures", h.Requests(), i+1)
			}
			time.Sleep(time.Second)
			want = min(2*want, afterFailure.Max)
		}
		h.Misbehave()
		if _, err := c.Timestamp(t.Context(), digest[:], sha); err != nil {
			t.Errorf("Timestamp = %v, want nil", err)
		}
		h.Misbehave(tsa.Unavailable)
		if _, err := c.Timestamp(t.Context(), digest[:], sha); signing.AsError(err).RetryAfter != afterFailure.First {
			t.Errorf("after a success RetryAfter = %v, want %v", signing.AsError(err).RetryAfter, afterFailure.First)
		}
	})
}

// TestConcurrentFailuresAreOne checks that parallel requests that fail together count as one
// failure.
func TestConcurrentFailuresAreOne(t *testing.T) {
	a := newAuthority(Authority{URL: "http://tsa"}, nil)
	now := time.Now()
	for range maxInFlight {
		if end := a.failed(errors.New("no"), now); end.Sub(now) != afterFailure.First {
			t.Errorf("pause = %v, want %v", end.Sub(now), afterFailure.First)
		}
	}
}

// TestBudgetIsKept checks that an authority with a budget of 20 requests in 20 minutes never gets
// the 21st. One national authority blocks clients for a day after that.
func TestBudgetIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests, window = 20, 20 * time.Minute
		strict, other := newTSA(t, func(o *tsa.Options) { o.Limit, o.Window = requests, window }), newTSA(t, nil)
		cfg := Config{
			Authorities: []Authority{{URL: "http://strict", Budget: Budget{requests, window}}, {URL: "http://other"}},
			HTTP: direct{
				"strict": strict,
				"other":  other,
			}.client(),
			BudgetFile: filepath.Join(t.TempDir(), "budget.json"),
		}
		c := newClient(t, cfg)
		for i := range 100 {
			if i%7 == 0 {
				c = newClient(t, cfg) // the budget survives a restart
			}
			if _, err := c.Timestamp(t.Context(), digest[:], sha); err != nil {
				t.Fatalf("Timestamp %d = %v", i, err)
			}
			time.Sleep(30 * time.Second)
		}
		if strict.Requests() != strict.Issued() {
			t.Errorf("the strict authority refused %d requests", strict.Requests()-strict.Issued())
		}
		if strict.Requests() < 50 || strict.Requests()+other.Requests() != 100 {
			t.Errorf("%d + %d requests, want most of 100 at the first", strict.Requests(), other.Requests())
		}
	})
}

func TestBudgetUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTSA(t, nil)
		c := newClient(t, Config{
			Authorities: []Authority{{URL: "http://tsa", Budget: Budget{2, time.Minute}}},
			HTTP:        direct{"tsa": h}.client(),
		})
		for range 2 {
			if _, err := c.Timestamp(t.Context(), digest[:], sha); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		_, err := c.Timestamp(t.Context(), digest[:], sha)
		if e := signing.AsError(err); !e.Retry || e.RetryAfter != 40*time.Second || h.Requests() != 2 {
			t.Errorf("Timestamp = %v, RetryAfter %v, %d requests; want a retry after 40s, 2 requests",
				err, e.RetryAfter, h.Requests())
		}
		time.Sleep(40 * time.Second)
		if _, err := c.Timestamp(t.Context(), digest[:], sha); err != nil {
			t.Errorf("Timestamp after the window = %v, want nil", err)
		}
	})
}

func TestBudgetUnderConcurrency(t *testing.T) {
	h := newTSA(t, nil)
	c := newClient(t, Config{
		Authorities: []Authority{{URL: "http://tsa", Budget: Budget{5, time.Hour}}},
		HTTP:        direct{"tsa": h}.client(),
		BudgetFile:  filepath.Join(t.TempDir(), "budget.json"),
	})
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() { _, _ = c.Timestamp(t.Context(), digest[:], sha) })
	}
	all.Wait()
	if h.Requests() != 5 {
		t.Errorf("%d requests, want 5", h.Requests())
	}
}

func TestCancelledCallerIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTSA(t, nil)
		h.Misbehave(tsa.Slow)
		c := newClient(t, Config{Authorities: []Authority{{URL: "http://tsa"}}, HTTP: direct{"tsa": h}.client()})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Timestamp(ctx, digest[:], sha); signing.KindOf(err) != signing.KindTimestamp ||
			!signing.AsError(err).Retry {
			t.Errorf("Timestamp = %v, want KindTimestamp and a retry", err)
		}
		if _, err := c.Timestamp(t.Context(), digest[:], sha); err != nil {
			t.Errorf("the next Timestamp = %v, want nil: the authority was not at fault", err)
		}
	})
}

func TestTrusted(t *testing.T) {
	trusted, err := ParseTrusted(pki().authority.RootPEM())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		trusted []*x509.Certificate
		ok      bool
	}{
		"trusted":    {trusted, true},
		"strange":    {[]*x509.Certificate{pki().options.NoPurpose}, false},
		"none given": {nil, true},
	} {
		client := newClient(t, Config{
			Authorities: []Authority{{URL: "http://tsa"}},
			HTTP:        direct{"tsa": newTSA(t, nil)}.client(),
			Trusted:     c.trusted,
		})
		if _, err := client.Timestamp(t.Context(), digest[:], sha); (err == nil) != c.ok {
			t.Errorf("%s: Timestamp = %v, want success: %v", name, err, c.ok)
		}
	}
}

func TestWrongDigest(t *testing.T) {
	h := newTSA(t, nil)
	c := newClient(t, Config{Authorities: []Authority{{URL: "http://tsa"}}, HTTP: direct{"tsa": h}.client()})
	for name, call := range map[string]func() ([]byte, error){
		"short": func() ([]byte, error) { return c.Timestamp(t.Context(), digest[1:], sha) },
		"SHA-1": func() ([]byte, error) { return c.Timestamp(t.Context(), make([]byte, 20), crypto.SHA1) },
	} {
		if _, err := call(); signing.KindOf(err) != signing.KindTimestamp || signing.AsError(err).Retry {
			t.Errorf("%s: Timestamp = %v, want KindTimestamp without retry", name, err)
		}
	}
	if h.Requests() != 0 {
		t.Errorf("%d requests, want 0", h.Requests())
	}
}

func TestNewRefuses(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "budget.json")
	if err := os.WriteFile(damaged, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{
		"no authority":        {},
		"no URL":              {Authorities: []Authority{{}}},
		"ftp":                 {Authorities: []Authority{{URL: "ftp://tsa"}}},
		"credentials in URL":  {Authorities: []Authority{{URL: "http://user:secret@tsa"}}},
		"budget, no window":   {Authorities: []Authority{{URL: "http://tsa", Budget: Budget{Requests: 1}}}},
		"negative budget":     {Authorities: []Authority{{URL: "http://tsa", Budget: Budget{-1, time.Hour}}}},
		"damaged budget file": {Authorities: []Authority{{URL: "http://tsa"}}, BudgetFile: damaged},
	} {
		_, err := New(cfg)
		if err == nil {
			t.Errorf("%s: New = nil, want an error", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
}

// TestRedirectIsNotFollowed checks that neither the credentials nor the request are sent to the
// address of a redirect.
func TestRedirectIsNotFollowed(t *testing.T) {
	followed := false
	elsewhere := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true })
	redirect := http.RedirectHandler("http://elsewhere/", http.StatusTemporaryRedirect)
	c := newClient(t,
		Config{Authorities: []Authority{{URL: "http://tsa"}}, HTTP: direct{"tsa": redirect, "elsewhere": elsewhere}.client()})
	if _, err := c.Timestamp(t.Context(), digest[:], sha); err == nil || followed {
		t.Errorf("Timestamp = %v, followed %v; want an error, not followed", err, followed)
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte{0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02})
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, in []byte) {
		if token, err := parseResponse(in); err == nil && len(token) == 0 {
			t.Error("parseResponse = nothing without an error")
		}
	})
}
