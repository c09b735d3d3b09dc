package revocation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

func (g *Gatherer) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	return g.fetch(ctx, http.MethodGet, address, "", nil, limit)
}

// fetch makes one request and returns the body of an answer with status 200.
func (g *Gatherer) fetch(
	ctx context.Context, method, address, contentType string, body []byte, limit int64,
) ([]byte, error) {
	if err := checkURL(address); err != nil {
		return nil, err
	}
	if err := outbound.CheckHost(address, g.cfg.AllowPrivate); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	outbound.MarkRepeatable(r)
	answer, err := outbound.Exchange(g.http, r, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.URL.Host, err)
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: HTTP status %d", r.URL.Host, answer.Status)
	}
	return answer.Body, nil
}

// maxURLBytes is the largest size of an address from a certificate.
const maxURLBytes = 2048

// checkURL refuses everything except plain http and https addresses.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURLBytes || u.Host == "" || u.User != nil ||
		u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("the address is not an http or https URL")
	}
	return nil
}
