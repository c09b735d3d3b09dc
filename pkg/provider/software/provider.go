package software

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Options are the operator's choices. The zero value is usable.
type Options struct {
	Name      string                     // of the credential; default "software"
	Algorithm signing.SignatureAlgorithm // default: RSAPKCS1 or ECDSA, as the key is
	Hash      crypto.Hash                // default: SHA-256; for P-384 and P-521 the hash of the curve's size
	MaxBatch  int                        // digests in one call; default 100
	InFlight  int                        // calls at the same time; default 2: gather one batch while another is signed
	Parallel  int                        // signatures at the same time in all calls; default: one for each processor
	Log       logr.Logger                // receives a warning about an incomplete chain; the zero Logger discards it
}

// Provider signs with a key in memory. It is safe for concurrent use.
type Provider struct {
	name     string
	maxBatch int
	inFlight int
	slots    chan struct{}       // one for each parallel signature
	embedded *embedded           // nil for PKCS#12
	others   []*x509.Certificate // of the PKCS#12 file; never modified

	mu      sync.Mutex // guards renewal and the CRL
	current atomic.Pointer[identity]
}

// identity is the current key with its certificate.
type identity struct {
	key        crypto.Signer
	credential *signing.Credential
}

func newProvider(o Options) *Provider {
	p := &Provider{name: o.Name, maxBatch: o.MaxBatch, inFlight: o.InFlight}
	if p.name == "" {
		p.name = "software"
	}
	if p.maxBatch < 1 {
		p.maxBatch = 100
	}
	if p.inFlight < 1 {
		p.inFlight = 2
	}
	if o.Parallel < 1 {
		o.Parallel = runtime.GOMAXPROCS(0)
	}
	p.slots = make(chan struct{}, o.Parallel)
	return p
}

// Credential implements signing.Provider. It renews the certificate of the embedded key when it
// expires soon. It builds the chain of a PKCS#12 file again when one of its issuers is not valid
// any more.
func (p *Provider) Credential(context.Context) (*signing.Credential, error) {
	if p.embedded != nil {
		p.renew()
	} else {
		p.relink(time.Now())
	}
	return p.current.Load().credential, nil
}

// Sign implements signing.Provider. Its outcome is never unknown, because a lost signature costs
// nothing here.
func (p *Provider) Sign(ctx context.Context, call signing.Call) ([][]byte, error) {
	id := p.current.Load()
	if err := checkCall(id.credential, call); err != nil {
		return nil, err
	}
	values := make([][]byte, len(call.Digests))
	failures := make([]error, len(call.Digests))
	opts := signerOpts(id.credential)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(cap(p.slots), len(values)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(values); i = int(next.Add(1)) - 1 {
				values[i], failures[i] = p.signOne(ctx, id.key, call.Digests[i], opts)
				if failures[i] != nil {
					next.Store(int64(len(values))) // all or nothing: do not sign the rest
				}
			}
		})
	}
	workers.Wait()
	for i, err := range failures {
		if err != nil {
			return nil, signing.Errorf(signing.KindProvider, "the local key did not sign").
				Because(fmt.Errorf("sign digest %d: %w", i, err)).Retryable(0)
		}
	}
	return values, nil
}

func (p *Provider) signOne(
	ctx context.Context, key crypto.Signer, digest []byte, opts crypto.SignerOpts,
) ([]byte, error) {
	if err := ctx.Err(); err != nil { // without this check, select would choose at random
		return nil, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.slots }()
	return key.Sign(rand.Reader, digest, opts)
}

// checkCall refuses calls that break the contract of signing.Provider.
func checkCall(c *signing.Credential, call signing.Call) error {
	if n := len(call.Digests); n < 1 || n > c.MaxBatch {
		return signing.Errorf(signing.KindProvider, "a call of %d digests is not possible", n)
	}
	for i, d := range call.Digests {
		if len(d) != c.Hash.Size() {
			return signing.Errorf(signing.KindProvider, "digest %d has %d bytes, %v has %d", i, len(d), c.Hash, c.Hash.Size())
		}
	}
	return nil
}

func signerOpts(c *signing.Credential) crypto.SignerOpts {
	if c.Algorithm == signing.RSAPSS {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: c.Hash}
	}
	return c.Hash
}

var _ signing.Provider = (*Provider)(nil)
