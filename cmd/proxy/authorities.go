package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/go-logr/logr"
)

// authorities are the certificate authorities that the certificates of the other instances must
// chain to. The file is read at each connection to another instance, so that a changed file needs
// no restart. Such connections are rare.
type authorities struct {
	file string // empty = the system's authorities
	log  logr.Logger

	mu      sync.Mutex
	read    bool // look has read the file once
	content []byte
	good    *x509.CertPool // nil = the system's authorities
	fault   string         // error of the last read, which was logged
}

// config returns the TLS configuration for calls to the other instances. It is nil if this instance
// does not use TLS. Then the others do not use it either, or they are changing to TLS or back and
// accept connections without it (--server.ssl.allow-plaintext).
func (a *authorities) config(uses bool) (*tls.Config, error) {
	if !uses {
		return nil, nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12}, a.look()
}

// pool returns the authorities in use. Nil means the system's authorities.
func (a *authorities) pool() *x509.CertPool {
	err := a.look()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil && err.Error() != a.fault {
		a.fault = err.Error()
		a.log.Error(err, "could not reload the other instances' certificate authorities; the last good ones stay in use")
	}
	return a.good
}

// look reads the file if it has changed. A missing or empty file is valid, because a Secret whose
// certificate comes from a public authority contains no authority.
func (a *authorities) look() error {
	if a.file == "" {
		return nil
	}
	content, err := os.ReadFile(a.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read certificate authorities of the other instances: %w", err)
	}
	content = bytes.TrimSpace(content)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.read && bytes.Equal(content, a.content) {
		return nil
	}
	if len(content) == 0 {
		a.log.Info("no certificate authorities are given for the other instances; trusting the system's", "path", a.file)
		a.read, a.content, a.good, a.fault = true, nil, nil, ""
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return fmt.Errorf("read certificate authorities of the other instances: %s contains no PEM certificate", a.file)
	}
	if a.read {
		a.log.Info("reloaded the certificate authorities of the other instances", "path", a.file)
	}
	a.read, a.content, a.good, a.fault = true, content, pool, ""
	return nil
}
