package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// readAffinity finds out where clients reach this instance, as far as that is known yet, and who the others are.
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
	peers, err := p.peerTLS()
	if err != nil {
		return err
	}
	p.forwarder, err = affinity.NewForwarder(affinity.ForwarderConfig{
		Mode: affinity.Mode(c.Forward), Source: p.instances, Ordinal: guess.Ordinal, Name: guess.Name, TLS: peers,
		Log: p.log.WithName("affinity"), Registerer: p.registry,
	})
	return err
}

// peerTLS is how other instances are spoken to: as clients speak to this one, since all of them are set up alike. Nil = without TLS.
func (p *proxy) peerTLS() (*tls.Config, error) {
	if p.certificate == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file := p.cfg.Affinity.CAFile; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read authorities of the other instances: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read authorities of the other instances from %s: %w", file, errors.New("there is no certificate in it"))
		}
	}
	return c, nil
}

// published says whether the address is known that async answers are to name.
func (p *proxy) published() bool {
	_, known := p.instances.Endpoint()
	return known
}
