package timestamp

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/cms"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

// maxAnswerBytes bounds an answer: a token with four certificates of RSA-4096 keys has about 12 KB.
const maxAnswerBytes = 128 << 10

// refusedError is an authority's no.
type refusedError struct {
	reason    string
	limited   bool          // it has had enough of our requests
	permanent bool          // it will say no to this request for ever
	after     time.Duration // it named a time; 0 = it did not
}

func (e *refusedError) Error() string { return e.reason }

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
	outbound.Repeatable(r) // nonce and digest stay the same; a token that is made twice costs less than a document that waits
	asked := time.Now()
	answer, err := outbound.Exchange(c.http, r, maxAnswerBytes)
	if err != nil {
		return nil, err
	}
	if err := checkStatus(answer); err != nil {
		return nil, err
	}
	token, err := parseResponse(answer.Body)
	if err != nil {
		return nil, err
	}
	if token, err = cms.CanonicalToken(token); err != nil {
		return nil, err
	}
	return token, c.check(token, a, q, nonce, asked)
}

// checkStatus judges the HTTP status. 400 counts as a limit: at least one large authority says so, and a client that sends well-formed
// queries has no other reason to see it. None is for ever: what an authority, or a proxy before it, says of an address or of credentials
// changes once somebody looks after them, and signatures that are paid for wait.
func checkStatus(answer *outbound.Answer) error {
	if answer.Status == http.StatusOK {
		return nil
	}
	e := &refusedError{reason: fmt.Sprintf("HTTP status %d", answer.Status), after: outbound.RetryAfter(answer.Header, time.Now())}
	e.limited = answer.Status == http.StatusBadRequest || answer.Status == http.StatusTooManyRequests
	return e
}

// Bits of PKIFailureInfo (RFC 3161 2.4.2) that no other try can change.
var permanentFailures = map[int]string{0: "badAlg", 2: "badRequest", 5: "badDataFormat", 15: "unacceptedPolicy", 16: "unacceptedExtension"}

// parseResponse reads a TimeStampResp and returns the token in it, whose structure is not looked at yet.
func parseResponse(body []byte) ([]byte, error) {
	in := cryptobyte.String(body)
	var response, status, text cryptobyte.String
	var code int
	if !in.ReadASN1(&response, cbasn1.SEQUENCE) || !in.Empty() || !response.ReadASN1(&status, cbasn1.SEQUENCE) || !status.ReadASN1Integer(&code) {
		return nil, errors.New("the answer is not a TimeStampResp")
	}
	if code != 0 && code != 1 { // granted, grantedWithMods: what was modified shows in the token
		e := &refusedError{reason: fmt.Sprintf("PKIStatus %d", code)}
		var fail []byte
		status.SkipOptionalASN1(cbasn1.SEQUENCE)
		if status.ReadASN1(&text, cbasn1.BIT_STRING) && len(text) > 1 {
			fail = text[1:]
		}
		for bit, name := range permanentFailures {
			if bit/8 < len(fail) && fail[bit/8]&(0x80>>(bit%8)) != 0 {
				e.permanent, e.reason = true, e.reason+" "+name
			}
		}
		return nil, e
	}
	if response.Empty() {
		return nil, errors.New("the answer is granted, but holds no token")
	}
	return response, nil
}

// check holds the token against what was asked (RFC 3161 2.2, 2.4.2).
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
		return errors.New("the token has another nonce or none")
	}
	if len(a.Policy) > 0 && !t.Policy.Equal(a.Policy) {
		return fmt.Errorf("the token is of policy %v, not of that asked for", t.Policy)
	}
	if t.Time.Before(asked.Add(-c.cfg.MaxSkew)) || t.Time.After(time.Now().Add(c.cfg.MaxSkew)) {
		return fmt.Errorf("the token's time %s is too far from ours", t.Time.UTC().Format(time.RFC3339))
	}
	return c.checkTrust(cert, t)
}

func (c *Client) checkTrust(cert *x509.Certificate, t *cms.Timestamp) error {
	if c.cfg.Roots == nil {
		return nil
	}
	intermediates := x509.NewCertPool()
	for _, other := range t.Signed.Certificates {
		intermediates.AddCert(other)
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: c.cfg.Roots, Intermediates: intermediates, CurrentTime: t.Time, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
	})
	if err != nil {
		return fmt.Errorf("the token's certificate is not trusted: %w", err)
	}
	return nil
}
