package timestamp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// memory returns a logger that keeps its lines, and a function that returns them.
func memory() (logr.Logger, func() string) {
	var mu sync.Mutex
	var lines strings.Builder
	log := funcr.New(func(_, args string) {
		mu.Lock()
		defer mu.Unlock()
		lines.WriteString(args + "\n")
	}, funcr.Options{})
	return log, func() string {
		mu.Lock()
		defer mu.Unlock()
		return lines.String()
	}
}

// refusing answers each request with a PKIStatusInfo with the given text and failure bits, and
// without a token.
func refusing(t *testing.T, text string, bits []byte) http.Handler {
	t.Helper()
	type info struct {
		Status int
		Text   []string
		Fail   asn1.BitString `asn1:"optional"`
	}
	answer, err := asn1.Marshal(
		struct{ Info info }{info{2, []string{text, "second line"}, asn1.BitString{Bytes: bits, BitLength: 8 * len(bits)}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })
}

func rude(t *testing.T, r tsa.Misbehaviour) http.Handler {
	h := newTSA(t, nil)
	h.MisbehaveAlways(r)
	return h
}

// TestReasonsReachTheClient checks that the client learns which authority gave which reason, and
// nothing about the network behind the proxy. Log lines end where the reason ends.
func TestReasonsReachTheClient(t *testing.T) {
	refusedDial := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{
			Op:   "dial",
			Net:  "tcp",
			Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 80},
			Err:  errors.New("connection refused"),
		}
	})}
	long := strings.Repeat("ã", 5000)
	for name, c := range map[string]struct {
		handler http.Handler // nil = not reachable
		want    []string
		not     string
	}{
		"text and failure": {
			refusing(t, "Unknown hash, não aceite", []byte{0x80}),
			[]string{"rejection (badAlg): Unknown hash, não aceite; second line"}, "",
		},
		"two failures": {
			refusing(t, "", []byte{0x20, 0, 0, 0x40}), []string{"rejection (badRequest, systemFailure)"}, "",
		},
		"control signs": {refusing(t, "a\r\nb\x1b[31m\u202ec", nil), []string{"a  b [31m c; second line"}, "\x1b"},
		"long text":     {refusing(t, long, nil), []string{"rejection: ããã", "…"}, long[:1000]},
		"HTTP status":   {rude(t, tsa.Unavailable), []string{"HTTP status 503"}, ""},
		"no timestamp":  {rude(t, tsa.HTML), []string{"the answer is not a TimeStampResp"}, ""},
		"wrong certificate": {
			rude(t, tsa.WrongPurpose), []string{"verify timestamp: the certificate is not one for timestamps alone"},
			"does not match",
		},
		"SHA-1":         {rude(t, tsa.SHA1), []string{"the timestamp is signed with SHA-1"}, "not supported"},
		"no connection": {nil, []string{"it could not be reached"}, "10.1.2.3"},
	} {
		t.Run(name, func(t *testing.T) {
			log, lines := memory()
			client := refusedDial
			if c.handler != nil {
				client = direct{"tsa": c.handler}.client()
			}
			tc := newClient(t, Config{Authorities: []Authority{{Name: "Tempo", URL: "http://tsa"}}, HTTP: client, Log: log})
			for _, when := range []string{"at first", "while it is left alone"} {
				_, err := tc.Timestamp(t.Context(), digest[:], sha)
				e := signing.AsError(err)
				for _, want := range append(c.want, "Tempo: ") {
					if !strings.Contains(e.Detail, want) {
						t.Errorf("%s: detail = %q, want %q in it", when, e.Detail, want)
					}
				}
				if c.not != "" && strings.Contains(e.Detail, c.not) {
					t.Errorf("%s: detail = %q, want no %q in it", when, e.Detail, c.not)
				}
				if n := utf8.RuneCountInString(e.Detail); n > 400 {
					t.Errorf("%s: detail has %d characters, want 400 at most", when, n)
				}
			}
			if c.handler != nil && c.not != "" && strings.Contains(lines(), c.not) {
				t.Errorf("log = %q, want no %q in it", lines(), c.not)
			}
			if strings.Contains(lines(), "signature does not match") {
				t.Errorf("log = %q, want no foreign tail", lines())
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnySuccessStatusIsAccepted(t *testing.T) {
	h := newTSA(t, nil)
	h.MisbehaveAlways(tsa.Created)
	c := newClient(t, Config{Authorities: []Authority{{URL: serve(t, h)}}})
	if _, err := c.Timestamp(t.Context(), digest[:], sha); err != nil {
		t.Errorf("Timestamp of an answer with status 201 = %v, want nil", err)
	}
	empty := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	c = newClient(t, Config{Authorities: []Authority{{URL: serve(t, empty)}}})
	if _, err := c.Timestamp(t.Context(), digest[:], sha); !strings.Contains(
		signing.AsError(err).Detail, "HTTP status 204: the answer is not a TimeStampResp",
	) {
		t.Errorf("Timestamp of an empty answer with status 204 = %v, want that it names the status", err)
	}
}

// TestChainWithSHA1IsRefused checks that a token whose certificate chain uses SHA-1 is refused,
// because validators do not accept it. The signature of the root itself does not matter.
func TestChainWithSHA1IsRefused(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	make := func(
		name string, algorithm x509.SignatureAlgorithm, parent *x509.Certificate, change func(*x509.Certificate),
	) *x509.Certificate {
		template := &x509.Certificate{
			SerialNumber:          big.NewInt(time.Now().UnixNano()),
			Subject:               pkix.Name{CommonName: name},
			NotBefore:             time.Now().Add(-time.Hour),
			NotAfter:              time.Now().Add(time.Hour),
			BasicConstraintsValid: true,
			SignatureAlgorithm:    algorithm,
		}
		change(template)
		if parent == nil {
			parent = template
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca := func(c *x509.Certificate) { c.IsCA = true }
	const weak, strong = x509.SHA1WithRSA, x509.SHA256WithRSA
	root := make("root", weak, nil, ca)
	for name, c := range map[string]struct {
		leaf, issuer x509.SignatureAlgorithm
		alone        bool // the token contains only the leaf; the issuers are configured
		want         string
	}{
		"only the root":           {strong, strong, false, ""},
		"the leaf":                {weak, strong, false, "CN=leaf"},
		"the issuer":              {strong, weak, false, "CN=issuer"},
		"the issuer, not sent":    {strong, weak, true, "CN=issuer"},
		"only the root, not sent": {strong, strong, true, ""},
	} {
		issuer := make("issuer", c.issuer, root, ca)
		h := newTSA(t, func(o *tsa.Options) {
			o.Key, o.Certificate, o.Chain = key, make("leaf", c.leaf, issuer, tsa.Purpose), []*x509.Certificate{issuer, root}
		})
		cfg := Config{Authorities: []Authority{{URL: "http://tsa"}}, HTTP: direct{"tsa": h}.client()}
		if c.alone {
			h.MisbehaveAlways(tsa.LeafAlone)
			cfg.Trusted = []*x509.Certificate{root, issuer}
		}
		_, err := newClient(t, cfg).Timestamp(t.Context(), digest[:], sha)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(signing.AsError(err).Detail, c.want) {
			t.Errorf("%s: Timestamp = %v, want %q", name, err, c.want)
		}
	}
}

// TestLeafAloneIsTrusted checks that an authority that sends only its own certificate is trusted if
// its issuers are in the file of trusted certificates.
func TestLeafAloneIsTrusted(t *testing.T) {
	issuing, _ := pki().authority.Issuer()
	root, err := ParseTrusted(pki().authority.RootPEM())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		trusted []*x509.Certificate
		want    string
	}{
		"both":        {append(root, issuing), ""},
		"issuer only": {[]*x509.Certificate{issuing}, ""},
		"root only":   {root, "its issuer is not known: " + issuing.Subject.String()},
	} {
		h := newTSA(t, nil)
		h.MisbehaveAlways(tsa.LeafAlone)
		client := newClient(t,
			Config{Authorities: []Authority{{URL: "http://tsa"}}, HTTP: direct{"tsa": h}.client(), Trusted: c.trusted})
		_, err := client.Timestamp(t.Context(), digest[:], sha)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(signing.AsError(err).Detail, c.want) {
			t.Errorf("%s: Timestamp = %v, want %q", name, err, c.want)
		}
	}
}
