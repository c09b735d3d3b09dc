package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/certreload"
	"github.com/signstash-proxy/signstash-proxy/pkg/config"
	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
)

// managementConns bounds the connections of the management port. Kubelets, scrapers and people use
// this port. It is not a setting, because all of them together need a tenth of this number.
const managementConns = 256

// ports are the open TCP ports of the proxy.
type ports struct{ rest, management net.Listener }

// openPorts opens both ports.
func openPorts(ctx context.Context, cfg config.Config) (p *ports, err error) {
	var l net.ListenConfig
	p = &ports{}
	if p.rest, err = l.Listen(ctx, "tcp", address(cfg.Server.Address, cfg.Server.Port)); err != nil {
		return nil, fmt.Errorf("open REST port: %w", err)
	}
	if p.management, err = l.Listen(ctx, "tcp", address(cfg.Management.Address, cfg.Management.Port)); err != nil {
		_ = p.rest.Close()
		return nil, fmt.Errorf("open management port: %w", err)
	}
	return p, nil
}

// address returns an address for net.Listen. An empty host means all addresses.
func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// restAddress returns the address of the REST port.
func (p *ports) restAddress() netip.AddrPort { return p.rest.Addr().(*net.TCPAddr).AddrPort() }

// restConns returns the limits and the TLS configuration of the connections of the REST port.
// certificate is nil if the port does not use TLS.
func restConns(cfg config.Config, certificate *certreload.Reloader) connlimit.Config {
	c := connlimit.Config{MaxConns: cfg.Limits.Connections, AllowPlaintext: cfg.Server.AllowPlaintext}
	if certificate != nil {
		c.TLS = certificate.TLSConfig()
	}
	return c
}

// limit puts connection limits on both ports and prepares the servers for these limits. Call it
// when the servers are complete. conns is for the REST port, without Listener, Port and Metrics.
func (p *ports) limit(conns connlimit.Config, r prometheus.Registerer, rest, management *http.Server) error {
	metrics, err := connlimit.NewMetrics(r)
	if err != nil {
		return fmt.Errorf("register metrics of connections: %w", err)
	}
	conns.Listener, conns.Port, conns.Metrics = p.rest, "rest", metrics
	limitedRest, err := connlimit.New(conns)
	if err != nil {
		return err
	}
	limitedManagement, err := connlimit.New(connlimit.Config{
		Listener: p.management, Port: "management", Metrics: metrics, MaxConns: managementConns,
	})
	if err != nil {
		return err
	}
	limitedRest.Prepare(rest)
	limitedManagement.Prepare(management)
	p.rest, p.management = limitedRest, limitedManagement
	return nil
}

// close closes both ports. It may be called again.
func (p *ports) close() {
	for _, l := range []net.Listener{p.rest, p.management} {
		_ = l.Close() // it may be closed already
	}
}
