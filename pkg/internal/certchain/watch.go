package certchain

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"sync"

	"github.com/go-logr/logr"
)

// Watch warns of what is wrong with the chain of one credential, once for each chain. The zero
// Watch is ready. It is safe for concurrent use.
type Watch struct {
	mu   sync.Mutex
	seen [sha256.Size]byte
}

// See logs a warning that names the issuer that the chain lacks, and one that names a certificate
// signed with SHA-1. Without the issuer, and because of SHA-1, validators of the documents do not
// trust the signature.
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
