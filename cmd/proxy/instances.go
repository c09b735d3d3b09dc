package main

import (
	"net/netip"
	"path/filepath"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
)

// instances knows the addresses of this instance and of the other instances.
type instances struct {
	identity  *affinity.Identity
	files     *affinity.Files
	forwarder *affinity.Forwarder
	forward   affinity.Mode
	log       logr.Logger
}

// openInstances determines the address at which clients reach this instance, as far as it is known
// yet, and the addresses of the other instances. listen is the address of the REST port, and tls
// says whether this port uses TLS.
func openInstances(
	cfg config.Config, listen netip.AddrPort, tls bool, log logr.Logger, r prometheus.Registerer,
) (*instances, error) {
	c, log := cfg.Affinity, log.WithName("affinity")
	guess, err := affinity.Resolve(affinity.Sources{
		Flag: cfg.Server.HostPort, Listen: listen, HostName: cfg.InstanceName, Ordinal: cfg.InstanceOrdinal,
	})
	if err != nil {
		return nil, err
	}
	endpointFile := c.EndpointFile
	if cfg.Server.HostPort != "" {
		endpointFile = ""
	}
	i := &instances{identity: affinity.NewIdentity(c.InstanceUID), forward: c.Forward, log: log}
	i.files, err = affinity.NewFiles(affinity.FilesConfig{
		EndpointFile: endpointFile, PeersFile: c.PeersFile, Identity: i.identity, Guess: guess,
		Log: log, Registerer: r,
	})
	if err != nil {
		return nil, err
	}
	peers := &authorities{file: c.CAFile, log: log}
	peerTLS, err := peers.config(tls)
	if err != nil {
		return nil, err
	}
	// Without a shared key, peers get the client's own credentials. These never leave in clear text.
	allowPlaintext := cfg.Server.AllowPlaintext && cfg.Server.TokenSigningKey != ""
	i.forwarder, err = affinity.NewForwarder(affinity.ForwarderConfig{
		Mode: c.Forward, Scheme: c.Scheme, Source: i.files, AllowPlaintext: allowPlaintext,
		Ordinal: guess.Ordinal, Name: guess.Name, TLS: peerTLS, Authorities: peers.pool, Log: log, Registerer: r,
	})
	if err != nil {
		return nil, err
	}
	trusted := cfg.Server.TokenSigningKey != "" || i.forwarder.Certified()
	if c.PeersFile != "" && c.Forward != affinity.Off && !trusted {
		log.Info("WARNING: this instance sends no requests to the other instances, because it shares no key with them; " +
			"give all instances the same --token.signing.key, or certificates of --affinity.peers.ca-file")
	}
	return i, nil
}

// recordRun records this run in the open state folder, whose identity is state. Peers may still
// know this instance as an earlier run with the same folder, and it then answers as that run.
// Without a shared key nobody can prove who asks, so only this run counts.
func (i *instances) recordRun(cfg config.Config, state string) {
	run := affinity.Run{Instance: cfg.Affinity.InstanceUID, Ordinal: cfg.InstanceOrdinal}
	earlier, err := affinity.RecordRun(filepath.Join(cfg.StateFolder, affinity.RunsFile), state, run)
	if err != nil {
		// The instance works without the list. Only peers with an old peers file do not reach it.
		i.log.Error(err, "could not record this run in the state folder")
	}
	if cfg.Server.TokenSigningKey == "" {
		earlier = nil
	}
	i.identity.Opened(state, earlier)
}

// endpoint returns the address at which clients reach this instance.
func (i *instances) endpoint() affinity.Endpoint {
	e, _ := i.files.Endpoint()
	return e
}

// published reports whether this instance knows its own address, which asynchronous answers
// contain.
func (i *instances) published() bool {
	_, known := i.files.Endpoint()
	return known
}

// peersKnown reports whether this instance knows the other instances, or does not need to know them
// because forwarding is off.
func (i *instances) peersKnown() bool {
	_, known := i.files.Directory()
	return known || i.forward == affinity.Off
}
