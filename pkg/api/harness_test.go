package api_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const base = api.DefaultBasePath + "/api/v0/"

// Client services of the tests.
const (
	alice, aliceSecret = "PRT.1-PRT.2-alice", "alice's %% secret"
	bob, bobSecret     = "PRT.1-PRT.3-bob", "bob-secret-Zürich"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// harness is an API over a real service with a store in memory.
type harness struct {
	t        *testing.T
	cfg      api.Config
	store    *spyStore
	provider *fakeProvider
	api      *api.API
	service  *signing.Service
	registry *prometheus.Registry
	log      *logLines
	services *clientservice.Services
	schema   *schemas
	opened   chan struct{}
}

// newHarness makes one; change may alter the configuration before the API is made.
func newHarness(t *testing.T, change func(*harness)) *harness {
	t.Helper()
	services, err := clientservice.NewServices(
		clientservice.ClientService{ID: alice, Secret: clientservice.NewSecret(aliceSecret)},
		clientservice.ClientService{ID: bob, Secret: clientservice.NewSecret(bobSecret)},
	)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{
		t:        t,
		store:    newSpyStore(),
		provider: newProvider(t),
		registry: prometheus.NewRegistry(),
		log:      newLog(t),
		services: services,
		schema:   loadSchemas(t),
		opened:   make(chan struct{}),
	}
	h.cfg = api.Config{
		ClientServices: func() *clientservice.Services { return h.services },
		Endpoint: func() affinity.Endpoint {
			return affinity.Endpoint{Name: "proxy-0", Host: "proxy-0.example.org", Port: 8443}
		},
		Log: h.log.logger(), Registerer: h.registry, TokenKey: bytes.Repeat([]byte("k"), 32),
	}
	h.useFormats(map[signing.SignatureType]signing.Format{
		signing.PAdES: fakeFormat{}, signing.XAdES: fakeFormat{}, signing.CAdES: fakeFormat{},
	})
	if change != nil {
		change(h)
	}
	if h.api, err = api.New(h.cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

// useFormats makes the service of the harness.
func (h *harness) useFormats(formats map[signing.SignatureType]signing.Format) {
	h.service = signing.New(signing.Config{
		Store: h.store, Log: logr.Discard(),
		Formats:   formats,
		Providers: func(string) (signing.Provider, error) { return h.provider, nil },
		Observer:  signing.Observer{Opened: func() { close(h.opened) }},
	})
	h.cfg.Service = h.service
}

func mustNew(t *testing.T, c api.Config) *api.API {
	t.Helper()
	a, err := api.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// start makes one whose service runs until the test ends.
func start(t *testing.T, change func(*harness)) *harness {
	t.Helper()
	h := newHarness(t, change)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.service.Start(ctx) }()
	<-h.opened
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Start = %v", err)
		}
	})
	return h
}

// request is a call to be made. The zero value is a GET by alice.
type request struct {
	method string // empty = GET, or POST with a body
	path   string // below api/v0/ unless it begins with a slash
	body   io.Reader
	text   string // body, if body is nil
	auth   string // empty = alice by HTTP Basic; "none" = none
	header map[string]string
}

// response is the answer to a request.
type response struct {
	*httptest.ResponseRecorder
	t    *testing.T
	text string
	json any // numbers are json.Number; nil if the body is not JSON
}

// build makes the http.Request.
func (r request) build() *http.Request {
	body := r.body
	if body == nil && r.text != "" {
		body = strings.NewReader(r.text)
	}
	if r.method == "" {
		r.method = http.MethodGet
		if body != nil {
			r.method = http.MethodPost
		}
	}
	if !strings.HasPrefix(r.path, "/") {
		r.path = base + r.path
	}
	req := httptest.NewRequest(r.method, r.path, body)
	switch r.auth {
	case "":
		req.Header.Set("Authorization", basic(alice, aliceSecret))
	case "none":
	default:
		req.Header.Set("Authorization", r.auth)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	return req
}

// do makes a call and holds the answer against the API description.
func (h *harness) do(r request) response {
	h.t.Helper()
	out := h.do0(r)
	if out.json != nil {
		h.schema.check(h.t, r.build(), out.Code, out.Body.Bytes())
	}
	return out
}

// do0 makes a call.
func (h *harness) do0(r request) response {
	h.t.Helper()
	req := r.build()
	rec := httptest.NewRecorder()
	h.api.Handler().ServeHTTP(rec, req)
	out := response{ResponseRecorder: rec, t: h.t, text: rec.Body.String()}
	if strings.HasPrefix(rec.Header().Get("Content-Type"), "application/json") && req.Method != http.MethodHead {
		dec := json.NewDecoder(strings.NewReader(out.text))
		dec.UseNumber()
		if err := dec.Decode(&out.json); err != nil {
			h.t.Errorf("%s %s: the answer is not JSON: %v: %.200s", req.Method, req.URL.Path, err, out.text)
		}
		if rec.Code < 300 && strings.Contains(out.text, "error") {
			h.t.Errorf("%s %s: a success body holds the forbidden word", req.Method, req.URL.Path)
		}
	}
	return out
}

// at returns the value at a path such as documentList.0.name, as text; empty if there is none.
func (r response) at(path string) string {
	v := r.json
	if path != "" {
		for key := range strings.SplitSeq(path, ".") {
			switch in := v.(type) {
			case map[string]any:
				v = in[key]
			case []any:
				var i int
				if _, err := fmt.Sscan(key, &i); err != nil || i >= len(in) {
					return ""
				}
				v = in[i]
			default:
				return ""
			}
		}
	}
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// is compares status and values of the answer.
func (r response) is(status int, values map[string]string) {
	r.t.Helper()
	if r.Code != status {
		r.t.Fatalf("status = %d, want %d: %.300s", r.Code, status, r.text)
	}
	for path, want := range values {
		if got := r.at(path); got != want {
			r.t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
}

// fails compares status, code and a part of the cause of an error.
func (r response) fails(status int, code, cause string) {
	r.t.Helper()
	if r.Code != status || r.at("errorCode") != code || !strings.Contains(r.at("causeMessage"), cause) ||
		r.at("errorCodeDescription") == "" {
		r.t.Errorf("answer = %d %.300s, want %d %s with %q in its cause", r.Code, r.text, status, code, cause)
	}
}

// signed checks a signed document: the fake format appends a seal to the original.
func (r response) signed(path, original string) {
	r.t.Helper()
	got, err := base64.StdEncoding.DecodeString(r.at(path))
	if err != nil || string(got) != original+seal(original) {
		r.t.Errorf("%s = %.60q, %v, want the sealed %.40q", path, got, err, original)
	}
}

// signRequest returns a SignRequest with one document for each content.
func signRequest(reference string, contents ...string) string {
	var docs []string
	for i, c := range contents {
		docs = append(docs, document(fmt.Sprintf("doc-%d", i), c))
	}
	return fmt.Sprintf(`{"externalReference":%q,"description":"test","documents":[%s]}`, reference,
		strings.Join(docs, ","))
}

func document(reference, content string) string {
	return fmt.Sprintf(
		`{"documentRequest":{"externalReference":%q,"name":"a.pdf","contentType":"application/pdf","base64Content":%q},`+
			`"signatureInfo":{"signatureType":"PAdES"}}`,
		reference,
		base64.StdEncoding.EncodeToString([]byte(content)),
	)
}

// fakeProvider signs with a key of its own. While held, calls wait.
type fakeProvider struct {
	key        *ecdsa.PrivateKey
	credential signing.Credential
	hold       chan struct{} // nil = not held; closed = go on
	err        error
}

func newProvider(t *testing.T) *fakeProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		NotAfter:     time.Unix(1<<34, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeProvider{key: key, credential: signing.Credential{
		Name:      "test",
		Chain:     []*x509.Certificate{cert},
		Algorithm: signing.ECDSA,
		Hash:      crypto.SHA256,
		MaxBatch:  100,
		InFlight:  2,
	}}
}

func (p *fakeProvider) Credential(context.Context) (*signing.Credential, error) {
	return &p.credential, nil
}

func (p *fakeProvider) Sign(ctx context.Context, c signing.Call) ([][]byte, error) {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true, Err: ctx.Err()}
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	values := make([][]byte, len(c.Digests))
	for i, d := range c.Digests {
		v, err := p.key.Sign(rand.Reader, d, crypto.SHA256)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// fakeFormat seals a document with its first bytes. A document can ask to fail:
// "fail:<kind>:<detail>".
type fakeFormat struct{}

// seal is what fakeFormat appends.
func seal(content string) string { return "\nsealed:" + content[:min(len(content), 16)] }

func head(f signing.File) (string, error) {
	b := make([]byte, min(f.Size(), 64))
	_, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return string(b), err
}

func (fakeFormat) Prepare(_ context.Context, in signing.Input, _ *signing.Credential) (signing.Prepared, error) {
	text, err := head(in.File)
	if err != nil {
		return signing.Prepared{}, err
	}
	if ask, ok := strings.CutPrefix(text, "fail:"); ok {
		kind, detail, _ := strings.Cut(ask, ":")
		return signing.Prepared{}, signing.Errorf(signing.Kind(kind), "%s", detail)
	}
	digest := sha256.Sum256([]byte(text))
	return signing.Prepared{Digest: digest[:]}, nil
}

// CheckOptions implements signing.OptionsChecker. It knows one profile.
func (fakeFormat) CheckOptions(s signing.SignatureInfo) error {
	if s.Profile != "" && s.Profile != "baseline" {
		return signing.Errorf(signing.KindInvalid, "profile %q is not known", s.Profile)
	}
	return nil
}

func (fakeFormat) CheckValue(signing.Prepared, []byte) error { return nil }

func (fakeFormat) Embed(
	_ context.Context, in signing.Input, _ signing.Prepared, _ []byte,
) ([]byte, signing.Pieces, error) {
	text, err := head(in.File)
	section := []byte(seal(text))
	return section, signing.Appended(in.File.Size(), int64(len(section))), err
}

// logLines collects log lines and hands each to the test that waits for one.
type logLines struct {
	t     *testing.T
	mu    sync.Mutex
	lines []string
	seen  chan string
}

func newLog(t *testing.T) *logLines { return &logLines{t: t, seen: make(chan string, 10_000)} }

func (l *logLines) logger() logr.Logger {
	return funcr.New(func(_, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, args)
		l.seen <- args
		for _, secret := range []string{
			aliceSecret, bobSecret, notifyToken(aliceSecret), basic(alice, aliceSecret)[6:], basic(bob, bobSecret)[6:],
			"eyJ", "a.pdf", "sealed",
		} {
			if strings.Contains(args, secret) {
				l.t.Errorf("a log line holds %q: %s", secret, args)
			}
		}
	}, funcr.Options{})
}

// next waits for a line that holds all of want.
func (l *logLines) next(want ...string) string {
	l.t.Helper()
	timeout := time.After(30 * time.Second) // only where the test fails
	for {
		select {
		case line := <-l.seen:
			all := true
			for _, w := range want {
				all = all && strings.Contains(line, w)
			}
			if all {
				return line
			}
		case <-timeout:
			l.t.Fatalf("no log line with %q", want)
		}
	}
}
