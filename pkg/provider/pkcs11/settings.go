package pkcs11

import (
	"encoding/hex"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/keysettings"
)

// Settings are the settings of an entry of kind pkcs11 under providers in the configuration file.
// Programs are usually built without this kind. They then refuse to start with such an entry and
// say why.
type Settings struct {
	// Module is the path of the token's PKCS #11 library.
	Module string `yaml:"module"`
	// TokenLabel and TokenSerial select the token. At least one is required.
	TokenLabel  string `yaml:"tokenLabel"`
	TokenSerial string `yaml:"tokenSerial"`
	// KeyLabel and KeyID (hexadecimal) select the private key. At least one is required.
	KeyLabel string `yaml:"keyLabel"`
	KeyID    string `yaml:"keyID"`
	// PINFile holds the user's PIN. Empty means no login.
	PINFile string `yaml:"pinFile"`
	// CertificateFile is a PEM file with the chain, signing certificate first. Empty means the
	// certificates in the token.
	CertificateFile string `yaml:"certificateFile"`
	// Sessions is the number of signatures that are made at the same time. 0 means 4.
	Sessions int `yaml:"sessions"`
	// FreeSignatures says that signatures of this token cost nothing and are not counted by anybody,
	// so a digest may be signed a second time after a crash. It makes signing faster.
	FreeSignatures       bool `yaml:"freeSignatures"`
	keysettings.Settings `yaml:",inline"`
}

// Validate returns all mistakes, joined. The errors use the names of the configuration file.
func (s Settings) Validate() error {
	bad := []error{s.Settings.Validate()}
	if s.Module == "" {
		bad = append(bad, errors.New("module: is needed"))
	}
	if s.TokenLabel == "" && s.TokenSerial == "" {
		bad = append(bad, errors.New("tokenLabel or tokenSerial: is needed"))
	}
	if s.KeyLabel == "" && s.KeyID == "" {
		bad = append(bad, errors.New("keyLabel or keyID: is needed"))
	}
	if _, err := hex.DecodeString(s.KeyID); err != nil {
		bad = append(bad, errors.New("keyID: want hexadecimal digits"))
	}
	return errors.Join(bad...)
}

// Config returns what these settings say about the key of a credential with that name. pin is the
// content of PINFile. The settings must be valid.
func (s Settings) Config(name, pin string) Config {
	keyID, _ := hex.DecodeString(s.KeyID) // validated before, and so are hash and algorithm
	hash, _ := keysettings.ParseHash(s.Hash)
	algorithm, _ := keysettings.ParseAlgorithm(s.Algorithm)
	return Config{
		Name:            name,
		TokenLabel:      s.TokenLabel,
		TokenSerial:     s.TokenSerial,
		KeyLabel:        s.KeyLabel,
		KeyID:           keyID,
		PIN:             pin,
		CertificateFile: s.CertificateFile,
		Algorithm:       algorithm,
		Hash:            hash,
		Sessions:        s.Sessions,
		MaxBatch:        s.MaxBatch,
		InFlight:        s.InFlight,
		Free:            s.FreeSignatures,
	}
}
