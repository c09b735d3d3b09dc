package software

import (
	"errors"
	"fmt"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/keysettings"
)

// PKCS12Settings are the settings of an entry of kind pkcs12 under providers in the configuration
// file.
type PKCS12Settings struct {
	// File is the PKCS#12 file with the key and the certificate chain. PasswordFile holds its
	// password. No password file means an empty password.
	File                 string `yaml:"file"`
	PasswordFile         string `yaml:"passwordFile"`
	keysettings.Settings `yaml:",inline"`
}

// Validate returns all mistakes, joined. The errors use the names of the configuration file.
func (s PKCS12Settings) Validate() error {
	err := s.Settings.Validate()
	if s.File == "" {
		err = errors.Join(err, errors.New("file: is needed"))
	}
	return err
}

// Options returns the options of a provider with that name. The settings must be valid.
func (s PKCS12Settings) Options(name string) Options { return options(name, s.Settings) }

// EmbeddedSettings are the settings of an entry of kind embedded under providers in the
// configuration file. Its key is made at the first start and is meant for trials.
type EmbeddedSettings struct {
	// Key is RSA-2048, RSA-3072, RSA-4096, P-256, P-384 or P-521. Empty means RSA-2048.
	Key                  KeyType `yaml:"key"`
	keysettings.Settings `yaml:",inline"`
}

// Validate returns all mistakes, joined. The errors use the names of the configuration file.
func (s EmbeddedSettings) Validate() error {
	err := s.Settings.Validate()
	if s.Key != "" && !slices.Contains(KeyTypes, s.Key) {
		err = errors.Join(err, fmt.Errorf("key: %q is not RSA-2048, RSA-3072, RSA-4096, P-256, P-384 or P-521", s.Key))
	}
	return err
}

// Options returns the options of a provider with that name. The settings must be valid.
func (s EmbeddedSettings) Options(name string) EmbeddedOptions {
	return EmbeddedOptions{Options: options(name, s.Settings), Key: s.Key}
}

func options(name string, s keysettings.Settings) Options {
	hash, _ := keysettings.ParseHash(s.Hash) // validated before, and so is the algorithm
	algorithm, _ := keysettings.ParseAlgorithm(s.Algorithm)
	return Options{Name: name, Algorithm: algorithm, Hash: hash, MaxBatch: s.MaxBatch, InFlight: s.InFlight}
}
