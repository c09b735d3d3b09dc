package certstatus

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/crypto/ocsp"
)

func (r *Responder) serveOCSP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	rude := r.ocsp
	r.mu.Unlock()
	body, ok := query(w, q) // read first, because net/http notices only then that a client goes away
	if !ok || r.transport(w, q, rude) {
		return
	}
	answer, err := r.answer(body, rude)
	if err != nil {
		http.Error(w, "cannot sign", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(answer)
}

// query returns the DER request of a POST or of a GET (RFC 6960 A.1).
func query(w http.ResponseWriter, q *http.Request) ([]byte, bool) {
	if q.Method == http.MethodPost {
		if q.Header.Get("Content-Type") != "application/ocsp-request" {
			http.Error(w, "no OCSP request", http.StatusUnsupportedMediaType)
			return nil, false
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 64<<10))
		return body, err == nil
	}
	text, err := url.PathUnescape(strings.TrimPrefix(q.URL.EscapedPath(), "/ocsp/"))
	if err != nil {
		http.Error(w, "bad path", http.StatusBadRequest)
		return nil, false
	}
	body, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		http.Error(w, "bad base64", http.StatusBadRequest)
		return nil, false
	}
	return body, true
}

func (r *Responder) answer(body []byte, rude Misbehaviour) ([]byte, error) {
	req, err := ocsp.ParseRequest(body)
	switch {
	case err != nil || rude == Malformed:
		return ocsp.MalformedRequestErrorResponse, nil
	case rude == TryLater:
		return ocsp.TryLaterErrorResponse, nil
	}
	number := r.find(req)
	if number < 0 {
		return ocsp.UnauthorizedErrorResponse, nil
	}
	this, next := r.times(rude)
	template := ocsp.Response{
		Status:       ocsp.Good,
		SerialNumber: req.SerialNumber,
		ThisUpdate:   this,
		NextUpdate:   next,
		IssuerHash:   req.HashAlgorithm,
	}
	r.mu.Lock()
	at, revoked := r.revoked[req.SerialNumber.Text(16)]
	r.mu.Unlock()
	if revoked {
		template.Status, template.RevokedAt, template.RevocationReason = ocsp.Revoked, at, ocsp.KeyCompromise
	}
	switch rude {
	case Unknown:
		template.Status = ocsp.Unknown
	case OtherSerial:
		template.SerialNumber = new(big.Int).Add(req.SerialNumber, big.NewInt(1))
	}
	return r.sign(number, template, rude)
}

// sign signs an answer with the key of the issuer or of its delegate.
func (r *Responder) sign(number int, template ocsp.Response, rude Misbehaviour) ([]byte, error) {
	issuer, key := r.o.Issuers[number].Certificate, r.o.Issuers[number].Key
	responder, d := issuer, r.delegates[number]
	use := func(c *x509.Certificate) { responder, key, template.Certificate = c, d.key, c }
	if r.o.Delegated {
		use(d.good)
	}
	switch rude {
	case WrongKey:
		key = r.stranger
	case NoPurpose:
		use(d.noPurpose)
	case DelegateEnded:
		use(d.expired)
	case WrongIssuer:
		other := *issuer
		other.RawSubject = bytes.Replace(issuer.RawSubject, []byte("SIMULATED"), []byte("simulated"), 1)
		issuer = &other
	}
	return ocsp.CreateResponse(issuer, responder, template, key)
}

// find returns the index of the issuer that the request names by the hashes of its name and key, or
// -1.
func (r *Responder) find(req *ocsp.Request) int {
	for i, issuer := range r.o.Issuers {
		// A request made here for the same issuer has the same hashes.
		der, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: req.SerialNumber}, issuer.Certificate,
			&ocsp.RequestOptions{Hash: req.HashAlgorithm})
		if err != nil {
			continue
		}
		own, err := ocsp.ParseRequest(der)
		if err == nil && bytes.Equal(own.IssuerKeyHash, req.IssuerKeyHash) &&
			bytes.Equal(own.IssuerNameHash, req.IssuerNameHash) {
			return i
		}
	}
	return -1
}
