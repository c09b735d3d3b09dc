package pades

import (
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"math"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// stateVersion is written into every Prepared value. This release also reads version 1, which has
// no rehearsed.
const stateVersion = 2

// maxStateBytes bounds a stored state. A section holds the changed objects, and one of them may be
// a long list of annotations.
const maxStateBytes = 32 << 20

// state is what Prepare hands to Embed. It is stored in the order of its fields: numbers as
// unsigned varints (encoding/binary), bytes and texts preceded by their length.
type state struct {
	Version      int
	OriginalSize int64  // bytes
	Head         []byte // section up to and with the < of /Contents
	Reserved     int    // hexadecimal digits reserved
	Tail         []byte // section from the > of /Contents on
	Signature    int    // object number of the signature dictionary
	Hash         uint   // crypto.Hash
	Midstate     []byte // of Hash, after the original
	Algorithm    signing.SignatureAlgorithm
	Attributes   []byte   // signed attributes, DER
	Chain        [][]byte // DER
	Rehearsed    rehearsed
}

// rehearsed is the result of the structural check of a section with zeros in place of the
// signature. The check found the gap by itself. If the bytes around the gap are still the same once
// the signature is in, only the gap is left to check.
type rehearsed struct {
	GapStart, GapEnd int    // offsets of /Contents in the section, brackets included
	Around           []byte // SHA-256 of the section without the gap; empty if it was not checked
}

func (s *state) encode() []byte {
	size := 16 * binary.MaxVarintLen64
	for _, part := range append([][]byte{s.Head, s.Tail, s.Midstate, s.Attributes, s.Rehearsed.Around}, s.Chain...) {
		size += len(part) + binary.MaxVarintLen32
	}
	b := make([]byte, 0, size)
	number := func(n uint64) { b = binary.AppendUvarint(b, n) }
	text := func(part []byte) {
		number(uint64(len(part)))
		b = append(b, part...)
	}
	number(uint64(s.Version))
	number(uint64(s.OriginalSize))
	text(s.Head)
	number(uint64(s.Reserved))
	text(s.Tail)
	number(uint64(s.Signature))
	number(uint64(s.Hash))
	text(s.Midstate)
	text([]byte(s.Algorithm))
	text(s.Attributes)
	number(uint64(len(s.Chain)))
	for _, c := range s.Chain {
		text(c)
	}
	number(uint64(s.Rehearsed.GapStart))
	number(uint64(s.Rehearsed.GapEnd))
	text(s.Rehearsed.Around)
	return b
}

// stateReader reads what encode wrote. The slices that it returns share the memory of b. It sets
// broken as soon as a value is malformed.
type stateReader struct {
	b      []byte
	broken bool
}

// number reads a number that is at most limit.
func (r *stateReader) number(limit uint64) uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > limit {
		r.b, r.broken = nil, true
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *stateReader) text() []byte {
	n := r.number(maxStateBytes)
	if n > uint64(len(r.b)) {
		r.b, r.broken = nil, true
		return nil
	}
	part := r.b[:n:n]
	r.b = r.b[n:]
	return part
}

// maxChain bounds the certificates of a stored chain.
const maxChain = 64

func readState(b []byte) (*state, error) {
	if len(b) > maxStateBytes {
		return nil, signing.Errorf(signing.KindInternal, "state has %d bytes", len(b))
	}
	r := &stateReader{b: b}
	s := &state{Version: int(r.number(math.MaxInt32))}
	if r.broken || s.Version < 1 || s.Version > stateVersion {
		return nil, signing.Errorf(signing.KindInternal, "state has version %d", s.Version)
	}
	s.OriginalSize = int64(r.number(math.MaxInt64))
	s.Head, s.Reserved, s.Tail = r.text(), int(r.number(maxStateBytes)), r.text()
	s.Signature, s.Hash = int(r.number(math.MaxInt32)), uint(r.number(math.MaxUint8))
	s.Midstate, s.Algorithm, s.Attributes = r.text(), signing.SignatureAlgorithm(r.text()), r.text()
	s.Chain = make([][]byte, r.number(maxChain))
	for i := range s.Chain {
		s.Chain[i] = r.text()
	}
	if s.Version > 1 {
		s.Rehearsed = rehearsed{int(r.number(maxStateBytes)), int(r.number(maxStateBytes)), r.text()}
	}
	switch {
	case r.broken, len(r.b) > 0, len(s.Head) == 0, len(s.Tail) == 0,
		s.Reserved <= 0 || s.Reserved%2 != 0 || !s.hash().Available():
		return nil, signing.Errorf(signing.KindInternal, "state is broken")
	}
	return s, nil
}

// decodeState reads the state of a document that has size bytes.
func decodeState(b []byte, size int64) (*state, error) {
	s, err := readState(b)
	if err == nil && s.OriginalSize != size {
		return nil, signing.Errorf(signing.KindInternal, "state is for a document of %d bytes, not %d", s.OriginalSize, size)
	}
	return s, err
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
	if len(chain) == 0 {
		return nil, signing.Errorf(signing.KindInternal, "state has no certificate")
	}
	return chain, nil
}

// documentDigest returns the digest that is signed: over the original and the section without the
// reserved contents and their brackets.
func (s *state) documentDigest() ([]byte, error) {
	return continueHash(s.hash(), s.Midstate, s.Head[:len(s.Head)-1], s.Tail[1:])
}

// fill returns the section with der in the reserved contents.
func (s *state) fill(der []byte) ([]byte, error) {
	if 2*len(der) > s.Reserved {
		return nil, signing.Errorf(signing.KindInternal, "SignedData of %d bytes does not fit into %d reserved bytes",
			len(der), s.Reserved/2)
	}
	h := &preparedSection{head: s.Head, tail: s.Tail, reserved: s.Reserved}
	return h.fill(der), nil
}
