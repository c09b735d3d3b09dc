package trialpki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

type imprint struct {
	Algorithm pkix.AlgorithmIdentifier
	Digest    []byte
}

type timestampRequest struct {
	Version int
	Imprint imprint
	CertReq bool `asn1:"optional"`
}

type timestampResponse struct {
	Status struct{ Status int }
	Token  asn1.RawValue `asn1:"optional"`
}

var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// Timestamp implements signing.Timestamper with the timestamp authority of the PKI.
func (p *PKI) Timestamp(_ context.Context, digest []byte, hash crypto.Hash) ([]byte, error) {
	return RequestToken(p.TSA, p.Spoil, digest, hash)
}

// RequestToken requests a timestamp from a simulated authority. spoil changes the token; nil = it
// stays as it is.
func RequestToken(authority http.Handler, spoil func([]byte) []byte, digest []byte, hash crypto.Hash) ([]byte, error) {
	algorithm := pkix.AlgorithmIdentifier{Algorithm: hashOIDs[hash]}
	body, err := asn1.Marshal(timestampRequest{1, imprint{algorithm, digest}, true})
	if err != nil {
		return nil, err
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/timestamp-query")
	w := httptest.NewRecorder()
	authority.ServeHTTP(w, r)
	var answer timestampResponse
	if _, err := asn1.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		return nil, signing.Errorf(signing.KindTimestamp, "no token").Because(fmt.Errorf("HTTP %d: %w", w.Code, err))
	}
	token := answer.Token.FullBytes
	if spoil != nil {
		token = spoil(token)
	}
	return token, nil
}

// Gather returns the validation data of a chain, as pkg/revocation does: an OCSP response of the
// issuing CA for the first certificate, and a CRL of the root.
func (p *PKI) Gather(_ context.Context, chain []*x509.Certificate) (certs, ocsps, crls [][]byte, err error) {
	now := time.Now()
	response, err := ocsp.CreateResponse(p.Sub, p.Sub, ocsp.Response{
		Status: ocsp.Good, SerialNumber: chain[0].SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour),
	}, p.caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
	}, p.Root, p.caKey)
	if err != nil {
		return nil, nil, nil, err
	}
	return [][]byte{p.Sub.Raw, p.Root.Raw}, [][]byte{response}, [][]byte{crl}, nil
}
