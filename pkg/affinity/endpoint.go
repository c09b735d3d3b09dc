package affinity

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/hostport"
)

// Endpoint is where clients reach one instance. Async answers carry it.
type Endpoint struct {
	Name    string // of the instance: its host name, which on Kubernetes is the pod's
	Ordinal int    // of the instance, 0 to 1023: part of the id of every operation it holds
	Host    string // DNS name or IP address, an IPv6 address without brackets
	Port    int
}

// HostPort is the endpoint as one string, an IPv6 address in brackets.
func (e Endpoint) HostPort() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// Sources is what an instance knows of its own address.
type Sources struct {
	Flag     string         // --server.host.port; empty = not given
	Listen   netip.AddrPort // the address the REST port really listens on, after port 0 became a number
	HostName string         // of the machine or pod
	Ordinal  int
}

// Resolve returns the endpoint of this instance. It takes, in this order: the flag; the listen
// address; where that is unspecified (0.0.0.0 or ::), the host name with the listen port.
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
	// A zone names an interface of this machine: it means nothing to a client.
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
