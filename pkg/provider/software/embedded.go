package software

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/durable"
)

const (
	// identityFile holds all keys and certificates together, so that they are replaced in one step and
	// a crash cannot leave parts that do not match.
	identityFile = "embedded-key.pem"
	// caFile is the CA certificate alone, for people and verifiers that want to trust it.
	caFile = "development-ca.pem"
	// renewBefore is how long before its end the certificate is renewed. It is longer than any
	// operation waits for its signature.
	renewBefore = 30 * 24 * time.Hour
)

// EmbeddedOptions are the operator's choices for the embedded key.
type EmbeddedOptions struct {
	Options
	Key KeyType // type of the signing key; default RSA2048. A change makes a new key
}

// embedded is the folder and the state of an embedded key.
type embedded struct {
	dir string
	log logr.Logger
	o   EmbeddedOptions
	crl *crl // guarded by Provider.mu; nil until the first request
}

// material is the content of the identity file.
type material struct {
	caKey, key crypto.Signer
	ca, leaf   *x509.Certificate
}

// OpenEmbedded returns a provider that signs with its own key in the folder dir. It makes the
// folder if it is missing. On the first start it makes the key and a development CA. Both are
// durable before it returns. The key is in a file of mode 0600. It logs a warning that such
// signatures have no legal value. Only one process at a time may use the folder.
func OpenEmbedded(dir string, log logr.Logger, o EmbeddedOptions) (*Provider, error) {
	if o.Name == "" {
		o.Name = "embedded"
	}
	p := newProvider(o.Options)
	p.embedded = &embedded{dir: dir, log: log, o: o}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open embedded key: %w", err)
	}
	m, err := p.embedded.load()
	if err != nil {
		return nil, fmt.Errorf("open embedded key: %w", err)
	}
	fresh, err := m.refresh(o.Key)
	if err != nil {
		return nil, fmt.Errorf("open embedded key: %w", err)
	}
	if fresh {
		if err := p.embedded.save(m); err != nil {
			return nil, fmt.Errorf("open embedded key: %w", err)
		}
	}
	if err := p.embedded.export(m.ca); err != nil {
		return nil, fmt.Errorf("open embedded key: %w", err)
	}
	id, err := p.newIdentity(m.key, []*x509.Certificate{m.leaf, m.ca}, o.Options)
	if err != nil {
		return nil, fmt.Errorf("open embedded key: %w", err)
	}
	p.current.Store(id)
	log.Info("WARNING: documents are signed with an embedded development key; these signatures have no legal value",
		"caFile", p.CAFile())
	return p, nil
}

// CAFile returns the path of the development CA's certificate in PEM. It is empty for a PKCS#12
// file.
func (p *Provider) CAFile() string {
	if p.embedded == nil {
		return ""
	}
	return filepath.Join(p.embedded.dir, caFile)
}

// renew makes a new certificate when the current one expires soon. The key stays the same, so what
// was prepared for the old certificate can still be signed. A failure is logged, and the next call
// tries again. Until then the old certificate is used, at most until it expires.
func (p *Provider) renew() {
	if !nearEnd(p.current.Load().credential.Certificate(), time.Now()) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !nearEnd(p.current.Load().credential.Certificate(), time.Now()) {
		return
	}
	if err := p.renewLocked(); err != nil {
		p.embedded.log.Error(err, "could not renew the embedded certificate")
	}
}

func (p *Provider) renewLocked() error {
	m, err := p.embedded.load()
	if err != nil {
		return err
	}
	if _, err := m.refresh(p.embedded.o.Key); err != nil {
		return err
	}
	id, err := p.newIdentity(m.key, []*x509.Certificate{m.leaf, m.ca}, p.embedded.o.Options)
	if err != nil {
		return err
	}
	if err := p.embedded.save(m); err != nil {
		return err
	}
	if err := p.embedded.export(m.ca); err != nil {
		return err
	}
	p.current.Store(id)
	p.embedded.log.Info("renewed the embedded certificate", "notAfter", m.leaf.NotAfter)
	return nil
}

// load reads the identity file. A missing file gives an empty material. A damaged file is an error,
// because somebody may trust its CA.
func (e *embedded) load() (*material, error) {
	path := filepath.Join(e.dir, identityFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &material{}, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := parseMaterial(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return m, nil
}

func (e *embedded) save(m *material) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(e.dir, identityFile), data, 0o600)
}

// export writes the CA's certificate if the file is missing or holds another certificate.
func (e *embedded) export(ca *x509.Certificate) error {
	path := filepath.Join(e.dir, caFile)
	want := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	if have, err := os.ReadFile(path); err == nil && string(have) == string(want) {
		return nil
	}
	return durable.WriteFile(path, want, 0o644)
}

// encode writes the CA key, the CA certificate, the key and the certificate, in this order.
func (m *material) encode() ([]byte, error) {
	var out []byte
	for _, part := range []struct {
		key  crypto.Signer
		cert *x509.Certificate
	}{{m.caKey, m.ca}, {m.key, m.leaf}} {
		der, err := x509.MarshalPKCS8PrivateKey(part.key)
		if err != nil {
			return nil, fmt.Errorf("encode key: %w", err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: part.cert.Raw})...)
	}
	return out, nil
}

func parseMaterial(data []byte) (*material, error) {
	m := &material{}
	for _, part := range []struct {
		key  *crypto.Signer
		cert **x509.Certificate
	}{{&m.caKey, &m.ca}, {&m.key, &m.leaf}} {
		keyBlock, rest := pem.Decode(data)
		certBlock, rest := pem.Decode(rest)
		if keyBlock == nil || certBlock == nil {
			return nil, errors.New("a key or a certificate is missing")
		}
		data = rest
		private, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
		if err != nil {
			return nil, errors.New("a key is not PKCS#8") // the cause may quote key material
		}
		signer, ok := private.(crypto.Signer)
		if !ok {
			return nil, errors.New("a key cannot sign")
		}
		*part.key = signer
		if *part.cert, err = x509.ParseCertificate(certBlock.Bytes); err != nil {
			return nil, err
		}
	}
	return m, nil
}
