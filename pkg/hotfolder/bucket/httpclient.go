package bucket

import (
	"net/http"
	"net/netip"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// httpClient makes calls to stores and to the services that give out credentials.
type httpClient struct {
	outside *http.Client // through the HTTP proxy, if there is one
	direct  *http.Client
}

// newHTTPClient returns a client with the rules of all outgoing calls. It has no circuit breaker,
// because patience waits between attempts.
func newHTTPClient(cfg Config) (httpClient, error) {
	rules := cfg.Outbound
	if cfg.CAFile != "" {
		rules.CAFile = cfg.CAFile
	}
	never := outbound.Breaker{Failures: -1}
	direct, err := outbound.New(outbound.Config{Settings: outbound.Settings{CAFile: rules.CAFile}, Breaker: never})
	if err != nil || cfg.Direct || rules.ProxyHost == "" {
		return httpClient{outside: direct, direct: direct}, err
	}
	outside, err := outbound.New(outbound.Config{Settings: rules, Breaker: never})
	return httpClient{outside: outside, direct: direct}, err
}

// Do sends a request. Services on the machine itself, which give out credentials to the process,
// are called without the proxy.
func (c httpClient) Do(r *http.Request) (*http.Response, error) {
	if onMachine(r.URL.Hostname()) {
		return c.direct.Do(r)
	}
	return c.outside.Do(r)
}

// RoundTrip implements http.RoundTripper, for clients that want one.
func (c httpClient) RoundTrip(r *http.Request) (*http.Response, error) { return c.Do(r) }

// ec2IPv6 is the address of the metadata service of EC2, eksIPv6 that of the EKS Pod Identity
// agent.
var ec2IPv6, eksIPv6 = netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd00:ec2::23")

// onMachine reports whether a host is a loopback or link-local address, or a metadata service.
func onMachine(host string) bool {
	if host == "localhost" || host == "metadata.google.internal" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip == ec2IPv6 || ip == eksIPv6)
}
