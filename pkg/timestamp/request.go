package timestamp

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// maxAnswerBytes is the largest answer. A token with four certificates of RSA-4096 keys has about
// 12 KB.
const maxAnswerBytes = 128 << 10

// request sends one query and returns the checked token.
func (c *Client) request(ctx context.Context, a *authority, q *query) ([]byte, error) {
	nonce, err := newNonce()
	if err != nil {
		return nil, err
	}
	body, err := q.marshal(a.Policy, nonce)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/timestamp-query")
	r.Header.Set("Accept", "application/timestamp-reply")
	if a.User != "" || a.Password != "" {
		r.SetBasicAuth(a.User, a.Password)
	}
	// Nonce and digest stay the same. A second token costs less than a document that waits.
	outbound.MarkRepeatable(r)
	asked := time.Now()
	answer, err := outbound.Exchange(c.http, r, maxAnswerBytes)
	if err != nil {
		return nil, err
	}
	if err := checkStatus(answer); err != nil {
		return nil, err
	}
	token, err := parseResponse(answer.Body)
	if err != nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("HTTP status %d: %w", answer.Status, err)
	}
	if err != nil {
		return nil, err
	}
	if token, err = cms.CanonicalToken(token); err != nil {
		return nil, err
	}
	return token, c.check(token, a, q, nonce, asked)
}

// check compares the token with the request (RFC 3161 2.2, 2.4.2).
func (c *Client) check(token []byte, a *authority, q *query, nonce *big.Int, asked time.Time) error {
	t, err := cms.ParseTimestamp(token)
	if err != nil {
		return err
	}
	cert, err := t.Verify(q.digest, q.hash)
	if err != nil {
		return err
	}
	if t.Nonce == nil || t.Nonce.Cmp(nonce) != 0 {
		return errors.New("the token's nonce is missing or wrong")
	}
	if len(a.Policy) > 0 && !t.Policy.Equal(a.Policy) {
		return fmt.Errorf("the token has the policy %v, which was not requested", t.Policy)
	}
	if t.Time.Before(asked.Add(-c.cfg.MaxSkew)) || t.Time.After(time.Now().Add(c.cfg.MaxSkew)) {
		return fmt.Errorf("the token's time %s is too far from ours", t.Time.UTC().Format(time.RFC3339))
	}
	known := slices.Concat(t.Signed.Certificates, c.cfg.Trusted)
	if c.cfg.Issuers != nil {
		known = append(known, c.cfg.Issuers()...)
	}
	if err := t.CheckAlgorithms(cert, known...); err != nil {
		return err
	}
	return c.checkTrust(cert, known, t.Time)
}

// checkTrust returns an error unless cert leads to a trusted certificate through the known ones.
func (c *Client) checkTrust(cert *x509.Certificate, known []*x509.Certificate, at time.Time) error {
	if c.roots == nil {
		return nil
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: pool(known), CurrentTime: at,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	if err == nil {
		return nil
	}
	if missing := certchain.MissingIssuer(certchain.Link(cert, known, at)); missing != "" {
		return fmt.Errorf("the token's certificate is not trusted: its issuer is not known: %s", missing)
	}
	return errors.New("the token's certificate is not trusted: " +
		"it does not lead to a configured authority, or its chain is not valid")
}

// pool returns the certificates as a pool. It returns nil for an empty list.
func pool(list []*x509.Certificate) *x509.CertPool {
	if len(list) == 0 {
		return nil
	}
	p := x509.NewCertPool()
	for _, c := range list {
		p.AddCert(c)
	}
	return p
}

// maxTrusted is the largest number of certificates in a file. The EU's trusted lists contain some
// hundred timestamp services.
const maxTrusted = 2048

// ParseTrusted parses a PEM file with certificates of roots and of issuers below them. A
// certificate that cannot be read is an error.
func ParseTrusted(text []byte) ([]*x509.Certificate, error) {
	return certchain.ParseAllPEM(text, maxTrusted)
}
