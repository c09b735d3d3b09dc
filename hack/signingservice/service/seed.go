package service

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"
)

// MinSeed is the least length of a Seed in bytes.
const MinSeed = 32

// Seed is the secret from which an Authority derives its keys, so that it has the same keys and
// certificates after a restart. It is as secret as the keys are. Nothing real may be signed with
// them; see the comment of the package.
type Seed []byte

// stream returns endless bytes that depend on the seed and the purpose.
func (s Seed) stream(purpose string) (io.Reader, error) {
	if len(s) < MinSeed {
		return nil, fmt.Errorf("a seed of %d bytes has fewer than %d", len(s), MinSeed)
	}
	key, err := hkdf.Key(sha256.New, s, nil, "simulated signing service, "+purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive %s: %w", purpose, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive %s: %w", purpose, err)
	}
	return cipher.StreamReader{S: cipher.NewCTR(block, make([]byte, aes.BlockSize)), R: zeros{}}, nil
}

// zeros is a reader of zeros.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// ecdsaKey derives a key on a curve.
func (s Seed) ecdsaKey(curve elliptic.Curve, purpose string) (crypto.Signer, error) {
	in, err := s.stream(purpose)
	if err != nil {
		return nil, err
	}
	order := curve.Params().N
	size := (order.BitLen() + 7) / 8
	wide := make([]byte, size+8) // 8 more bytes, so that all scalars are about equally likely (FIPS 186-5 A.2.1)
	if _, err := io.ReadFull(in, wide); err != nil {
		return nil, err
	}
	scalar := new(big.Int).SetBytes(wide)
	scalar.Mod(scalar, new(big.Int).Sub(order, big.NewInt(1))).Add(scalar, big.NewInt(1))
	return ecdsa.ParseRawPrivateKey(curve, scalar.FillBytes(make([]byte, size)))
}

// rsaKey derives a key of 2048 bits. crypto/rsa makes no key from a given stream.
func (s Seed) rsaKey(purpose string) (crypto.Signer, error) {
	in, err := s.stream(purpose)
	if err != nil {
		return nil, err
	}
	const exponent = 65537
	var primes [2]*big.Int
	for i := range primes {
		if primes[i], err = nextPrime(in, exponent); err != nil {
			return nil, err
		}
	}
	one := big.NewInt(1)
	totient := new(big.Int).Mul(new(big.Int).Sub(primes[0], one), new(big.Int).Sub(primes[1], one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(primes[0], primes[1]), E: exponent},
		D:         new(big.Int).ModInverse(big.NewInt(exponent), totient), Primes: primes[:],
	}
	key.Precompute()
	return key, key.Validate()
}

// nextPrime reads a number of 1024 bits and returns the first prime p from it on for which the
// exponent has an inverse modulo p-1.
func nextPrime(in io.Reader, exponent int64) (*big.Int, error) {
	start := make([]byte, 128)
	if _, err := io.ReadFull(in, start); err != nil {
		return nil, err
	}
	start[0] |= 0xc0 // the product of two has 2048 bits
	start[127] |= 1
	p, two, remainder := new(big.Int).SetBytes(start), big.NewInt(2), new(big.Int)
	for !p.ProbablyPrime(20) || remainder.Mod(p, big.NewInt(exponent)).Cmp(big.NewInt(1)) == 0 {
		p.Add(p, two)
	}
	return p, nil
}
