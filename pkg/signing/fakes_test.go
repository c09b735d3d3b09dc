package signing_test

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
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

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

	mu       sync.Mutex // also guards credential where a test renews it
	calls    [][][]byte // digests of each call
	made     int        // signatures made
	inFlight int        // calls that are in flight now; peak is the most
	peak     int
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
	p.inFlight++
	p.peak = max(p.peak, p.inFlight)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.inFlight--
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
		return nil, lost()
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

// sentTimes returns how often a digest was sent to the provider.
func (p *fakeProvider) sentTimes(digest []byte) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, call := range p.calls {
		for _, d := range call {
			if slices.Equal(d, digest) {
				n++
			}
		}
	}
	return n
}

// answerOf returns the answer to a call that is requested later. A nil digest belongs to a document
// that has ended since the call.
func (p *fakeProvider) answerOf(c signing.Call) ([][]byte, error) {
	values := make([][]byte, len(c.Digests))
	for i, d := range c.Digests {
		if d == nil {
			values[i] = []byte("not used")
			continue
		}
		one, err := p.values(signing.Call{Digests: [][]byte{d}})
		if err != nil {
			return nil, err
		}
		values[i] = one[0]
	}
	return values, nil
}

// answerFrom returns a Resume function that has the answer of an earlier call from a given time
// on.
func (p *fakeProvider) answerFrom(there time.Time) func(signing.Call) ([][]byte, error) {
	return func(c signing.Call) ([][]byte, error) {
		if time.Now().Before(there) {
			return nil, lost()
		}
		return p.answerOf(c)
	}
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
func (f fakeFormat) Embed(
	_ context.Context, in signing.Input, p signing.Prepared, value []byte,
) ([]byte, signing.Pieces, error) {
	content, err := io.ReadAll(io.NewSectionReader(in.File, 0, in.File.Size()))
	if err != nil {
		return nil, nil, err
	}
	if f.embed != nil {
		if err := f.embed(content); err != nil {
			return nil, nil, err
		}
	}
	if !bytes.Equal(p.Digest, p.State) {
		return nil, nil, errors.New("state was not kept")
	}
	if f.prepared != nil {
		c, _ := f.prepared.Load([32]byte(p.Digest))
		f.credential = c.(*signing.Credential)
	}
	if err := signing.VerifyValue(f.credential, p.Digest, value); err != nil {
		return nil, nil, err
	}
	return value, signing.Appended(int64(len(content)), int64(len(value))), nil
}

// CheckValue implements signing.Format.
func (f fakeFormat) CheckValue(p signing.Prepared, value []byte) error {
	return signing.VerifyValue(f.credential, p.Digest, value)
}

// failFirst returns an answer function that fails the first n calls with err.
func failFirst(n int, err error) func(int, signing.Call, [][]byte) ([][]byte, error) {
	return func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
		if call < n {
			return nil, err
		}
		return values, nil
	}
}

// failAlways returns an answer function that fails each call with err.
func failAlways(err error) func(int, signing.Call, [][]byte) ([][]byte, error) {
	return failFirst(math.MaxInt, err)
}

// failWrites returns a function for storetest.Memory.Inject. It makes each call of one method fail,
// and nothing is stored.
func failWrites(method string) func(string) storetest.Fault {
	return func(called string) storetest.Fault {
		if called == method {
			return storetest.NotStored
		}
		return storetest.NoFault
	}
}

// noTimestamp returns the error of a timestamp authority that cannot be used.
func noTimestamp() error {
	return signing.Errorf(signing.KindTimestamp, "no timestamp authority").Retryable(0)
}

// busy returns an error that is worth a retry.
func busy() error {
	return signing.Errorf(signing.KindProvider, "the signing service is busy").Retryable(0)
}

// tooMany is the error for status 429.
func tooMany(after time.Duration) error {
	return signing.Errorf(signing.KindProvider, "the signing service asks for fewer requests").
		Retryable(after).
		Because(fmt.Errorf("status 429: %w", signing.ErrTooMany))
}

// lost returns the error of a call whose answer was lost.
func lost() error {
	return &signing.Error{Kind: signing.KindProvider, Unknown: true, Err: errors.New("lost")}
}

// lostWithHandle loses the answer of a call and leaves a handle, under which it can be requested
// again.
func lostWithHandle(_ int, c signing.Call, _ [][]byte) ([][]byte, error) {
	_ = c.Note(context.Background(), "r-1")
	return nil, lost()
}

// expiredToken is a refusal because a token had expired.
func expiredToken(unknown bool) error {
	err := signing.Errorf(signing.KindProviderCredentials, "token expired").
		Because(fmt.Errorf("status 401: %w", signing.ErrRenewed))
	err.Unknown = unknown
	return err
}
