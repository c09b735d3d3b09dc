package signing

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
)

// maxValueBytes limits the length of a signature value. RSA-8192 has 1,024 bytes, and nothing in
// use has more.
const maxValueBytes = 1024

// checkValues verifies that there is one value for each digest, and that each is the signature over
// its digest by the credential's key and algorithm. A value that does not pass never reaches a
// document.
func checkValues(c *Credential, digests, values [][]byte) error {
	if len(values) != len(digests) {
		return fmt.Errorf("%d values for %d digests", len(values), len(digests))
	}
	for i := range values {
		if len(values[i]) > maxValueBytes {
			return fmt.Errorf("value %d has %d bytes", i, len(values[i]))
		}
		if err := VerifyValue(c, digests[i], values[i]); err != nil {
			return fmt.Errorf("value %d: %w", i, err)
		}
	}
	return nil
}

// VerifyValue checks one signature value against a digest made with c.Hash.
func VerifyValue(c *Credential, digest, value []byte) error {
	switch key := c.Certificate().PublicKey.(type) {
	case *rsa.PublicKey:
		switch c.Algorithm {
		case RSAPKCS1:
			return rsa.VerifyPKCS1v15(key, c.Hash, digest, value)
		case RSAPSS:
			return rsa.VerifyPSS(key, c.Hash, digest, value, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
	case *ecdsa.PublicKey:
		if c.Algorithm == ECDSA {
			if !ecdsa.VerifyASN1(key, digest, value) {
				return fmt.Errorf("ECDSA signature is invalid")
			}
			return nil
		}
	}
	return fmt.Errorf("algorithm %s does not fit a key of type %T", c.Algorithm, c.Certificate().PublicKey)
}
