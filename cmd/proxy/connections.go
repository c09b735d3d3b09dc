package main

import (
	"fmt"
	"net"
	"net/http"

	"github.com/signstash-proxy/signstash-proxy/pkg/connlimit"
)

// managementConns bounds the connections of the management port. Kubelets, scrapers and people use
// this port. It is not a setting, because all of them together need a tenth of this number.
const managementConns = 256

// limitConnections returns the listeners of both ports with connection limits, and prepares the
// servers for these limits. Call it when the servers are complete.
func (p *proxy) limitConnections(rest, management *http.Server) (restPort, managementPort net.Listener, err error) {
	metrics, err := connlimit.NewMetrics(p.registry)
	if err != nil {
		return nil, nil, fmt.Errorf("register metrics of connections: %w", err)
	}
	cfg := connlimit.Config{Listener: p.rest, Port: "rest", Metrics: metrics, MaxConns: p.cfg.Limits.Connections}
	if p.certificate != nil {
		cfg.TLS = p.certificate.TLSConfig()
	}
	limitedRest, err := connlimit.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	limitedManagement, err := connlimit.New(connlimit.Config{
		Listener: p.management, Port: "management", Metrics: metrics, MaxConns: managementConns,
	})
	if err != nil {
		return nil, nil, err
	}
	limitedRest.Prepare(rest)
	limitedManagement.Prepare(management)
	return limitedRest, limitedManagement, nil
}
