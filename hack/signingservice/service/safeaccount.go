package service

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// safeID matches a processId. SAFE requires a GUID of version 1 to 5 in lower case.
var safeID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// renewTokens replaces both tokens of the account. The caller holds the lock.
func (s *safe) renewTokens() {
	s.access, s.refresh = random(32), random(32)
	s.accessExpires = time.Now().Add(s.opts.TokenLifetime)
}

// tokens returns the current tokens of the account.
func (s *safe) tokens() (access, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.access, s.refresh
}

// expireToken makes the access token invalid. The refresh token stays valid.
func (s *safe) expireToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accessExpires = time.Time{}
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

// auth checks the integrator and the account. refresh means that SAFEAuthorization must have the
// refresh token.
func (s *safe) auth(x *exchange, refresh bool) *answer {
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
		s.accessExpires = time.Time{}
	}
	switch {
	case refresh && token != s.refresh,
		!refresh && (token != s.access || time.Now().After(s.accessExpires)):
		return safeNo(safeExpired)
	}
	return nil
}

func (s *safe) read(x *exchange, refresh bool) (safeRequest, *answer) {
	var req safeRequest
	if no := s.auth(x, refresh); no != nil {
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

func (s *safe) serveUpdate(x *exchange) answer {
	req, no := s.read(x, true)
	if no != nil {
		return *no
	}
	if req.CredentialID != SAFECredentialID {
		return *safeNo("Invalid parameter credentialID")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewTokens()
	s.counts.token()
	return answer{
		status: http.StatusOK,
		body:   object{{"newRefreshToken", s.refresh}, {"newAccessToken", s.access}},
	}
}
