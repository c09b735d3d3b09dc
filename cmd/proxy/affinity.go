package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// readAffinity determines the address at which clients reach this instance, as far as it is known
// yet, and the addresses of the other instances.
func (p *proxy) readAffinity() error {
	c := p.cfg.Affinity
	guess, err := affinity.Resolve(affinity.Sources{
		Flag: p.cfg.Server.HostPort, Listen: p.rest.Addr().(*net.TCPAddr).AddrPort(),
		HostName: p.cfg.InstanceName, Ordinal: p.cfg.InstanceOrdinal,
	})
	if err != nil {
		return err
	}
	endpointFile := c.EndpointFile
	if p.cfg.Server.HostPort != "" {
		endpointFile = ""
	}
	p.instances, err = affinity.NewFiles(affinity.FilesConfig{
		EndpointFile: endpointFile, PeersFile: c.PeersFile, Instance: c.InstanceUID, Guess: guess,
		Log: p.log.WithName("affinity"), Registerer: p.registry,
	})
	if err != nil {
		return err
	}
	peers := &authorities{file: c.CAFile, log: p.log.WithName("affinity")}
	var peerTLS *tls.Config // nil = no TLS
	if p.certificate != nil {
		// Peers use TLS if this instance does, because all instances have the same configuration.
		peerTLS = &tls.Config{MinVersion: tls.VersionTLS12}
		if err := peers.look(); err != nil {
			return err
		}
	}
	p.forwarder, err = affinity.NewForwarder(affinity.ForwarderConfig{
		Mode:        c.Forward,
		Scheme:      c.Scheme,
		Source:      p.instances,
		Ordinal:     guess.Ordinal,
		Name:        guess.Name,
		TLS:         peerTLS,
		Authorities: peers.pool,
		Log:         p.log.WithName("affinity"),
		Registerer:  p.registry,
	})
	if err == nil && c.PeersFile != "" && c.Forward != affinity.Off && p.cfg.Server.TokenSigningKey == "" &&
		!p.forwarder.Certified() {
		p.log.Info("WARNING: other instances are not asked for anything, because this one shares no key with them: " +
			"give all instances the same --token.signing.key, or certificates of --affinity.peers.ca-file")
	}
	return err
}

// authorities are the certificate authorities that the certificates of the other instances must
// chain to. The file is read at each connection to another instance. Such connections are rare, and
// a changed file needs no restart.
type authorities struct {
	file string // empty = the system's authorities
	log  logr.Logger

	mu      sync.Mutex
	read    bool // look has read the file once
	content []byte
	good    *x509.CertPool // nil = the system's authorities
	fault   string         // error of the last read, which was logged
}

// pool returns the authorities in force. nil means the system's authorities.
func (a *authorities) pool() *x509.CertPool {
	err := a.look()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil && err.Error() != a.fault {
		a.fault = err.Error()
		a.log.Error(err, "authorities of the other instances refused; the last good ones stay in force")
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
		return fmt.Errorf("read authorities of the other instances: %w", err)
	}
	content = bytes.TrimSpace(content)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.read && bytes.Equal(content, a.content) {
		return nil
	}
	if len(content) == 0 {
		a.log.Info("no authorities of the other instances are given: the system's are trusted", "path", a.file)
		a.read, a.content, a.good, a.fault = true, nil, nil, ""
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return fmt.Errorf(
			"read authorities of the other instances from %s: %w",
			a.file,
			errors.New("there is no certificate in it"),
		)
	}
	if a.read {
		a.log.Info("authorities of the other instances reloaded", "path", a.file)
	}
	a.read, a.content, a.good, a.fault = true, content, pool, ""
	return nil
}

// peersKnown reports whether this instance knows the other instances, or does not need to know them
// because forwarding is off.
func (p *proxy) peersKnown() bool {
	_, known := p.instances.Directory()
	return known || p.cfg.Affinity.Forward == affinity.Off
}

// published reports whether this instance knows its own address, which asynchronous answers
// contain.
func (p *proxy) published() bool {
	_, known := p.instances.Endpoint()
	return known
}
