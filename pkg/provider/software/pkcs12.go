package software

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// maxPKCS12Bytes is the largest size of a PKCS#12 file. A key with a chain takes a few kilobytes.
const maxPKCS12Bytes = 1 << 20

// OpenPKCS12 returns a provider that signs with the key in a PKCS#12 file (RFC 7292, DER or BER).
// The file is read once. It must hold one key (RSA of 2048 to 4096 bits, or ECDSA on P-256, P-384
// or P-521) and the certificate of the key. It may hold further certificates in any order. Those
// that belong to the chain become part of it. A chain without its root is logged as a warning. A
// certificate that is not valid now is accepted, because the service checks the validity before it
// signs.
func OpenPKCS12(path, password string, o Options) (*Provider, error) {
	data, err := secretfile.Bounded(path, maxPKCS12Bytes)
	if err != nil {
		return nil, fmt.Errorf("read PKCS#12 file: %w", err)
	}
	c, err := openContainer(data, password)
	if err != nil {
		if errors.Is(err, pkcs12.ErrIncorrectPassword) {
			return nil, fmt.Errorf("open PKCS#12 file %s: the password is wrong", path)
		}
		return nil, fmt.Errorf("open PKCS#12 file %s: %w", path, err)
	}
	leaf, err := c.leaf(time.Now())
	if err != nil {
		return nil, fmt.Errorf("open PKCS#12 file %s: %w", path, err)
	}
	p := newProvider(o)
	p.others = c.certificates
	chain := certchain.Link(leaf, c.certificates, time.Now())
	id, err := p.newIdentity(c.key, chain, o)
	if err != nil {
		return nil, fmt.Errorf("open PKCS#12 file %s: %w", path, err)
	}
	for _, err := range c.unreadable {
		o.Log.Info("could not read a certificate of the PKCS#12 file; it is left out",
			"credential", p.name, "reason", err.Error())
	}
	new(certchain.Watch).See(o.Log.WithValues("credential", p.name), chain)
	p.current.Store(id)
	return p, nil
}

// relink chooses another chain when an issuer in the current one is not valid, because a
// cross-certificate may expire while the process runs.
func (p *Provider) relink(now time.Time) {
	id := p.current.Load()
	if certchain.ValidIssuers(id.credential.Chain, now) {
		return
	}
	chain := certchain.Link(id.credential.Certificate(), p.others, now)
	if slices.EqualFunc(chain, id.credential.Chain, (*x509.Certificate).Equal) {
		return
	}
	c := *id.credential
	c.Chain = chain
	p.current.CompareAndSwap(id, &identity{id.key, &c})
}

// container is the content of a PKCS#12 file.
type container struct {
	key          crypto.Signer
	certificates []*x509.Certificate // in no useful order
	unreadable   []error             // the reasons why other certificates are left out
}

func openContainer(data []byte, password string) (*container, error) {
	data, err := toDER(data, password)
	if err != nil {
		return nil, err
	}
	private, first, others, err := pkcs12.DecodeChain(data, password)
	if err != nil {
		return openLeniently(data, password, err)
	}
	key, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", private)
	}
	return &container{key: key, certificates: append([]*x509.Certificate{first}, others...)}, nil
}

// openLeniently opens a file with certificates that crypto/x509 refuses. strict is the error of the
// normal way to open it. It is returned if the lenient way does not help either.
func openLeniently(data []byte, password string, strict error) (*container, error) {
	if errors.Is(strict, pkcs12.ErrIncorrectPassword) {
		return nil, strict
	}
	//nolint:staticcheck // the library's only function that returns certificates unparsed
	blocks, err := pkcs12.ToPEM(data, password)
	if err != nil {
		return nil, strict
	}
	c := &container{}
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			if c.key != nil {
				return nil, errors.New("it holds more than one key")
			}
			if c.key, err = parseKey(b.Bytes); err != nil {
				return nil, err
			}
			continue
		}
		cert, err := certchain.Parse(b.Bytes)
		if err != nil {
			c.unreadable = append(c.unreadable, err)
			continue
		}
		c.certificates = append(c.certificates, cert)
	}
	if c.key == nil {
		return nil, strict
	}
	return c, nil
}

// parseKey parses a key as encoded by ToPEM.
func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, errors.New("the key cannot be read") // the cause may quote key material
	}
	return key, nil
}

// leaf returns the certificate of the key. If there are several, for example a renewed one beside
// the old one, it returns the one to use now.
func (c *container) leaf(now time.Time) (*x509.Certificate, error) {
	var own []*x509.Certificate
	for _, cert := range c.certificates {
		public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if ok && public.Equal(c.key.Public()) {
			own = append(own, cert)
		}
	}
	if leaf := certchain.Newest(own, now); leaf != nil {
		return leaf, nil
	}
	if len(c.unreadable) > 0 {
		return nil, fmt.Errorf("a certificate that may be the key's cannot be read: %w", errors.Join(c.unreadable...))
	}
	var names []string
	for _, cert := range c.certificates {
		names = append(names, certchain.Name(cert.Subject))
	}
	return nil, fmt.Errorf("it holds no certificate of its key, only those of %s", strings.Join(names, "; "))
}
