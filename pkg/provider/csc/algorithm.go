package csc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// algorithm says how a credential is asked to sign.
type algorithm struct {
	signing.SignatureAlgorithm
	hash    crypto.Hash
	hashOID string
	oid     string // signAlgo
	implied bool   // oid implies the hash, so hashAlgo is omitted (CSC 11.10)
	params  string // signAlgoParams, base64 of DER
}

// hashIDs maps each hash to its identifiers (RFC 4055, RFC 5758), in the order of preference.
var hashIDs = []struct {
	hash            crypto.Hash
	oid, rsa, ecdsa string
}{
	{crypto.SHA256, "2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2"},
	{crypto.SHA384, "2.16.840.1.101.3.4.2.2", "1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3"},
	{crypto.SHA512, "2.16.840.1.101.3.4.2.3", "1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4"},
}

// Identifiers that do not name a hash.
const (
	oidRSA      = "1.2.840.113549.1.1.1"  // rsaEncryption
	oidPSS      = "1.2.840.113549.1.1.10" // RSASSA-PSS
	oidECDSA    = "1.2.840.10045.4.3"     // ecdsa-with-SHA2
	oidECPublic = "1.2.840.10045.2.1"     // ecPublicKey: a key type, but some services list it
)

// choose decides how to ask a key to sign. oids are the identifiers that the key offers (key/algo).
// If hash is 0 or want is empty, choose takes what the key offers.
func choose(
	oids []string, key crypto.PublicKey, hash crypto.Hash, want signing.SignatureAlgorithm,
) (algorithm, *failure) {
	var kinds []signing.SignatureAlgorithm
	switch key.(type) {
	case *rsa.PublicKey:
		kinds = []signing.SignatureAlgorithm{signing.RSAPKCS1, signing.RSAPSS}
	case *ecdsa.PublicKey:
		kinds = []signing.SignatureAlgorithm{signing.ECDSA}
	}
	for _, kind := range kinds {
		if want != "" && want != kind {
			continue
		}
		for _, ids := range hashIDs {
			if hash != 0 && hash != ids.hash {
				continue
			}
			bound, open := ids.rsa, []string{oidRSA}
			switch kind {
			case signing.RSAPSS:
				bound, open = "", []string{oidPSS}
			case signing.ECDSA:
				bound, open = ids.ecdsa, []string{oidECDSA, oidECPublic}
			}
			if slices.Contains(oids, bound) {
				return algorithm{SignatureAlgorithm: kind, hash: ids.hash, hashOID: ids.oid, oid: bound, implied: true}, nil
			}
			for _, oid := range open {
				if slices.Contains(oids, oid) {
					a := algorithm{SignatureAlgorithm: kind, hash: ids.hash, hashOID: ids.oid, oid: oid}
					if kind == signing.RSAPSS {
						a.params = pssParams(ids.hash, ids.oid)
					}
					return a, nil
				}
			}
		}
	}
	return algorithm{}, fail(signing.KindConfiguration, "hash and algorithm: the credential does not sign as configured").
		Because(fmt.Errorf("it offers %.200q for a key of type %T", oids, key))
}

// pssParams returns RSASSA-PSS-params (RFC 4055 3.1) with MGF1 and a salt as long as the hash. The
// trailerField has its default.
func pssParams(hash crypto.Hash, oid string) string {
	type identifier struct {
		Algorithm  asn1.ObjectIdentifier
		Parameters asn1.RawValue
	}
	type mask struct {
		Algorithm asn1.ObjectIdentifier
		Hash      identifier
	}
	id := identifier{Algorithm: parseOID(oid), Parameters: asn1.NullRawValue}
	der, err := asn1.Marshal(struct {
		Hash identifier `asn1:"explicit,tag:0"`
		Mask mask       `asn1:"explicit,tag:1"`
		Salt int        `asn1:"explicit,tag:2"`
	}{id, mask{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}, id}, hash.Size()})
	if err != nil {
		panic(err) // all inputs are constant
	}
	return base64.StdEncoding.EncodeToString(der)
}

// parseOID parses one of the identifiers above.
func parseOID(text string) (oid asn1.ObjectIdentifier) {
	n := 0
	for _, c := range text + "." {
		if c == '.' {
			oid, n = append(oid, n), 0
			continue
		}
		n = 10*n + int(c-'0')
	}
	return oid
}
