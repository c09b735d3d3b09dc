package software

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// KeyType is the algorithm and size of a key.
type KeyType string

// The key types that can be made and used. The zero KeyType means RSA2048.
const (
	RSA2048 KeyType = "RSA-2048"
	RSA3072 KeyType = "RSA-3072"
	RSA4096 KeyType = "RSA-4096"
	P256    KeyType = "P-256"
	P384    KeyType = "P-384"
	P521    KeyType = "P-521"
)

// KeyTypes lists them.
var KeyTypes = []KeyType{RSA2048, RSA3072, RSA4096, P256, P384, P521}

func generate(t KeyType) (crypto.Signer, error) {
	switch t {
	case RSA2048, "":
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case P521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	return nil, fmt.Errorf("key type %q is not known", t)
}

// keyType returns the type of the key. A key that may not sign is an error.
func keyType(public crypto.PublicKey) (KeyType, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		if bits < 2048 || bits > 4096 {
			return "", fmt.Errorf("an RSA key of %d bits is outside 2048 to 4096", bits)
		}
		return KeyType(fmt.Sprintf("RSA-%d", bits)), nil
	case *ecdsa.PublicKey:
		switch t := KeyType(key.Curve.Params().Name); t {
		case P256, P384, P521:
			return t, nil
		}
		return "", fmt.Errorf("the curve %s is not supported", key.Curve.Params().Name)
	}
	return "", fmt.Errorf("a key of type %T is not supported", public)
}

// newIdentity checks that key, chain and options match.
func (p *Provider) newIdentity(key crypto.Signer, chain []*x509.Certificate, o Options) (*identity, error) {
	kind, err := keyType(key.Public())
	if err != nil {
		return nil, err
	}
	if own, ok := chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !own.Equal(key.Public()) {
		return nil, fmt.Errorf("the certificate is of another key")
	}
	const forSigning = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if use := chain[0].KeyUsage; use != 0 && use&forSigning == 0 {
		return nil, fmt.Errorf("the certificate's key usage has neither digitalSignature nor nonRepudiation")
	}
	c := &signing.Credential{
		Name: p.name, Chain: chain, Hash: o.Hash, MaxBatch: p.maxBatch, InFlight: p.inFlight, Free: true,
	}
	if c.Algorithm, err = algorithmFor(key.Public(), o.Algorithm); err != nil {
		return nil, err
	}
	if c.Hash == 0 {
		c.Hash = map[KeyType]crypto.Hash{P384: crypto.SHA384, P521: crypto.SHA512}[kind]
	}
	switch c.Hash {
	case 0:
		c.Hash = crypto.SHA256
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return nil, fmt.Errorf("the hash %v is not supported", c.Hash)
	}
	if private, ok := key.(*rsa.PrivateKey); ok {
		private.Precompute()
	}
	return &identity{key, c}, nil
}

func algorithmFor(public crypto.PublicKey, want signing.SignatureAlgorithm) (signing.SignatureAlgorithm, error) {
	_, isRSA := public.(*rsa.PublicKey)
	switch {
	case isRSA && want == "":
		return signing.RSAPKCS1, nil
	case !isRSA && want == "":
		return signing.ECDSA, nil
	case isRSA != (want == signing.RSAPKCS1 || want == signing.RSAPSS), !isRSA && want != signing.ECDSA:
		return "", fmt.Errorf("the signature algorithm %s does not fit the key", want)
	}
	return want, nil
}
