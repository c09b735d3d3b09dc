package cosign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// Types of the PEM blocks of private keys.
const (
	encryptedKey       = "ENCRYPTED SIGSTORE PRIVATE KEY" // cosign generate-key-pair
	formerEncryptedKey = "ENCRYPTED COSIGN PRIVATE KEY"   // cosign before 2.0
	pkcs8Key           = "PRIVATE KEY"                    // openssl genpkey
)

// PrivateKey is a key that signs releases: ECDSA on the curve P-256, which is what cosign
// generates.
type PrivateKey struct{ key *ecdsa.PrivateKey }

// Generate returns a new key.
func Generate() (PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return PrivateKey{key}, err
}

// ParsePrivateKey reads a key in the encrypted format of cosign or in plain PKCS #8, both as PEM. A
// plain key needs no password.
func ParsePrivateKey(text, password []byte) (PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return PrivateKey{}, errors.New("the key file has no PEM block")
	}
	der := block.Bytes
	switch block.Type {
	case encryptedKey, formerEncryptedKey:
		var err error
		if der, err = encrypted.Decrypt(block.Bytes, password); err != nil {
			return PrivateKey{}, errors.New("the key file cannot be decrypted; COSIGN_PASSWORD must be its password")
		}
	case pkcs8Key:
	default:
		return PrivateKey{}, fmt.Errorf("the key file has a PEM block %q; want %q or %q", block.Type, encryptedKey, pkcs8Key)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return PrivateKey{}, errors.New("the key file has no PKCS #8 key")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return PrivateKey{}, errors.New("the key is not an ECDSA key on the curve P-256")
	}
	return PrivateKey{key}, nil
}

// Encrypt returns the key in the encrypted format of cosign.
func (k PrivateKey) Encrypt(password []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return nil, err
	}
	sealed, err := encrypted.Encrypt(der, password)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: encryptedKey, Bytes: sealed}), nil
}

// Public returns the key with which signatures are verified.
func (k PrivateKey) Public() PublicKey { return PublicKey{&k.key.PublicKey} }

// Sign returns the signature of message: ECDSA with SHA-256, in ASN.1. The nonce is derived from
// key and message (RFC 6979), so that two builds of one commit have the same signatures.
func (k PrivateKey) Sign(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	return k.key.Sign(nil, digest[:], crypto.SHA256)
}

// PublicKey verifies signatures.
type PublicKey struct{ key *ecdsa.PublicKey }

// ParsePublicKey reads a key in PEM (SubjectPublicKeyInfo), as in cosign.pub.
func ParsePublicKey(text []byte) (PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return PublicKey{}, errors.New(`the file of the public key has no PEM block "PUBLIC KEY"`)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return PublicKey{}, fmt.Errorf("parse the public key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return PublicKey{}, errors.New("the public key is not an ECDSA key on the curve P-256")
	}
	return PublicKey{key}, nil
}

// PEM returns the key in PEM (SubjectPublicKeyInfo).
func (k PublicKey) PEM() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// Verify reports whether signature is a signature of message by this key.
func (k PublicKey) Verify(message, signature []byte) bool {
	digest := sha256.Sum256(message)
	return ecdsa.VerifyASN1(k.key, digest[:], signature)
}
