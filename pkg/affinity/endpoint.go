package affinity

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
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

// Resolve returns the endpoint of this instance. It takes, in this order: the flag; the listen address; where that is unspecified
// (0.0.0.0 or ::), the host name with the listen port.
func Resolve(s Sources) (Endpoint, error) {
	e := Endpoint{Name: s.HostName, Ordinal: s.Ordinal}
	if s.Flag != "" {
		var err error
		e.Host, e.Port, err = ParseHostPort(s.Flag)
		return e, err
	}
	e.Host, e.Port = s.Listen.Addr().Unmap().WithZone("").String(), int(s.Listen.Port())
	if !s.Listen.IsValid() || s.Listen.Addr().IsUnspecified() {
		e.Host = s.HostName
	}
	if e.Host == "" || e.Port == 0 {
		return Endpoint{}, errors.New("resolve endpoint: the listen address is unspecified and there is no host name; give --server.host.port")
	}
	return e, nil
}

// ParseHostPort splits HOST:PORT, an IPv6 address in brackets. The host must look like a name or an address, the port be a number
// from 1 to 65535: both are answered to clients as they are.
func ParseHostPort(s string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("parse %q: want HOST:PORT, an IPv6 address in brackets", s)
	}
	if !validHost(host) {
		return "", 0, fmt.Errorf("parse %q: the host is neither a DNS name nor an IP address", s)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("parse %q: the port is not a number from 1 to 65535", s)
	}
	return host, int(n), nil
}

// validHost accepts IP addresses and what RFC 1123 section 2.1 lets a host name be, plus the underscore seen in real names.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	name := strings.TrimSuffix(host, ".")
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, c := range []byte(label) {
			alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
			if !alphanumeric && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
