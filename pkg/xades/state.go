package xades

import (
	"crypto"
	"crypto/x509"
	"encoding/json"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xmlc14n"
)

// stateVersion is written into every Prepared value.
const stateVersion = 1

// maxStateBytes bounds a stored state. It holds the signature, which is as long as the certificate
// chain.
const maxStateBytes = 4 << 20

// state is what Prepare hands to Embed, as JSON.
type state struct {
	Version      int
	OriginalSize int64 // bytes
	Place        insertion
	Encoding     xmlc14n.Encoding
	Head         []byte // of the signature, in UTF-8, up to the content of SignatureValue
	Tail         []byte // the rest from the end tag of SignatureValue on
	Algorithm    signing.SignatureAlgorithm
	Hash         uint   // crypto.Hash
	Certificate  []byte // of the signer, DER; the chain is in Tail
	LineWidth    int    `json:",omitempty"` // of the base64 of SignatureValue, characters; 0 = one line
	Expected     expected
	// Levels above B-B need the rest.
	Context  *xmlc14n.Context `json:",omitempty"` // of the element that gets the signature
	Chain    [][]byte         `json:",omitempty"` // DER, signing certificate first
	Midstate []byte           `json:",omitempty"` // level B-LTA: of the hash of the document, behind its last byte
}

// expected is how the references of the new signature are made. It lets the check of the signed
// document read the document once: the check measures this while it reads the signature. Whatever
// the signature itself says otherwise costs a second pass, and decides.
type expected struct {
	Transform              transform
	Digest                 uint   // crypto.Hash of the references
	Data, Info, Properties string // identifiers of canonical forms
	Timestamps             string `json:",omitempty"` // likewise, for levels above B-B
	PropertiesID           string
	// KeyInfo is the canonical form of KeyInfo if a reference covers it, and KeyInfoID its Id.
	// KeyInfoFirst says that this reference comes before the one to SignedProperties.
	KeyInfo, KeyInfoID string `json:",omitempty"`
	KeyInfoFirst       bool   `json:",omitempty"`
	// Version1 says that the signature has SigningCertificate, so that it has no baseline level.
	Version1 bool `json:",omitempty"`
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
	if s.Place.At <= 0 || s.Place.At >= s.OriginalSize || len(s.Head) == 0 || len(s.Tail) == 0 ||
		!s.Encoding.Known() || !knownHash(s.Hash) || !knownHash(s.Expected.Digest) {
		return nil, signing.Errorf(signing.KindInternal, "state is broken")
	}
	return &s, nil
}

// knownHash says whether the number is that of a hash that signatures use.
func knownHash(n uint) bool {
	_, known := digestMethods[crypto.Hash(n)]
	return known
}

// formWith returns the canonical form with an identifier.
func formWith(uri string) xmlc14n.Form {
	f, _ := xmlc14n.ParseURI(uri)
	return f
}

// stampForm returns the canonical form of what timestamps are over.
func (s *state) stampForm() xmlc14n.Form { return formWith(s.Expected.Timestamps) }

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

func (s *state) hash() crypto.Hash { return crypto.Hash(s.Hash) }

func (s *state) certificate() (*x509.Certificate, error) {
	c, err := certchain.Parse(s.Certificate)
	if err != nil {
		return nil, internal("read stored certificate", err)
	}
	return c, nil
}

// check returns nil if value signs the digest.
func (s *state) check(digest, value []byte) error {
	c, err := s.certificate()
	if err != nil {
		return err
	}
	credential := &signing.Credential{Chain: []*x509.Certificate{c}, Algorithm: s.Algorithm, Hash: s.hash()}
	return signing.VerifyValue(credential, digest, value)
}
