package xades

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// method is a signature algorithm with its hash.
type method struct {
	algorithm signing.SignatureAlgorithm
	hash      crypto.Hash
}

// signatureMethods are the identifiers of the algorithms (RFC 9231 sections 2.3.2 to 2.3.10). The
// identifiers for PSS fix MGF1, the same hash for both purposes and a salt of its length.
var signatureMethods = map[method]string{
	{signing.RSAPKCS1, crypto.SHA256}: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
	{signing.RSAPKCS1, crypto.SHA384}: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
	{signing.RSAPKCS1, crypto.SHA512}: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
	{signing.RSAPSS, crypto.SHA256}:   "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
	{signing.RSAPSS, crypto.SHA384}:   "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1",
	{signing.RSAPSS, crypto.SHA512}:   "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1",
	{signing.ECDSA, crypto.SHA256}:    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
	{signing.ECDSA, crypto.SHA384}:    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
	{signing.ECDSA, crypto.SHA512}:    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
}

// digestMethods are the identifiers of the hashes (RFC 9231 section 2.1, XML Encryption 1.1).
var digestMethods = map[crypto.Hash]string{
	crypto.SHA256: "http://www.w3.org/2001/04/xmlenc#sha256",
	crypto.SHA384: "http://www.w3.org/2001/04/xmldsig-more#sha384",
	crypto.SHA512: "http://www.w3.org/2001/04/xmlenc#sha512",
}

// keyOf returns the key of the table that has the value.
func keyOf[K comparable](table map[K]string, value string) (key K, ok bool) {
	for k, v := range table {
		if v == value {
			return k, true
		}
	}
	return key, false
}

// orderSize returns the length in bytes of a number below the order of the curve.
func orderSize(c elliptic.Curve) int { return (c.Params().N.BitLen() + 7) / 8 }

// xmlValue returns the signature value as XML has it. Values of RSA stay as they are. Those of
// ECDSA, which providers return in DER, become r and s, each in as many bytes as the order of the
// curve has (XML Signature 1.1 section 6.4.3).
func xmlValue(key crypto.PublicKey, value []byte) ([]byte, error) {
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return value, nil
	}
	input := cryptobyte.String(value)
	var sequence cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if !input.ReadASN1(&sequence, asn1.SEQUENCE) || !input.Empty() ||
		!sequence.ReadASN1Integer(r) || !sequence.ReadASN1Integer(s) || !sequence.Empty() {
		return nil, errors.New("the ECDSA signature value is not an Ecdsa-Sig-Value in DER")
	}
	size := orderSize(public.Curve)
	if r.Sign() <= 0 || s.Sign() <= 0 || max(r.BitLen(), s.BitLen()) > 8*size {
		return nil, fmt.Errorf("the ECDSA signature value does not fit a curve of %d bytes", size)
	}
	raw := make([]byte, 2*size)
	r.FillBytes(raw[:size])
	s.FillBytes(raw[size:])
	return raw, nil
}
