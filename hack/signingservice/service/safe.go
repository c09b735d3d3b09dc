package service

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"
)

// SAFECredentialID is the one credential of the simulated SAFE account.
const SAFECredentialID = "5afe0000-0000-4000-8000-000000000001"

// safeMultisign is SAFE's bound on numSignatures.
const safeMultisign = 10

// safe simulates SAFE with one signature account. It is safe for concurrent use.
type safe struct {
	opts       *Options
	counts     *counts
	signer     *signer
	credential *credential

	mu              sync.Mutex
	access, refresh string
	accessExpires   time.Time
	processes       map[string]*safeProcess
}

// safeProcess is the signing process to which a processId belongs.
type safeProcess struct {
	hashes      []string
	sad         string
	authPending int
	signPending int
	values      []string // nil = signHash has not been called
}

// digestInfoSHA256 is the DER of DigestInfo (RFC 8017 9.2) before the 32 bytes of the hash.
var digestInfoSHA256 = []byte{
	0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
}

func newSAFE(opts *Options, counts *counts, signer *signer) (*safe, error) {
	c, err := opts.Authority.credential(Credential{ID: SAFECredentialID, AuthMode: Implicit, Multisign: safeMultisign})
	if err != nil {
		return nil, err
	}
	s := &safe{opts: opts, counts: counts, signer: signer, credential: c, processes: make(map[string]*safeProcess)}
	s.renewTokens()
	return s, nil
}

func (s *safe) routes(f *frontend) {
	f.handle("POST /safe/info", "info", s.serveInfo)
	f.handle("POST /safe/credentials/list", "credentials/list", s.serveList)
	f.handle("POST /safe/credentials/info", "credentials/info", s.serveCredential)
	f.handle("POST /safe/v2/credentials/authorize", "credentials/authorize", s.serveAuthorize)
	f.handle("GET /safe/credentials/authorize/verify", "authorize/verify", s.serveAuthorizeVerify)
	f.handle("POST /safe/v2/signatures/signHash", "signatures/signHash", s.serveSign)
	f.handle("GET /safe/signatures/signHash/verify", "signHash/verify", s.serveSignVerify)
	f.handle("POST /safe/signatureAccount/updateToken", "updateToken", s.serveUpdate)
}

func (s *safe) serveInfo(*exchange) answer {
	return answer{
		status: http.StatusOK,
		body: object{
			{"authType", []string{"basic"}},
			{"specs", "1.0.0"},
			{"name", "SIMULATED SAFE"},
			{"description", "A simulation"},
			{"lang", "en-US"},
			{"logo", "https://simulated.invalid/logo.png"},
			{"region", "PT"},
			{
				"methods",
				[]string{
					"credentials/list", "credentials/info", "credentials/authorize", "signatures/signHash",
					"signatureAccount/updateToken",
				},
			},
		},
	}
}

func (s *safe) serveList(x *exchange) answer {
	if _, no := s.read(x, false); no != nil {
		return *no
	}
	return answer{status: http.StatusOK, body: object{{"credentialIDs", []string{SAFECredentialID}}}}
}

func (s *safe) serveCredential(x *exchange) answer {
	req, no := s.read(x, false)
	if no != nil {
		return *no
	}
	if req.CredentialID != SAFECredentialID {
		return *safeNo("Invalid parameter credentialID")
	}
	// The certificates are base64 of base64, as the published interface shows them.
	var chain []string
	for _, cert := range s.credential.held.Load().chain {
		chain = append(chain, base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(cert.Raw))))
	}
	return answer{status: http.StatusOK, body: object{
		{"authMode", "implicit"}, {"multisign", safeMultisign}, {"cert", object{{"certificates", chain}}},
		{"key", object{{"algo", "1.2.840.113549.1.1.11"}, {"len", "2048"}, {"status", "enabled"}}},
	}}
}

func (s *safe) serveAuthorize(x *exchange) answer {
	req, no := s.read(x, false)
	if no != nil {
		return *no
	}
	switch {
	case req.CredentialID != SAFECredentialID:
		return *safeNo("Invalid parameter credentialID")
	case req.NumSignatures < 1:
		return *safeNo("Invalid value for parameter numSignatures")
	case req.NumSignatures > safeMultisign:
		return *safeNo("Numbers of signatures is too high")
	case len(req.Hashes) == 0:
		return *safeNo("Empty hash array")
	case len(req.Hashes) != req.NumSignatures || len(req.ClientData.DocumentNames) != req.NumSignatures:
		return *safeNo("Signature number does not match with hashes received or document names")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.processes[req.ClientData.ProcessID] != nil {
		return *safeNo("Invalid parameter processId")
	}
	s.processes[req.ClientData.ProcessID] = &safeProcess{
		hashes:      req.Hashes,
		sad:         random(24),
		authPending: s.opts.PendingPolls,
		signPending: s.opts.PendingPolls,
	}
	return answer{status: http.StatusOK}
}

func (s *safe) serveAuthorizeVerify(x *exchange) answer {
	if no := s.auth(x, false); no != nil {
		return *no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.processes[x.URL.Query().Get("processId")]
	if p == nil {
		return *safeNo("Invalid parameter processId")
	}
	if p.authPending > 0 {
		p.authPending--
		return answer{status: http.StatusNoContent}
	}
	return answer{status: http.StatusOK, body: object{{"sad", p.sad}}}
}

func (s *safe) serveSign(x *exchange) answer {
	req, no := s.read(x, false)
	if no != nil {
		return *no
	}
	s.mu.Lock()
	p := s.processes[req.ClientData.ProcessID]
	if p == nil || p.sad == "" || p.sad != req.SAD || x.rude == ExpiredSAD {
		s.mu.Unlock()
		return *safeNo("SigHash does not match with SignHashAuthorization")
	}
	p.sad = "" // single use
	hashes := p.hashes
	s.mu.Unlock()
	if req.SignAlgo != "1.2.840.113549.1.1.11" {
		return *safeNo("Invalid parameter signAlgo")
	}
	if strings.Join(hashes, ",") != strings.Join(req.Hashes, ",") {
		return *safeNo("Hash is not authorized by the SAD")
	}
	var digests [][]byte
	for _, h := range req.Hashes {
		info, err := unbase64(h)
		digest, ok := bytes.CutPrefix(info, digestInfoSHA256)
		if err != nil || !ok || len(digest) != 32 {
			return *safeNo("Hash is not authorized by the SAD")
		}
		digests = append(digests, digest)
	}
	values, err := s.signer.values(x, s.credential, algorithm{kind: "RSA", hash: crypto.SHA256}, digests)
	if err != nil {
		return answer{
			status: http.StatusInternalServerError,
			body:   object{{"error", "Internal Server Error"}, {"error_description", "Internal Server Error"}},
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.values = values
	return answer{status: http.StatusOK}
}

func (s *safe) serveSignVerify(x *exchange) answer {
	if no := s.auth(x, false); no != nil {
		return *no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.processes[x.URL.Query().Get("processId")]
	switch {
	case p == nil:
		return *safeNo("Invalid parameter processId")
	case p.values == nil:
		return answer{status: http.StatusNoContent}
	case p.signPending > 0:
		p.signPending--
		return answer{status: http.StatusNoContent}
	}
	return answer{status: http.StatusOK, body: object{{"signatures", p.values}}}
}
