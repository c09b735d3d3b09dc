//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"

	"github.com/miekg/pkcs11"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// batch signs the digests of one call in parallel on the sessions of a connection.
type batch struct {
	p      *Provider
	c      *connection
	values [][]byte

	digests [][]byte
	next    atomic.Int64
	made    atomic.Int64 // signatures that were started

	mu     sync.Mutex
	err    error
	halted bool
}

func newBatch(p *Provider, c *connection, digests [][]byte) *batch {
	return &batch{p: p, c: c, digests: digests, values: make([][]byte, len(digests))}
}

// run signs all digests. It stops at the first failure.
func (b *batch) run(ctx context.Context) {
	var workers sync.WaitGroup
	for range min(len(b.c.sessions), len(b.digests)) {
		workers.Go(func() {
			for i := int(b.next.Add(1)) - 1; i < len(b.digests); i = int(b.next.Add(1)) - 1 {
				if err := b.signOne(ctx, i); err != nil {
					b.stop(fmt.Errorf("sign digest %d: %w", i, err))
				}
			}
		})
	}
	workers.Wait()
}

func (b *batch) signOne(ctx context.Context, i int) error {
	var s pkcs11.SessionHandle
	select {
	case s = <-b.c.idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { b.c.idle <- s }()
	if !b.begin() {
		return nil
	}
	if err := b.p.beginSignature(b.c, s, b.digests[i]); err != nil {
		b.made.Add(-1) // the key has not been used
		return err
	}
	value, err := b.p.sign(b.c, s, b.digests[i])
	b.values[i] = value
	return err
}

// begin counts a signature. It returns false if the batch was stopped, because the number of
// started signatures that Sign has reported must stay true.
func (b *batch) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.halted {
		return false
	}
	b.made.Add(1)
	return true
}

// stop prevents further signatures. The first err is kept.
func (b *batch) stop(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.halted = true
	if b.err == nil {
		b.err = err
	}
	b.next.Store(int64(len(b.digests)))
}

func (b *batch) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *batch) started() int64 { return b.made.Load() }

// beginSignature prepares the session, before the key is used.
func (p *Provider) beginSignature(c *connection, s pkcs11.SessionHandle, digest []byte) error {
	mechanism, _ := p.mechanism(digest)
	if err := c.ctx.SignInit(s, []*pkcs11.Mechanism{mechanism}, c.key); err != nil {
		return fmt.Errorf("begin signature: %w", err)
	}
	if c.always {
		if err := c.ctx.Login(s, pkcs11.CKU_CONTEXT_SPECIFIC, p.connections.cfg.PIN); err != nil {
			return p.connections.notePIN(fmt.Errorf("log in for a signature: %w", err))
		}
	}
	return nil
}

// sign makes one signature value.
func (p *Provider) sign(c *connection, s pkcs11.SessionHandle, digest []byte) ([]byte, error) {
	_, data := p.mechanism(digest)
	value, err := c.ctx.Sign(s, data)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if p.kept.Load().Algorithm == signing.ECDSA {
		return sigValue(value)
	}
	return value, nil
}

// mechanism returns the mechanism with which the token signs a digest, and the bytes to sign.
func (p *Provider) mechanism(digest []byte) (*pkcs11.Mechanism, []byte) {
	switch p.kept.Load().Algorithm {
	case signing.RSAPSS:
		hash, mask := pssParameters(p.kept.Load().Hash)
		params := pkcs11.NewPSSParams(hash, mask, uint(p.kept.Load().Hash.Size()))
		return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_PSS, params), digest
	case signing.ECDSA:
		return pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil), digest
	}
	// CKM_RSA_PKCS pads its input, which must be a DigestInfo (RFC 8017 9.2).
	return pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS, nil), append(digestInfo(p.kept.Load().Hash), digest...)
}

func pssParameters(hash crypto.Hash) (algorithm, mask uint) {
	switch hash {
	case crypto.SHA384:
		return pkcs11.CKM_SHA384, pkcs11.CKG_MGF1_SHA384
	case crypto.SHA512:
		return pkcs11.CKM_SHA512, pkcs11.CKG_MGF1_SHA512
	}
	return pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256
}

// digestInfo returns the DER of DigestInfo up to the digest.
func digestInfo(hash crypto.Hash) []byte {
	last := map[crypto.Hash]byte{crypto.SHA256: 1, crypto.SHA384: 2, crypto.SHA512: 3}[hash]
	size := byte(hash.Size())
	return []byte{0x30, 17 + size, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last, 5, 0, 4, size}
}

// sigValue converts r and s, each half of raw (PKCS #11 2.3.1), to a DER Ecdsa-Sig-Value.
func sigValue(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("an ECDSA value of %d bytes is not r and s", len(raw))
	}
	half := len(raw) / 2
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[:half]))
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[half:]))
	})
	return b.Bytes()
}

// algorithmFor returns the algorithm with which the key signs. It returns an error if certificate,
// key and setting do not match.
func algorithmFor(
	public crypto.PublicKey, kind uint, want signing.SignatureAlgorithm,
) (signing.SignatureAlgorithm, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); kind != pkcs11.CKK_RSA || bits < 2048 || bits > 4096 {
			return "", errors.New("the certificate's key is not the one in the token, or not RSA of 2048 to 4096 bits")
		}
		if want == "" {
			want = signing.RSAPKCS1
		}
		if want == signing.RSAPKCS1 || want == signing.RSAPSS {
			return want, nil
		}
	case *ecdsa.PublicKey:
		if kind != pkcs11.CKK_EC {
			return "", errors.New("the certificate's key is not the one in the token")
		}
		if want == "" || want == signing.ECDSA {
			return signing.ECDSA, nil
		}
	default:
		return "", fmt.Errorf("a key of type %T is not supported", public)
	}
	return "", fmt.Errorf("the signature algorithm %s does not fit the key", want)
}
