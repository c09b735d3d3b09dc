package tsa

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options of a Handler. Key, Certificate and NoPurpose are mandatory.
type Options struct {
	Key         crypto.Signer
	Certificate *x509.Certificate   // of Key, made with Purpose
	Chain       []*x509.Certificate // issuers, sent if the request asks for certificates
	NoPurpose   *x509.Certificate   // also of Key, without the purpose; for WrongPurpose and ForeignSigner
	Policy      asn1.ObjectIdentifier
	// User and Password are required by HTTP Basic. Empty = no authentication.
	User, Password string
	// Limit is how many requests may come within Window. Further requests are answered with HTTP 400.
	// 0 = no limit.
	Limit  int
	Window time.Duration
}

// Handler answers timestamp requests over HTTP (RFC 3161 3.4) at any path. It is safe for
// concurrent use.
type Handler struct {
	o Options

	mu       sync.Mutex
	rude     []Misbehaviour // one for each of the next requests; the last one stays if forever
	forever  bool
	requests []time.Time
	issued   int
	blocked  bool
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

// Purpose makes a certificate template that of a timestamp authority (RFC 3161 2.3): timeStamping
// is the only extended key usage, and it is critical. crypto/x509 cannot write it as critical
// itself.
func Purpose(template *x509.Certificate) {
	value, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		panic(err) // a constant
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtraExtensions = append(template.ExtraExtensions,
		pkix.Extension{Id: oidExtKeyUsage, Critical: true, Value: value})
}

// New returns a polite Handler.
func New(o Options) (*Handler, error) {
	if o.Key == nil || o.Certificate == nil || o.NoPurpose == nil {
		return nil, errors.New("tsa: key, certificate or certificate without purpose is missing")
	}
	if o.Policy == nil {
		o.Policy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 3161, 1}
	}
	return &Handler{o: o}, nil
}

// Misbehave sets how the next requests are answered, one misbehaviour for each. After them the
// authority is polite again.
func (h *Handler) Misbehave(list ...Misbehaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rude, h.forever = slices.Clone(list), false
}

// MisbehaveAlways sets how all further requests are answered.
func (h *Handler) MisbehaveAlways(r Misbehaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rude, h.forever = []Misbehaviour{r}, true
}

// Requests returns how many requests have arrived, with any result.
func (h *Handler) Requests() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.requests)
}

// Issued returns how many tokens were created, valid or not.
func (h *Handler) Issued() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.issued
}

// begin counts a request and returns how to answer it.
func (h *Handler) begin(now time.Time) Misbehaviour {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, now)
	if h.o.Limit > 0 {
		recent := 0
		for _, at := range h.requests {
			if now.Sub(at) < h.o.Window {
				recent++
			}
		}
		h.blocked = h.blocked || recent > h.o.Limit
		if h.blocked {
			return BadRequest
		}
	}
	if len(h.rude) == 0 {
		return Polite
	}
	r := h.rude[0]
	if !h.forever {
		h.rude = h.rude[1:]
	}
	return r
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rude := h.begin(time.Now())
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return
	}
	if user, password, _ := r.BasicAuth(); user != h.o.User || password != h.o.Password {
		w.Header().Set("WWW-Authenticate", `Basic realm="simulated TSA"`)
		http.Error(w, "user or password is wrong", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/timestamp-query" {
		http.Error(w, "no timestamp query", http.StatusUnsupportedMediaType)
		return
	}
	if withoutAnswer(w, r, rude) {
		return
	}
	answer, err := h.answer(body, rude)
	if err != nil {
		http.Error(w, "cannot sign", http.StatusInternalServerError)
		return
	}
	if rude == Trailing {
		answer = append(answer, "trailing garbage"...)
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	switch rude {
	case Cut:
		cut(w, answer)
		return
	case Created:
		w.WriteHeader(http.StatusCreated)
	}
	_, _ = w.Write(answer)
}

// answer returns a complete TimeStampResp.
func (h *Handler) answer(body []byte, rude Misbehaviour) ([]byte, error) {
	req, fail, err := parse(body)
	if err != nil {
		return refuse(rejection, fail, err.Error())
	}
	if len(req.Policy) > 0 && !req.Policy.Equal(h.o.Policy) {
		return refuse(rejection, unacceptedPolicy, "another policy")
	}
	switch rude {
	case Rejection:
		return refuse(rejection, badRequest, "simulated rejection")
	case SystemFail:
		return refuse(rejection, systemFailure, "simulated failure")
	case Waiting:
		return refuse(waiting, -1, "come back later")
	case NoToken:
		return refuse(granted, -1, "")
	}
	token, err := h.build(req, rude)
	if err != nil {
		return nil, err
	}
	status := statusInfo{Status: granted}
	if rude == WithMods {
		status.Status = grantedWithMods
	}
	return asn1.Marshal(response{status, asn1.RawValue{FullBytes: token}})
}

func (h *Handler) build(req request, rude Misbehaviour) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.issued++
	h.mu.Unlock()
	b := &builder{
		info: info{
			Version:  1,
			Policy:   h.o.Policy,
			Imprint:  req.Imprint,
			Serial:   serial,
			Time:     genTime(time.Now()),
			Accuracy: accuracy{1},
			Nonce:    req.Nonce,
		},
		key:         h.o.Key,
		certificate: h.o.Certificate,
		ess:         h.o.Certificate,
		hash:        crypto.SHA256,
	}
	if req.CertReq {
		b.certificates = append([]*x509.Certificate{h.o.Certificate}, h.o.Chain...)
	}
	h.spoil(b, rude)
	return b.token()
}

// spoil changes the token to one that must not be used, or to an unusual one.
func (h *Handler) spoil(b *builder, rude Misbehaviour) {
	switch rude {
	case WrongNonce:
		b.info.Nonce = big.NewInt(4711)
	case MissingNonce:
		b.info.Nonce = nil
	case WrongImprint:
		b.info.Imprint.Digest = slices.Clone(b.info.Imprint.Digest)
		b.info.Imprint.Digest[0] ^= 1
	case WrongHash:
		// SHA-512/256: as long as SHA-256
		b.info.Imprint.Algorithm.Algorithm = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 6}
	case WrongValue:
		b.spoilValue = true
	case WrongPurpose:
		b.certificate, b.ess = h.o.NoPurpose, h.o.NoPurpose
		b.certificates = append([]*x509.Certificate{h.o.NoPurpose}, h.o.Chain...)
	case ForeignSigner:
		b.ess = h.o.NoPurpose
	case NoSigner:
		b.ess = nil
	case NoCertificate:
		b.certificates = nil
	case LeafAlone:
		b.certificates = b.certificates[:min(1, len(b.certificates))]
	case Stale:
		b.info.Time = genTime(time.Now().Add(-time.Hour))
	case Future:
		b.info.Time = genTime(time.Now().Add(time.Hour))
	case SHA1:
		b.hash = crypto.SHA1
	case WrongPolicy:
		b.info.Policy = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 3161, 2}
	}
}

// refuse returns an answer without a token. A negative bit means that no failure bit is set.
func refuse(status, bit int, text string) ([]byte, error) {
	s := statusInfo{Status: status}
	if text != "" {
		s.Text = []asn1.RawValue{{Tag: asn1.TagUTF8String, Bytes: []byte(text)}}
	}
	if bit >= 0 {
		s.Fail = failure(bit)
	}
	return asn1.Marshal(response{Status: s})
}
