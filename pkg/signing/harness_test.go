package signing_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/testr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

// fakeProvider signs with an ECDSA key. A test sets what goes wrong before and after.
type fakeProvider struct {
	key        *ecdsa.PrivateKey
	credential signing.Credential
	latency    time.Duration
	// answer replaces the answer of a call if it is set. values are the correct signature values.
	answer func(call int, c signing.Call, values [][]byte) ([][]byte, error)

	outage int  // how many times Resume fails
	silent bool // Resume never answers
	panics int  // how many times Resume panics
	// resumed is what Resume returns, if it is set.
	resumed func(signing.Call) ([][]byte, error)

	mu    sync.Mutex // also guards credential where a test renews it
	calls [][][]byte // digests of each call
	made  int        // signatures made
	free  int        // calls that are in flight now; peak is the most
	peak  int
}

// newProvider returns a fakeProvider with a new key and a self-signed certificate.
func newProvider(t *testing.T) *fakeProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test"},
		NotBefore:    time.Unix(0, 0),
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
	return &fakeProvider{key: key, latency: 100 * time.Millisecond, credential: signing.Credential{
		Name:      "test",
		Chain:     []*x509.Certificate{cert},
		Algorithm: signing.ECDSA,
		Hash:      crypto.SHA256,
		MaxBatch:  10,
		InFlight:  2,
	}}
}

// Credential implements signing.Provider.
func (p *fakeProvider) Credential(context.Context) (*signing.Credential, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.credential
	return &c, nil
}

// Sign implements signing.Provider. Every call takes latency.
func (p *fakeProvider) Sign(ctx context.Context, c signing.Call) ([][]byte, error) {
	p.mu.Lock()
	call := len(p.calls)
	p.calls = append(p.calls, c.Digests)
	p.free++
	p.peak = max(p.peak, p.free)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.free--
		p.mu.Unlock()
	}()
	select {
	case <-time.After(p.latency):
	case <-ctx.Done():
		return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true, Err: ctx.Err()}
	}
	values, err := p.values(c)
	if p.answer != nil {
		values, err = p.answer(call, c, values)
	}
	var e *signing.Error
	if err == nil || errors.As(err, &e) && e.Unknown {
		p.mu.Lock()
		p.made += len(c.Digests)
		p.mu.Unlock()
	}
	return values, err
}

// values returns the correct signature values of a call.
func (p *fakeProvider) values(c signing.Call) ([][]byte, error) {
	p.mu.Lock()
	key := p.key
	p.mu.Unlock()
	values := make([][]byte, len(c.Digests))
	for i, d := range c.Digests {
		v, err := key.Sign(rand.Reader, d, crypto.SHA256)
		if err != nil {
			return nil, err
		}
		values[i] = v
	}
	return values, nil
}

// Resume implements signing.Resumer. It has the answers of calls whose handles start with r.
func (p *fakeProvider) Resume(ctx context.Context, c signing.Call, handle string) ([][]byte, error) {
	if p.silent {
		<-ctx.Done()
		return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true, Err: ctx.Err()}
	}
	if p.panics > 0 {
		p.panics--
		panic("nil map")
	}
	if p.outage > 0 {
		p.outage--
		return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true}
	}
	if p.resumed != nil {
		return p.resumed(c)
	}
	if handle == "empty" {
		return nil, signing.Errorf(signing.KindProvider, "not finished").Retryable(0).Because(signing.ErrNothingYet)
	}
	if handle[0] != 'r' {
		return nil, signing.Errorf(signing.KindProvider, "no such answer")
	}
	return p.values(c)
}

// callSizes returns how many digests each call had.
func (p *fakeProvider) callSizes() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sizes []int
	for _, c := range p.calls {
		sizes = append(sizes, len(c))
	}
	return sizes
}

// fakeFormat "signs" a document by appending the signature value to it. The content of a document
// says what goes wrong with it.
type fakeFormat struct {
	credential *signing.Credential
	// prepared maps a digest to the credential that its document was prepared for last. Nil means that
	// all documents are prepared for credential.
	prepared *sync.Map
	embed    func(content []byte) error
}

// Prepare implements signing.Format.
func (f fakeFormat) Prepare(_ context.Context, in signing.Input, c *signing.Credential) (signing.Prepared, error) {
	content, err := io.ReadAll(io.NewSectionReader(in.File, 0, in.File.Size()))
	if err != nil {
		return signing.Prepared{}, signing.Errorf(signing.KindDamaged, "the document ends early").Because(err)
	}
	switch string(content) {
	case "damaged":
		return signing.Prepared{}, signing.Errorf(signing.KindDamaged, "the cross-reference is damaged")
	case "panic":
		panic("out of bounds")
	}
	digest := sha256.Sum256(content)
	if f.prepared != nil {
		f.prepared.Store(digest, c)
	}
	return signing.Prepared{Digest: digest[:], State: digest[:]}, nil
}

// Embed implements signing.Format. It verifies the signature value.
func (f fakeFormat) Embed(_ context.Context, in signing.Input, p signing.Prepared, value []byte) ([]byte, error) {
	content, err := io.ReadAll(io.NewSectionReader(in.File, 0, in.File.Size()))
	if err != nil {
		return nil, err
	}
	if f.embed != nil {
		if err := f.embed(content); err != nil {
			return nil, err
		}
	}
	if !bytes.Equal(p.Digest, p.State) {
		return nil, errors.New("state was not kept")
	}
	if f.prepared != nil {
		c, _ := f.prepared.Load([32]byte(p.Digest))
		f.credential = c.(*signing.Credential)
	}
	if err := signing.VerifyValue(f.credential, p.Digest, value); err != nil {
		return nil, err
	}
	return value, nil
}

// CheckValue implements signing.Format.
func (f fakeFormat) CheckValue(p signing.Prepared, value []byte) error {
	return signing.VerifyValue(f.credential, p.Digest, value)
}

// harness is a service on the in-memory store.
type harness struct {
	t        *testing.T
	provider *fakeProvider
	format   fakeFormat
	store    signing.Store
	cfg      signing.Config
	waiting  bool           // submit as a sync request
	level    signing.Level  // of submitted documents; empty = B-B
	over     signing.Format // replaces format; nil = format
	*signing.Service
	stop func()
}

// newHarness starts a service. change may replace parts of the harness before the start.
func newHarness(t *testing.T, change func(*harness)) *harness {
	t.Helper()
	h := &harness{t: t, provider: newProvider(t), store: storetest.NewMemory()}
	h.format.credential = &h.provider.credential
	if change != nil {
		change(h)
	}
	h.start()
	return h
}

// start creates a service on the store, as a new process does.
func (h *harness) start() {
	cfg := h.cfg
	cfg.Store = h.store
	cfg.Formats = map[signing.SignatureType]signing.Format{signing.PAdES: h.format}
	if h.over != nil {
		cfg.Formats[signing.PAdES] = h.over
	}
	if cfg.Providers == nil {
		cfg.Providers = func(string) (signing.Provider, error) { return h.provider, nil }
	}
	cfg.Log = testr.New(h.t)
	h.Service = signing.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Start(ctx) }()
	synctest.Wait()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Start = %v", err)
		}
	})
}

// submit sends documents in one request with the given reference.
func (h *harness) submit(client, reference string, contents ...string) (signing.Operation, error) {
	h.t.Helper()
	ctx := context.Background()
	up, err := h.NewUpload(ctx)
	if err != nil {
		return signing.Operation{}, err
	}
	sub := signing.Submission{
		ClientService: client,
		Waiting:       h.waiting,
		Request:       signing.Request{ExternalReference: reference, Description: "test"},
	}
	for i, c := range contents {
		content, err := up.Add(bytes.NewReader([]byte(c)))
		if err != nil {
			return signing.Operation{}, err
		}
		sub.Contents = append(sub.Contents, content)
		sub.Request.Documents = append(sub.Request.Documents, signing.DocumentRequest{
			ExternalReference: fmt.Sprintf("%s-%d", reference, i), Name: "a.pdf", ContentType: "application/pdf",
			Signature: signing.SignatureInfo{Type: signing.PAdES, Level: cmp.Or(h.level, signing.LevelB)},
		})
	}
	op, _, err := h.Submit(ctx, up, sub)
	return op, err
}

// mustSubmit is submit for requests that must be accepted.
func (h *harness) mustSubmit(client, reference string, contents ...string) signing.ID {
	h.t.Helper()
	op, err := h.submit(client, reference, contents...)
	if err != nil {
		h.t.Fatalf("Submit(%s) = %v", reference, err)
	}
	return op.ID
}

// waitFor waits until the operation has ended, for a day of fake time at most.
func (h *harness) waitFor(id signing.ID) signing.Operation {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	defer cancel()
	op, err := h.Wait(ctx, id)
	if err != nil {
		h.t.Fatalf("Wait(%s) = %v", id, err)
	}
	return op
}

// check waits for the operation and compares the state of every document. want has one letter for
// each document: s(igned) or f(ailed). Signed documents must verify.
func (h *harness) check(id signing.ID, status signing.Status, want string) []signing.Document {
	h.t.Helper()
	op := h.waitFor(id)
	if op.Status != status {
		h.t.Errorf("operation %s: status = %s, want %s", id, op.Status, status)
	}
	docs, err := h.Documents(context.Background(), id, 0, 10_000)
	if err != nil {
		h.t.Fatal(err)
	}
	var got []byte
	for _, d := range docs {
		switch d.State {
		case signing.DocumentSigned:
			got = append(got, 's')
			h.verify(d)
		case signing.DocumentFailed:
			got = append(got, 'f')
			if d.Failure == nil {
				h.t.Errorf("document %d failed without a reason", d.Index)
			}
		default:
			got = append(got, '?')
		}
	}
	if string(got) != want {
		h.t.Errorf("operation %s: documents = %s, want %s", id, got, want)
	}
	return docs
}

// verify checks a signed document as its receiver does.
func (h *harness) verify(d signing.Document) {
	h.t.Helper()
	f, err := h.OpenSigned(context.Background(), d)
	if err != nil {
		h.t.Errorf("OpenSigned(%d) = %v", d.Index, err)
		return
	}
	defer f.Close()
	all, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		h.t.Error(err)
		return
	}
	digest := sha256.Sum256(all[:d.Content.Size])
	if err := signing.VerifyValue(&h.provider.credential, digest[:], all[d.Content.Size:]); err != nil {
		h.t.Errorf("document %d: %v", d.Index, err)
	}
}

// accounts checks that each signature that was made is stored or counted as unknown.
func (h *harness) accounts(exact bool) signing.Counters {
	h.t.Helper()
	c, err := h.store.Counters(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	made := int64(h.provider.made)
	if made > c.Returned+c.Unknown || exact && made != c.Returned {
		h.t.Errorf("%d signatures were made, counters say %+v", made, c)
	}
	return c
}

// run calls f with a harness in a synctest bubble.
func run(t *testing.T, change func(*harness), f func(*testing.T, *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, change)
		defer func() { h.stop() }()
		f(t, h)
	})
}

// sum returns the digest of a document.
func sum(content string) []byte {
	s := sha256.Sum256([]byte(content))
	return s[:]
}

// names returns the contents of n different documents.
func names(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("document %d", i))
	}
	return slices.Clip(out)
}
