package service

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"sync"
	"sync/atomic"
)

// credential is a Credential with its key and certificates.
type credential struct {
	Credential
	held     atomic.Pointer[identity]
	stranger crypto.Signer // another key of the same kind, for wrong answers

	mu        sync.Mutex
	wrongPINs int // in a row
	usedOTPs  map[string]bool
}

// credentials are the credentials that all client services may use.
type credentials []*credential

func (cs credentials) find(id string) *credential {
	for _, c := range cs {
		if c.ID == id {
			return c
		}
	}
	return nil
}

func (a *Authority) credential(c Credential) (*credential, error) {
	c.setDefaults()
	key, err := a.key(c.Key)
	if err != nil {
		return nil, err
	}
	// Any other key serves for a wrong answer. The key of the issuing CA is at hand.
	made := &credential{Credential: c, stranger: a.issuingKey}
	return made, made.certify(a, key)
}

// algorithm is a signature algorithm the simulation knows, by its identifier.
type algorithm struct {
	oid    string
	kind   string // RSA, PSS, ECDSA
	hash   crypto.Hash
	hashed bool // the identifier names the hash
}

var algorithms = []algorithm{
	{"1.2.840.113549.1.1.11", "RSA", crypto.SHA256, true},
	{"1.2.840.113549.1.1.12", "RSA", crypto.SHA384, true},
	{"1.2.840.113549.1.1.13", "RSA", crypto.SHA512, true},
	{"1.2.840.113549.1.1.1", "RSA", 0, false},
	{"1.2.840.113549.1.1.10", "PSS", 0, false},
	{"1.2.840.10045.4.3.2", "ECDSA", crypto.SHA256, true},
	{"1.2.840.10045.4.3.3", "ECDSA", crypto.SHA384, true},
	{"1.2.840.10045.4.3.4", "ECDSA", crypto.SHA512, true},
}

// identifiers returns the key/algo of a credential.
func (c *credential) identifiers() []string {
	switch c.Key {
	case RSAPlain:
		return []string{"1.2.840.113549.1.1.1"}
	case RSAPSS:
		return []string{"1.2.840.113549.1.1.10"}
	case ECDSAP256:
		return []string{"1.2.840.10045.4.3.2"}
	case ECDSAP384:
		return []string{"1.2.840.10045.4.3.3"}
	}
	return []string{"1.2.840.113549.1.1.1", "1.2.840.113549.1.1.13", "1.2.840.113549.1.1.11"}
}

func (c *credential) curve() string {
	switch c.Key {
	case ECDSAP256:
		return "1.2.840.10045.3.1.7"
	case ECDSAP384:
		return "1.3.132.0.34"
	}
	return ""
}

func (c *credential) bits() int {
	switch k := c.held.Load().key.Public().(type) {
	case *rsa.PublicKey:
		return k.N.BitLen()
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize
	}
	return 0
}

var hashOIDs = map[string]crypto.Hash{
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

// choose returns the algorithm that a request names, or says what is wrong with it in the words of
// the CSC's error tables.
func (c *credential) choose(signAlgo, hashAlgo, params string) (a algorithm, wrong string) {
	allowed := false
	for _, oid := range c.identifiers() {
		allowed = allowed || oid == signAlgo
	}
	for _, known := range algorithms {
		if known.oid == signAlgo {
			a = known
		}
	}
	if !allowed || a.oid == "" {
		return a, "Invalid parameter signAlgo"
	}
	if !a.hashed {
		h, ok := hashOIDs[hashAlgo]
		if hashAlgo == "" {
			return a, "Missing (or invalid type) string parameter hashAlgo"
		}
		if !ok {
			return a, "Invalid parameter hashAlgo"
		}
		a.hash = h
	}
	if a.kind == "PSS" {
		return a, checkPSS(params, a.hash)
	}
	return a, ""
}

// pssParams is RSASSA-PSS-params of RFC 4055 3.1.
type pssParams struct {
	Hash    pssAlgorithm `asn1:"explicit,tag:0"`
	Mask    pssMask      `asn1:"explicit,tag:1"`
	Salt    int          `asn1:"explicit,tag:2"`
	Trailer int          `asn1:"optional,explicit,tag:3,default:1"`
}

type pssAlgorithm struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

type pssMask struct {
	Algorithm asn1.ObjectIdentifier
	Hash      pssAlgorithm
}

func checkPSS(params string, h crypto.Hash) (wrong string) {
	der, err := unbase64(params)
	var p pssParams
	if params == "" {
		return "Missing (or invalid type) string parameter signAlgoParams"
	}
	if err == nil {
		_, err = asn1.Unmarshal(der, &p)
	}
	if err != nil || hashOIDs[p.Hash.Algorithm.String()] != h || hashOIDs[p.Mask.Hash.Algorithm.String()] != h ||
		p.Salt != h.Size() ||
		p.Trailer != 1 {
		return "Invalid parameter signAlgoParams"
	}
	return ""
}

// sign computes one signature value. The caller counts it.
func (c *credential) sign(a algorithm, digest []byte, raw bool) ([]byte, error) {
	var opts crypto.SignerOpts = a.hash
	if a.kind == "PSS" {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash}
	}
	value, err := c.held.Load().key.Sign(rand.Reader, digest, opts)
	if err == nil && a.kind == "ECDSA" && (raw || c.RawECDSA) {
		return rawECDSA(value, (c.bits()+7)/8)
	}
	return value, err
}

// signByStranger returns a value that has the right form but was made with another key.
func (c *credential) signByStranger(a algorithm, digest []byte) ([]byte, error) {
	if a.kind == "ECDSA" {
		return c.stranger.Sign(rand.Reader, digest, a.hash)
	}
	value := make([]byte, (c.bits()+7)/8)
	_, err := rand.Read(value[1:])
	return value, err
}

func rawECDSA(der []byte, size int) ([]byte, error) {
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return nil, err
	}
	out := make([]byte, 2*size)
	v.R.FillBytes(out[:size])
	v.S.FillBytes(out[size:])
	return out, nil
}
