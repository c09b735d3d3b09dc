package affinity

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/hostport"
)

// Endpoint is the address where clients reach one instance. Asynchronous answers carry it.
type Endpoint struct {
	Name    string // of the instance: its host name, which on Kubernetes is the name of the pod
	Ordinal int    // of the instance, 0 to 1023. It is part of the id of every operation that the instance holds
	Host    string // DNS name or IP address, an IPv6 address without brackets
	Port    int
}

// HostPort returns host:port, with an IPv6 address in brackets.
func (e Endpoint) HostPort() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// Sources is what an instance knows about its own address.
type Sources struct {
	Flag string // --server.host.port; empty = not given
	// the address that the REST port listens on; its port is the real one even if the setting said 0
	Listen   netip.AddrPort
	HostName string // of the machine or pod
	Ordinal  int
}

// Resolve returns the endpoint of this instance. It uses the flag if there is one. Otherwise it
// uses the listen address, with the host name in place of an unspecified address (0.0.0.0 or ::).
// It returns an error if the flag is not host:port, or if there is no host name where one is
// needed.
func Resolve(s Sources) (Endpoint, error) {
	e := Endpoint{Name: s.HostName, Ordinal: s.Ordinal}
	if s.Flag != "" {
		host, port, err := hostport.Parse(s.Flag)
		if err != nil {
			return Endpoint{}, fmt.Errorf("resolve endpoint from --server.host.port=%s: %w", s.Flag, err)
		}
		e.Host, e.Port = host, port
		return e, nil
	}
	// A zone names an interface of this machine. It means nothing to a client.
	e.Host, e.Port = s.Listen.Addr().Unmap().WithZone("").String(), int(s.Listen.Port())
	if !s.Listen.IsValid() || s.Listen.Addr().Unmap().IsUnspecified() {
		e.Host = s.HostName
	}
	if e.Host == "" || e.Port == 0 {
		return Endpoint{}, errors.New(
			"resolve endpoint: the listen address is unspecified and there is no host name; give --server.host.port",
		)
	}
	return e, nil
}
