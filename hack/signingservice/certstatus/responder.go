package certstatus

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Issuer is a CA certificate. The responder knows the status of the certificates that it issued.
type Issuer struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Options of a Responder.
type Options struct {
	Issuers []Issuer // the i-th has its CRL at /crl/i
	// Delegated says that OCSP answers are signed with certificates that the issuers created for this
	// purpose (RFC 6960 4.2.2.2), and not by the issuers themselves.
	Delegated bool
	// Validity of an answer, from thisUpdate to nextUpdate. 0 = an hour.
	Validity time.Duration
	// RedirectTarget is the URL to which the misbehaviour Redirect points.
	RedirectTarget string
}

// Responder answers OCSP requests by POST and GET at /ocsp, and serves CRLs at /crl/0, /crl/1 and
// so on. It is safe for concurrent use.
type Responder struct {
	o         Options
	delegates []delegate // of the i-th issuer
	stranger  crypto.Signer
	mux       *http.ServeMux

	mu       sync.Mutex
	revoked  map[string]time.Time // by serial number in hexadecimal
	ocsp     Misbehaviour
	crl      Misbehaviour
	requests map[string]int // by path
}

// delegate is a key with one certificate that may sign OCSP answers and others that may not.
type delegate struct {
	key                      crypto.Signer
	good, noPurpose, expired *x509.Certificate
}

// New returns a polite Responder without revoked certificates.
func New(o Options) (*Responder, error) {
	if len(o.Issuers) == 0 {
		return nil, errors.New("certstatus: no issuer")
	}
	if o.Validity == 0 {
		o.Validity = time.Hour
	}
	r := &Responder{o: o, revoked: make(map[string]time.Time), requests: make(map[string]int), mux: http.NewServeMux()}
	var err error
	if r.stranger, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	for _, issuer := range o.Issuers {
		d, err := newDelegate(issuer)
		if err != nil {
			return nil, err
		}
		r.delegates = append(r.delegates, d)
	}
	r.mux.HandleFunc("/ocsp", r.serveOCSP)
	r.mux.HandleFunc("/ocsp/", r.serveOCSP)
	r.mux.HandleFunc("GET /crl/{number}", r.serveCRL)
	return r, nil
}

// oidNoCheck is the extension of an OCSP responder's certificate that says that the certificate
// itself needs no revocation check (RFC 6960 4.2.2.2.1).
var oidNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

func newDelegate(issuer Issuer) (d delegate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return d, fmt.Errorf("make responder key: %w", err)
	}
	d.key = key
	certify := func(from, to time.Duration, usage ...x509.ExtKeyUsage) *x509.Certificate {
		serial, e := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
		err = errors.Join(err, e)
		template := &x509.Certificate{
			SerialNumber:    serial,
			Subject:         pkix.Name{Organization: []string{"SIMULATED - NO LEGAL VALUE"}, CommonName: "SIMULATED OCSP"},
			NotBefore:       time.Now().Add(from),
			NotAfter:        time.Now().Add(to),
			KeyUsage:        x509.KeyUsageDigitalSignature,
			ExtKeyUsage:     usage,
			ExtraExtensions: []pkix.Extension{{Id: oidNoCheck, Value: []byte{5, 0}}},
		}
		der, e := x509.CreateCertificate(rand.Reader, template, issuer.Certificate, key.Public(), issuer.Key)
		err = errors.Join(err, e)
		cert, e := x509.ParseCertificate(der)
		err = errors.Join(err, e)
		return cert
	}
	d.good = certify(-time.Hour, 24*time.Hour, x509.ExtKeyUsageOCSPSigning)
	d.noPurpose = certify(-time.Hour, 24*time.Hour)
	d.expired = certify(-48*time.Hour, -24*time.Hour, x509.ExtKeyUsageOCSPSigning)
	if err != nil {
		return d, fmt.Errorf("make responder certificate: %w", err)
	}
	return d, nil
}

// Revoke revokes a certificate.
func (r *Responder) Revoke(c *x509.Certificate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[c.SerialNumber.Text(16)] = time.Now().Add(-time.Second)
}

// MisbehaveOCSP sets how all further OCSP requests are answered. Polite ends the misbehaviour.
func (r *Responder) MisbehaveOCSP(rude Misbehaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ocsp = rude
}

// MisbehaveCRL is MisbehaveOCSP for CRLs.
func (r *Responder) MisbehaveCRL(rude Misbehaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.crl = rude
}

// Requests returns the number of requests for paths that begin with a prefix.
func (r *Responder) Requests(prefix string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for path, count := range r.requests {
		if strings.HasPrefix(path, prefix) {
			n += count
		}
	}
	return n
}

// ServeHTTP implements http.Handler.
func (r *Responder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.requests[q.URL.Path]++
	r.mu.Unlock()
	r.mux.ServeHTTP(w, q)
}

// times returns thisUpdate and nextUpdate.
func (r *Responder) times(rude Misbehaviour) (this, next time.Time) {
	now := time.Now().Truncate(time.Second)
	switch rude {
	case Stale:
		return now.Add(-2 * r.o.Validity), now.Add(-r.o.Validity)
	case Future:
		return now.Add(r.o.Validity), now.Add(2 * r.o.Validity)
	case NoUpdate:
		return now, time.Time{}
	}
	return now.Add(-time.Minute), now.Add(r.o.Validity)
}

// transport carries out a misbehaviour that does not depend on the request. It reports whether it
// answered.
func (r *Responder) transport(w http.ResponseWriter, q *http.Request, rude Misbehaviour) bool {
	switch rude {
	case NotFound:
		http.NotFound(w, q)
	case Unavailable:
		w.Header().Set("Retry-After", "30")
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
	case Garbage:
		_, _ = w.Write([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30, 0x80})
	case Empty:
		w.WriteHeader(http.StatusOK)
	case Slow:
		<-q.Context().Done()
	case Huge:
		for chunk := make([]byte, 64<<10); q.Context().Err() == nil; {
			if _, err := w.Write(chunk); err != nil {
				break
			}
		}
	case Redirect:
		http.Redirect(w, q, r.o.RedirectTarget, http.StatusFound)
	default:
		return false
	}
	return true
}

func (r *Responder) serveCRL(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	rude := r.crl
	r.mu.Unlock()
	number, err := strconv.Atoi(q.PathValue("number"))
	if err != nil || number < 0 || number >= len(r.o.Issuers) {
		http.NotFound(w, q)
		return
	}
	if r.transport(w, q, rude) {
		return
	}
	der, err := r.makeCRL(number, rude)
	if err != nil {
		http.Error(w, "cannot sign", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	_, _ = w.Write(der)
}

func (r *Responder) makeCRL(number int, rude Misbehaviour) ([]byte, error) {
	issuer, key := *r.o.Issuers[number].Certificate, r.o.Issuers[number].Key
	switch rude {
	case WrongKey:
		key = r.stranger
		issuer.PublicKey = key.Public() // CreateRevocationList checks its own work
	case WrongIssuer:
		issuer.RawSubject = nil
		issuer.Subject = pkix.Name{CommonName: "SIMULATED other CA"}
	}
	list := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano())}
	list.ThisUpdate, list.NextUpdate = r.times(rude)
	r.mu.Lock()
	for serial, at := range r.revoked {
		n, _ := new(big.Int).SetString(serial, 16)
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: n, RevocationTime: at, ReasonCode: 1})
	}
	r.mu.Unlock()
	return x509.CreateRevocationList(rand.Reader, list, &issuer, key)
}
