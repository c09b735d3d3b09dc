package faulttest

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/certstatus"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/pipenet"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/safe"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store"
)

// The pipeline of the fault matrix has the same REST handler, service, store, format and provider
// as the program, and the simulated remote side. All run on one fake clock in one synctest bubble.
// So minutes of waiting pass at once, and a leaked goroutine or connection fails the test.

// matrixDocuments is the number of documents in each request of the matrix. matrixTries is the
// maximum number of attempts for an operation: one attempt and two retries.
const (
	matrixDocuments = 3
	matrixTries     = 3
)

// variant is a kind of remote side and the protocol to reach it.
type variant struct {
	name    string
	options service.Options
	open    func(t *testing.T, s *service.Service, client *http.Client) (signing.Provider, error)
	disk    func(signing.Store) signing.Store // wraps the store; nil = the store as it is
	unknown signing.UnknownPolicy             // empty = retry
	// Level of the documents; empty means B-B. Higher levels have a timestamp authority, OCSP and
	// CRLs.
	level signing.Level
}

var variants = []variant{
	{name: "csc v1", options: ecdsaCredential(false), open: openCSC("/csc/v1")},
	{name: "csc v2", options: ecdsaCredential(false), open: openCSC("/csc/v2")},
	{name: "csc v2 asynchronous", options: ecdsaCredential(true), open: openCSC("/csc/v2")},
	{name: "safe", open: openSAFE},
}

// Indexes of the variants in the lists of expectations.
const (
	cscV1 = iota
	cscV2
	cscV2A
	safeV2
)

func ecdsaCredential(asynchronous bool) service.Options {
	return service.Options{
		Asynchronous: asynchronous,
		Credentials:  []service.Credential{{Key: service.ECDSAP256, PIN: service.PIN}},
	}
}

func openCSC(path string) func(*testing.T, *service.Service, *http.Client) (signing.Provider, error) {
	return func(t *testing.T, _ *service.Service, client *http.Client) (signing.Provider, error) {
		dir := t.TempDir()
		return csc.New(csc.Config{Name: "remote", HTTP: client, Log: logr.Discard(), Settings: csc.Settings{
			URL: "http://simulated.invalid" + path, ClientID: service.ClientID,
			ClientSecretFile: secretIn(t, dir, "secret", service.ClientSecret), PINFile: secretIn(t, dir, "pin", service.PIN),
		}})
	}
}

func openSAFE(t *testing.T, s *service.Service, client *http.Client) (signing.Provider, error) {
	dir := t.TempDir()
	access, refresh := s.SAFETokens()
	tokens, err := json.Marshal(
		map[string]string{"accessToken": access, "refreshToken": refresh, "credentialID": service.SAFECredentialID},
	)
	if err != nil {
		return nil, err
	}
	return safe.New(safe.Config{Name: "remote", HTTP: client, Log: logr.Discard(), Settings: safe.Settings{
		URL: "http://simulated.invalid/safe", ClientName: "invoices", Username: service.SAFEUser,
		PasswordFile:   secretIn(t, dir, "password", service.SAFEPassword),
		AccountKeyFile: secretIn(t, dir, "key", strings.Repeat("0123456789abcdef", 4)),
		AccountFile:    filepath.Join(dir, "account"),
		TokensFile:     secretIn(t, dir, "tokens", string(tokens)),
	}})
}

func secretIn(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// matrixAuthority is shared by all cells, because it takes a while to make RSA keys. It is made in
// a bubble, where all clocks start at the same time.
var matrixAuthority = sync.OnceValues(service.NewAuthority)

// statusAuthority is a matrixAuthority whose certificates name the URLs of OCSP and CRLs.
var statusAuthority = sync.OnceValues(
	func() (*service.Authority, error) { return service.NewAuthorityAt("http://status.invalid") },
)

// pipeline is the whole pipeline in one bubble.
type pipeline struct {
	remote  *service.Service
	tsa     *tsa.Handler
	status  *certstatus.Responder
	level   signing.Level
	store   *store.Store
	folder  string
	door    *http.Client
	closers []func()

	timestampReady func(context.Context) error // nil for levels below B-T
}

// openPipeline starts the pipeline. The caller closes it within the bubble.
func openPipeline(t *testing.T, v variant) *pipeline {
	t.Helper()
	p := &pipeline{folder: filepath.Join(t.TempDir(), "state"), level: v.level}
	authority, format := matrixAuthority, &pades.Format{}
	if v.level != "" {
		authority = statusAuthority
	}
	var err error
	if v.options.Authority, err = authority(); err != nil {
		t.Fatal(err)
	}
	if v.level != "" {
		format = p.surround(t, v.options.Authority)
	}
	if p.remote, err = service.New(v.options); err != nil {
		t.Fatal(err)
	}
	client, stop := pipenet.Serve(p.remote)
	p.closers = append(p.closers, stop, p.remote.Close)
	provider, err := v.open(t, p.remote, client)
	if err != nil {
		t.Fatal(err)
	}
	if p.store, err = store.Open(t.Context(), store.Config{Folder: p.folder, Log: logr.Discard()}); err != nil {
		t.Fatal(err)
	}
	p.closers = append(p.closers, func() {
		if err := p.store.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	var disk signing.Store = p.store
	if v.disk != nil {
		disk = v.disk(p.store)
	}
	s := signing.New(signing.Config{
		Store:          disk,
		Formats:        map[signing.SignatureType]signing.Format{signing.PAdES: format},
		Log:            logr.Discard(),
		Providers:      func(string) (signing.Provider, error) { return provider, nil },
		Tries:          matrixTries - 1,
		UnknownOutcome: v.unknown,
		TimestampReady: p.timestampReady,
		Random:         func() float64 { return 0 },
	})
	p.start(t, s)
	p.openDoor(t, s)
	return p
}

// start runs the service until the pipeline is closed.
func (p *pipeline) start(t *testing.T, s *signing.Service) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Start(ctx); err != nil {
			t.Errorf("Start = %v", err)
		}
	}()
	p.closers = append(p.closers, func() { stop(); <-ended })
	synctest.Wait()
}

// openDoor serves the REST handler within the bubble.
func (p *pipeline) openDoor(t *testing.T, s *signing.Service) {
	t.Helper()
	clients, err := clientservice.NewServices(
		clientservice.ClientService{ID: "alice", Secret: clientservice.NewSecret("a long enough secret")},
	)
	if err != nil {
		t.Fatal(err)
	}
	door, err := api.New(api.Config{
		Service: s, ClientServices: func() *clientservice.Services { return clients },
		Endpoint: func() affinity.Endpoint { return affinity.Endpoint{Name: "matrix", Host: "proxy.invalid", Port: 1} },
		Log:      logr.Discard(), TokenKey: bytes.Repeat([]byte{1}, 32), SyncWait: 48 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	client, stop := pipenet.Serve(door.Handler())
	p.door = client
	p.closers = append(p.closers, stop)
}

func (p *pipeline) close() {
	for _, c := range slices.Backward(p.closers) {
		c()
	}
}

// outcome is the result of a request: the answers to the client, and the counters of the remote
// side and of the store.
type outcome struct {
	status                           string
	documents                        [matrixDocuments]string // signStatus, and signError if there is one; sorted
	made                             int                     // signatures, counted by the remote side
	sent, returned, unknown, refused int                     // digests, in the durable counters
}

func (o outcome) String() string {
	return fmt.Sprintf("%s %s: made %d; sent %d, returned %d, unknown %d, refused %d",
		o.status, strings.Join(o.documents[:], ", "), o.made, o.sent, o.returned, o.unknown, o.refused)
}

// wantRequest makes a request and checks its outcome.
func (p *pipeline) wantRequest(t *testing.T, reference string, want outcome) {
	t.Helper()
	before := p.counters(t)
	got := p.sign(t, reference)
	after := p.counters(t)
	got.made, got.sent, got.returned = after.made-before.made, after.sent-before.sent, after.returned-before.returned
	got.unknown, got.refused = after.unknown-before.unknown, after.refused-before.refused
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", reference, got, want)
	}
}

// sign posts one request, waits for its end and returns the outcome.
func (p *pipeline) sign(t *testing.T, reference string) (o outcome) {
	t.Helper()
	text, status := p.exchange(t, reference)
	var op struct {
		Status       string
		DocumentList []struct {
			SignStatus, SignError string
			SignedContent         []byte
		}
	}
	if err := json.Unmarshal(text, &op); err != nil || len(op.DocumentList) != matrixDocuments {
		t.Fatalf("answer %d %.300s, %v, want an operation of %d documents", status, text, err, matrixDocuments)
	}
	o.status = op.Status
	for i, d := range op.DocumentList {
		o.documents[i] = strings.TrimSpace(d.SignStatus + " " + d.SignError)
		if (d.SignStatus == "SIGNED") != bytes.Contains(d.SignedContent, []byte("/ByteRange")) {
			t.Errorf("document %d is %s with %d bytes of content", i, d.SignStatus, len(d.SignedContent))
		}
	}
	slices.Sort(o.documents[:]) // it is random which of them a passing fault hits
	return o
}

// exchange posts a request and returns the answer's body and status.
func (p *pipeline) exchange(t *testing.T, reference string) (body []byte, status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://proxy.invalid/signstash/einvoice-integration-client-ws/api/v0/document/sign/base64/", p.request(t, reference))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("alice", "a long enough secret")
	resp, err := p.door.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return body, resp.StatusCode
}

// request builds a request with tiny documents that differ. The matrix has hundreds of cells, so
// the size of a document matters.
func (p *pipeline) request(t *testing.T, reference string) io.Reader {
	t.Helper()
	type object map[string]any
	var documents []object
	for i := range matrixDocuments {
		documents = append(documents, object{
			"documentRequest": object{
				"externalReference": fmt.Sprintf("%s/%d", reference, i), "name": "d.pdf", "contentType": "application/pdf",
				"base64Content": fmt.Appendf(bytes.Clone(tinyPDF), "%% %s %d\n", reference, i),
			},
			"signatureInfo": object{"signatureType": "PAdES", "level": cmp.Or(p.level, signing.LevelB)},
		})
	}
	body, err := json.Marshal(object{"externalReference": reference, "description": "d", "documents": documents})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(body)
}

// tinyPDF is a document with one empty page.
//
//go:embed testdata/tiny.pdf
var tinyPDF []byte

// counters reads the counters of the remote side and of the store.
func (p *pipeline) counters(t *testing.T) outcome {
	t.Helper()
	n, err := p.store.Counters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return outcome{
		made:     int(p.remote.Counts().Signatures),
		sent:     int(n.Sent),
		returned: int(n.Returned),
		unknown:  int(n.Unknown),
		refused:  int(n.Refused),
	}
}

// wantNothingLeft checks that the state folder contains the files of exactly this number of
// operations.
func (p *pipeline) wantNothingLeft(t *testing.T, operations int) {
	t.Helper()
	if got := namesIn(t, filepath.Join(p.folder, "uploads")); len(got) > 0 {
		t.Errorf("uploads holds %v, want nothing", got)
	}
	files := namesIn(t, filepath.Join(p.folder, "operations"))
	if len(files) != operations {
		t.Errorf("operations holds %v, want %d files", files, operations)
	}
	open, err := p.store.OpenCalls(t.Context())
	unfinished, uerr := p.store.Unfinished(t.Context())
	if err != nil || uerr != nil || len(open) > 0 || len(unfinished) > 0 {
		t.Errorf("open calls %v, unfinished operations %v (%v, %v), want none", open, unfinished, err, uerr)
	}
	for _, name := range namesIn(t, p.folder) {
		if known := strings.HasPrefix(name, "metadata.db") ||
			slices.Contains([]string{"instance.json", "lock", "operations", "reserve", "uploads"}, name); !known {
			t.Errorf("the state folder holds %s, which belongs to nothing", name)
		}
	}
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
