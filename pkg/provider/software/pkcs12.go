package software

import (
	"crypto"
	"errors"
	"fmt"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// maxPKCS12Bytes bounds a PKCS#12 file: a key with a chain takes a few kilobytes.
const maxPKCS12Bytes = 1 << 20

// OpenPKCS12 returns a provider that signs with the key in a PKCS#12 file (RFC 7292, DER). The file is read once. It must hold one
// key, RSA of 2048 to 4096 bits or ECDSA on P-256, P-384 or P-521, with its certificate; further certificates become the chain as
// far as they link up. An expired certificate is no error here: Credential tells.
func OpenPKCS12(path, password string, o Options) (*Provider, error) {
	data, err := secretfile.Bounded(path, maxPKCS12Bytes)
	if err != nil {
		return nil, fmt.Errorf("read PKCS#12 file: %w", err)
	}
	private, leaf, others, err := pkcs12.DecodeChain(data, password)
	if err != nil {
		if errors.Is(err, pkcs12.ErrIncorrectPassword) {
			return nil, fmt.Errorf("open PKCS#12 file %s: the password is wrong", path)
		}
		return nil, fmt.Errorf("open PKCS#12 file %s: %w", path, err)
	}
	key, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("open PKCS#12 file %s: a key of type %T cannot sign", path, private)
	}
	p := newProvider(o)
	id, err := p.newIdentity(key, certchain.Link(leaf, others, time.Now()), o)
	if err != nil {
		return nil, fmt.Errorf("open PKCS#12 file %s: %w", path, err)
	}
	p.current.Store(id)
	return p, nil
}
