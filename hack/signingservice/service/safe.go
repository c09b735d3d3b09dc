package service

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// SAFECredentialID is the one credential of the simulated SAFE account.
const SAFECredentialID = "5afe0000-0000-4000-8000-000000000001"

// safeMultisign is SAFE's bound on numSignatures.
const safeMultisign = 10

// safeAccount is the one signature account.
type safeAccount struct {
	credential      *credential
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

// safeID is the form SAFE demands of a processId: a GUID of versions 1 to 5, in lower case.
var safeID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// digestInfoSHA256 is the DER of DigestInfo (RFC 8017 9.2) before the 32 bytes of the hash.
var digestInfoSHA256 = []byte{
	0x30,
	0x31,
	0x30,
	0x0d,
	0x06,
	0x09,
	0x60,
	0x86,
	0x48,
	0x01,
	0x65,
	0x03,
	0x04,
	0x02,
	0x01,
	0x05,
	0x00,
	0x04,
	0x20,
}

func (s *Service) openSAFEAccount() error {
	c, err := s.opts.Authority.credential(Credential{ID: SAFECredentialID, AuthMode: Implicit, Multisign: safeMultisign})
	if err != nil {
		return err
	}
	s.safe = safeAccount{credential: c, processes: make(map[string]*safeProcess)}
	s.renewSAFETokens()
	return nil
}

func (s *Service) renewSAFETokens() {
	s.safe.access, s.safe.refresh = random(32), random(32)
	s.safe.accessExpires = time.Now().Add(s.opts.TokenLifetime)
}

// SAFETokens returns the account's current tokens. In reality the first ones come from a person's
// consent.
func (s *Service) SAFETokens() (access, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.safe.access, s.safe.refresh
}

// ExpireSAFEToken makes the account's access token invalid; the refresh token stays valid.
func (s *Service) ExpireSAFEToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.safe.accessExpires = time.Time{}
}

func (s *Service) routeSAFE() {
	s.handle("POST /safe/info", "info", s.serveSAFEInfo)
	s.handle("POST /safe/credentials/list", "credentials/list", s.serveSAFEList)
	s.handle("POST /safe/credentials/info", "credentials/info", s.serveSAFECredential)
	s.handle("POST /safe/v2/credentials/authorize", "credentials/authorize", s.serveSAFEAuthorize)
	s.handle("GET /safe/credentials/authorize/verify", "authorize/verify", s.serveSAFEAuthorizeVerify)
	s.handle("POST /safe/v2/signatures/signHash", "signatures/signHash", s.serveSAFESign)
	s.handle("GET /safe/signatures/signHash/verify", "signHash/verify", s.serveSAFESignVerify)
	s.handle("POST /safe/signatureAccount/updateToken", "updateToken", s.serveSAFEUpdate)
}

// safeRequest has the fields of all request bodies of SAFE.
type safeRequest struct {
	CredentialID  string   `json:"credentialID"`
	NumSignatures int      `json:"numSignatures"`
	Hashes        []string `json:"hashes"`
	SAD           string   `json:"sad"`
	SignAlgo      string   `json:"signAlgo"`
	ClientData    *struct {
		ProcessID     string   `json:"processId"`
		ClientName    string   `json:"clientName"`
		DocumentNames []string `json:"documentNames"`
	} `json:"clientData"`
}

func safeNo(text string) *answer {
	return &answer{status: http.StatusBadRequest, body: object{{"error", "Bad Request"}, {"error_description", text}}}
}

const safeExpired = "The access or refresh token is expired or has been revoked"

// safeAuth checks integrator and account; want is the token expected in SAFEAuthorization.
func (s *Service) safeAuth(x *exchange, refresh bool) *answer {
	user, password, ok := x.BasicAuth()
	if !ok || user != SAFEUser || password != SAFEPassword {
		return &answer{
			status: http.StatusUnauthorized,
			body:   object{{"error", "Unauthorized"}, {"error_description", "Unauthorized"}},
		}
	}
	token, ok := strings.CutPrefix(x.Header.Get("SAFEAuthorization"), "Bearer ")
	if !ok {
		return safeNo("The request is missing a required parameter, includes an invalid parameter value, " +
			"includes a parameter more than once, or is otherwise malformed.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.rude == ExpiredToken {
		s.safe.accessExpires = time.Time{}
	}
	switch {
	case refresh && token != s.safe.refresh,
		!refresh && (token != s.safe.access || time.Now().After(s.safe.accessExpires)):
		return safeNo(safeExpired)
	}
	return nil
}

func (s *Service) readSAFE(x *exchange, refresh bool) (safeRequest, *answer) {
	var req safeRequest
	if no := s.safeAuth(x, refresh); no != nil {
		return req, no
	}
	if err := json.Unmarshal(x.body, &req); err != nil {
		return req, safeNo("Bad Request")
	}
	switch {
	case req.ClientData == nil:
		return req, safeNo("Missing (or invalid type) parameter clientData")
	case !safeID.MatchString(req.ClientData.ProcessID):
		return req, safeNo("Invalid parameter processId")
	case req.ClientData.ClientName == "":
		return req, safeNo("Empty client name")
	}
	return req, nil
}

func (s *Service) serveSAFEInfo(*exchange) answer {
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
					"credentials/list",
					"credentials/info",
					"credentials/authorize",
					"signatures/signHash",
					"signatureAccount/updateToken",
				},
			},
		},
	}
}

func (s *Service) serveSAFEList(x *exchange) answer {
	if _, no := s.readSAFE(x, false); no != nil {
		return *no
	}
	return answer{status: http.StatusOK, body: object{{"credentialIDs", []string{SAFECredentialID}}}}
}

func (s *Service) serveSAFECredential(x *exchange) answer {
	req, no := s.readSAFE(x, false)
	if no != nil {
		return *no
	}
	if req.CredentialID != SAFECredentialID {
		return *safeNo("Invalid parameter credentialID")
	}
	// The certificates are base64 of base64, as the published interface shows them.
	var chain []string
	for _, cert := range s.safe.credential.held.Load().chain {
		chain = append(chain, base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(cert.Raw))))
	}
	return answer{status: http.StatusOK, body: object{
		{"authMode", "implicit"}, {"multisign", safeMultisign}, {"cert", object{{"certificates", chain}}},
		{"key", object{{"algo", "1.2.840.113549.1.1.11"}, {"len", "2048"}, {"status", "enabled"}}},
	}}
}

func (s *Service) serveSAFEAuthorize(x *exchange) answer {
	req, no := s.readSAFE(x, false)
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
	if s.safe.processes[req.ClientData.ProcessID] != nil {
		return *safeNo("Invalid parameter processId")
	}
	s.safe.processes[req.ClientData.ProcessID] = &safeProcess{
		hashes:      req.Hashes,
		sad:         random(24),
		authPending: s.opts.PendingPolls,
		signPending: s.opts.PendingPolls,
	}
	return answer{status: http.StatusOK}
}

func (s *Service) serveSAFEAuthorizeVerify(x *exchange) answer {
	if no := s.safeAuth(x, false); no != nil {
		return *no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.safe.processes[x.URL.Query().Get("processId")]
	if p == nil {
		return *safeNo("Invalid parameter processId")
	}
	if p.authPending > 0 {
		p.authPending--
		return answer{status: http.StatusNoContent}
	}
	return answer{status: http.StatusOK, body: object{{"sad", p.sad}}}
}

func (s *Service) serveSAFESign(x *exchange) answer {
	req, no := s.readSAFE(x, false)
	if no != nil {
		return *no
	}
	s.mu.Lock()
	p := s.safe.processes[req.ClientData.ProcessID]
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
	values, err := s.makeValues(x, s.safe.credential, algorithm{kind: "RSA", hash: crypto.SHA256}, digests)
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

func (s *Service) serveSAFESignVerify(x *exchange) answer {
	if no := s.safeAuth(x, false); no != nil {
		return *no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.safe.processes[x.URL.Query().Get("processId")]
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

func (s *Service) serveSAFEUpdate(x *exchange) answer {
	req, no := s.readSAFE(x, true)
	if no != nil {
		return *no
	}
	if req.CredentialID != SAFECredentialID {
		return *safeNo("Invalid parameter credentialID")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewSAFETokens()
	s.counts.token()
	return answer{
		status: http.StatusOK,
		body:   object{{"newRefreshToken", s.safe.refresh}, {"newAccessToken", s.safe.access}},
	}
}
