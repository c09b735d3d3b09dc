package pades

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// stateVersion is written into every Prepared. A later release reads the older ones.
const stateVersion = 1

const maxStateBytes = 32 << 20 // a section holds changed objects, one of which may be a page's long list of annotations

// state is what Prepare hands to Embed, as JSON.
type state struct {
	Version      int                        `json:"version"`
	OriginalSize int64                      `json:"originalSize"` // bytes
	Head         []byte                     `json:"head"`         // section up to and with the < of /Contents
	Hole         int                        `json:"hole"`         // hexadecimal digits reserved
	Tail         []byte                     `json:"tail"`         // section from the > of /Contents on
	Signature    int                        `json:"signature"`    // object number of the signature dictionary
	Hash         uint                       `json:"hash"`         // crypto.Hash
	Midstate     []byte                     `json:"midstate"`     // of Hash, after the original
	Algorithm    signing.SignatureAlgorithm `json:"algorithm"`
	Attributes   []byte                     `json:"attributes"` // signed attributes, DER
	Chain        [][]byte                   `json:"chain"`      // DER
}

func (s *state) encode() ([]byte, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, internal("encode state", err)
	}
	return b, nil
}

func decodeState(b []byte, size int64) (*state, error) {
	if len(b) > maxStateBytes {
		return nil, signing.Errorf(signing.KindInternal, "state has %d bytes", len(b))
	}
	s := &state{}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(s); err != nil {
		return nil, internal("decode state", err)
	}
	switch {
	case s.Version != stateVersion:
		return nil, signing.Errorf(signing.KindInternal, "state has version %d", s.Version)
	case s.OriginalSize != size:
		return nil, signing.Errorf(signing.KindInternal, "state is for a document of %d bytes, not %d", s.OriginalSize, size)
	case s.Hole <= 0 || s.Hole%2 != 0 || s.Hole > maxStateBytes || !crypto.Hash(s.Hash).Available():
		return nil, signing.Errorf(signing.KindInternal, "state is broken")
	}
	return s, nil
}

func (s *state) chain() ([]*x509.Certificate, error) {
	chain := make([]*x509.Certificate, len(s.Chain))
	for i, raw := range s.Chain {
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, internal("read stored certificate", err)
		}
		chain[i] = c
	}
	if len(chain) == 0 {
		return nil, signing.Errorf(signing.KindInternal, "state has no certificate")
	}
	return chain, nil
}

// documentDigest is the digest of the document as signed: the original and the section without the hole and its brackets.
func (s *state) documentDigest() ([]byte, error) {
	return continueHash(crypto.Hash(s.Hash), s.Midstate, s.Head[:len(s.Head)-1], s.Tail[1:])
}

// fill puts der into the hole.
func (s *state) fill(der []byte) ([]byte, error) {
	if 2*len(der) > s.Hole {
		return nil, signing.Errorf(signing.KindInternal, "SignedData of %d bytes does not fit into %d", len(der), s.Hole/2)
	}
	h := &hollow{head: s.Head, tail: s.Tail, hole: s.Hole}
	return h.fill(der), nil
}
