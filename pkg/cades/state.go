package cades

import (
	"crypto"
	"crypto/x509"
	"encoding/json"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// stateVersion is written into every Prepared value.
const stateVersion = 1

// maxStateBytes bounds a stored state. Most of it is the certificate chain.
const maxStateBytes = 4 << 20

// state is what Prepare hands to Embed, as JSON.
type state struct {
	Version       int
	OriginalSize  int64  // bytes
	ContentDigest []byte // of the signed content, made with Hash
	Attributes    []byte // signed attributes, DER
	Algorithm     signing.SignatureAlgorithm
	Hash          uint     // crypto.Hash
	Chain         [][]byte // DER, signing certificate first
}

func (s *state) encode() ([]byte, error) { return json.Marshal(s) }

func readState(b []byte) (*state, error) {
	if len(b) > maxStateBytes {
		return nil, signing.Errorf(signing.KindInternal, "state has %d bytes", len(b))
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, internal("read state", err)
	}
	if s.Version != stateVersion {
		return nil, signing.Errorf(signing.KindInternal, "state has version %d", s.Version)
	}
	switch s.hash() {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512:
	default:
		return nil, signing.Errorf(signing.KindInternal, "state is broken")
	}
	if s.OriginalSize < 0 || len(s.ContentDigest) != s.hash().Size() || len(s.Attributes) == 0 || len(s.Chain) == 0 {
		return nil, signing.Errorf(signing.KindInternal, "state is broken")
	}
	return &s, nil
}

func (s *state) hash() crypto.Hash { return crypto.Hash(s.Hash) }

func (s *state) chain() ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, len(s.Chain))
	for i, raw := range s.Chain {
		c, err := certchain.Parse(raw)
		if err != nil {
			return nil, internal("read stored certificate", err)
		}
		chain[i] = c
	}
	return chain, nil
}

func rawChain(chain []*x509.Certificate) [][]byte {
	raw := make([][]byte, len(chain))
	for i, c := range chain {
		raw[i] = c.Raw
	}
	return raw
}
