package csc

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/lenient"
)

// decodeValues decodes signature values and converts ECDSA values to DER.
func decodeValues(texts []string, key crypto.PublicKey) ([][]byte, error) {
	values := make([][]byte, len(texts))
	for i, text := range texts {
		value, err := lenient.Base64(text)
		if err != nil {
			return nil, fmt.Errorf("signature %d is not base64", i)
		}
		if ec, ok := key.(*ecdsa.PublicKey); ok {
			value = derECDSA(value, (ec.Curve.Params().BitSize+7)/8)
		}
		values[i] = value
	}
	return values, nil
}

// derECDSA converts r‖s to ECDSA-Sig-Value (RFC 3279 2.2.3) and returns anything else unchanged.
// size is the size of r and of s in bytes.
func derECDSA(value []byte, size int) []byte {
	var v struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(value, &v); err == nil && len(rest) == 0 || len(value) != 2*size {
		return value
	}
	v.R, v.S = new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])
	der, err := asn1.Marshal(v)
	if err != nil {
		return value
	}
	return der
}
