// Package keysettings reads the settings that all kinds of keys have in common.
package keysettings

import (
	"crypto"
	"errors"
	"fmt"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Settings are the common settings of all local keys.
type Settings struct {
	// Hash is sha256, sha384 or sha512. Empty means the hash that suits the key.
	Hash string `yaml:"hash"`
	// Algorithm is RSA, PSS or ECDSA. Empty means RSA or ECDSA, as the key requires.
	Algorithm string `yaml:"algorithm"`
	// MaxBatch is the largest number of digests in one call. InFlight is the largest number of calls
	// at the same time. 0 means the default of the kind.
	MaxBatch int `yaml:"maxBatch"`
	InFlight int `yaml:"inFlight"`
}

// Validate returns all mistakes, joined. The errors use the names of the configuration file.
func (s Settings) Validate() error {
	_, badHash := ParseHash(s.Hash)
	_, badAlgorithm := ParseAlgorithm(s.Algorithm)
	var negative error
	if s.MaxBatch < 0 || s.InFlight < 0 {
		negative = errors.New("maxBatch and inFlight: must not be negative")
	}
	return errors.Join(badHash, badAlgorithm, negative)
}

// ParseHash reads the setting hash: sha256, sha384 or sha512, in upper or lower case. It returns 0
// if the name is empty.
func ParseHash(name string) (crypto.Hash, error) {
	switch strings.ToLower(name) {
	case "":
		return 0, nil
	case "sha256":
		return crypto.SHA256, nil
	case "sha384":
		return crypto.SHA384, nil
	case "sha512":
		return crypto.SHA512, nil
	}
	return 0, fmt.Errorf("hash: %q is not sha256, sha384 or sha512", name)
}

// ParseAlgorithm reads the setting algorithm: RSA, PSS or ECDSA. It may be empty.
func ParseAlgorithm(name string) (signing.SignatureAlgorithm, error) {
	switch a := signing.SignatureAlgorithm(name); a {
	case "", signing.RSAPKCS1, signing.RSAPSS, signing.ECDSA:
		return a, nil
	}
	return "", fmt.Errorf("algorithm: %q is not RSA, PSS or ECDSA", name)
}
