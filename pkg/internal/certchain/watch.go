package certchain

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"sync"

	"github.com/go-logr/logr"
)

// Watch logs warnings about the chain of one credential, once for each chain. The zero Watch is
// ready to use. It is safe for concurrent use.
type Watch struct {
	mu   sync.Mutex
	seen [sha256.Size]byte
}

// See logs a warning that names the issuer that the chain lacks, and a warning that names a
// certificate signed with SHA-1. In both cases validators of the documents do not trust the
// signature.
func (w *Watch) See(log logr.Logger, chain []*x509.Certificate) {
	if !w.isNew(chain) {
		return
	}
	if issuer := MissingIssuer(chain); issuer != "" {
		log.Info("WARNING: the certificate chain is incomplete, so validators may not trust signatures",
			"missingIssuer", issuer, "certificates", len(chain))
	}
	if weak := Weak(chain); weak != nil {
		log.Info("WARNING: a certificate is signed with SHA-1 or an older hash, so validators may not trust signatures",
			"certificate", Name(weak.Subject))
	}
}

func (w *Watch) isNew(chain []*x509.Certificate) bool {
	var raw [][]byte
	for _, c := range chain {
		raw = append(raw, c.Raw)
	}
	sum := sha256.Sum256(bytes.Join(raw, nil))
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.seen == sum
	w.seen = sum
	return !known
}
