package pkcs11

import (
	"crypto"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Config names a key in a token and says how to use it.
type Config struct {
	Name string // of the credential; default "pkcs11"
	// TokenLabel and TokenSerial choose the token. At least one is required. If both are set, both
	// must match.
	TokenLabel, TokenSerial string
	// KeyLabel and KeyID (CKA_LABEL, CKA_ID) choose the private key. At least one is required. Exactly
	// one key may match.
	KeyLabel string
	KeyID    []byte
	PIN      string // of the user; empty = no login
	// CertificateFile is a PEM file with the chain in any order. Empty means the certificates in the
	// token: the one of the key, and its issuers.
	CertificateFile string
	Algorithm       signing.SignatureAlgorithm // default: RSAPKCS1 or ECDSA, as the key is
	Hash            crypto.Hash                // default SHA-256
	Sessions        int                        // signatures at the same time; default 4
	MaxBatch        int                        // digests in one call; default 50
	InFlight        int                        // calls at the same time; default 1, since sessions work in parallel
	Free            bool                       // see signing.Credential.Free; default false
	Log             logr.Logger
}
