package service

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
)

// cscAuthorization serves credentials/authorize and credentials/authorizeCheck.
type cscAuthorization struct {
	opts        *Options
	tokens      *tokens
	sads        *sads
	credentials credentials

	mu      sync.Mutex
	waiting map[string]*waitingAuthorization
}

func (a *cscAuthorization) routes(f *frontend) {
	f.handle("POST /csc/v1/credentials/authorize", "credentials/authorize", a.serveAuthorize1)
	f.handle("POST /csc/v2/credentials/authorize", "credentials/authorize", a.serveAuthorize2)
	f.handle("POST /csc/v2/credentials/authorizeCheck", "credentials/authorizeCheck", a.serveAuthorizeCheck)
}

// authorization is a credentials/authorize request of either version.
type authorization struct {
	CredentialID  string      `json:"credentialID"`
	NumSignatures json.Number `json:"numSignatures"`
	Hash          []string    `json:"hash"`   // v1
	Hashes        []string    `json:"hashes"` // v2
	PIN           string      `json:"PIN"`    // v1
	OTP           string      `json:"OTP"`    // v1
	HashAlgorithm string      `json:"hashAlgorithmOID"`
	AuthData      []struct {
		ID    string `json:"id"`
		Value string `json:"value"`
	} `json:"authData"` // v2
}

// The authentication objects of v2; clients have to read these names from credentials/info.
const (
	pinObject = "sim-pin"
	otpObject = "sim-one-time"
)

func (a authorization) secret(object string) string {
	for _, d := range a.AuthData {
		if d.ID == object {
			return d.Value
		}
	}
	return ""
}

// check makes the checks that all ways of authorising have in common.
func (cs credentials) check(req authorization) (*credential, int, *answer) {
	no := func(text string) (*credential, int, *answer) {
		a := refuse("invalid_request", text)
		return nil, 0, &a
	}
	c := cs.find(req.CredentialID)
	n, err := strconv.Atoi(req.NumSignatures.String())
	switch {
	case req.CredentialID == "":
		return no("Missing (or invalid type) string parameter credentialID")
	case c == nil:
		return no("Invalid parameter credentialID")
	case c.Disabled:
		return no("The credential identified by credentialID is disabled")
	case err != nil:
		return no("Missing (or invalid type) integer parameter numSignatures")
	case n < 1:
		return no("Invalid value for parameter numSignatures")
	case n > c.Multisign:
		return no("Numbers of signatures is too high")
	case c.SCAL == 2 && len(req.Hashes) == 0:
		return no("Missing (or invalid type) array parameter hashes")
	case len(req.Hashes) > 0 && len(req.Hashes) != n:
		return no("Signature number does not match with hashes received")
	}
	for _, h := range req.Hashes {
		if _, err := unbase64(h); err != nil {
			return no("Invalid Base64 hash string parameter")
		}
	}
	return c, n, nil
}

func (a *cscAuthorization) serveAuthorize1(x *exchange) answer {
	req, refusal := a.readAuthorization(x)
	if refusal != nil {
		return *refusal
	}
	req.Hashes = req.Hash
	c, n, refusal := a.credentials.check(req)
	switch {
	case refusal != nil:
		return *refusal
	case c.AuthMode == OAuth2Code:
		return refuse("invalid_request", "Invalid authorization mode")
	case c.AuthMode == Explicit && c.blocked():
		return refuse("invalid_request", "Credential locked")
	case c.AuthMode == Explicit && c.PIN != "" && !c.rightPIN(req.PIN):
		return refuse("invalid_pin", "The PIN is invalid")
	case c.AuthMode == Explicit && !c.rightOTP(req.OTP):
		return refuse("invalid_otp", "The OTP is invalid")
	}
	value := a.sads.keep(a.sads.make(c, n, req.Hashes))
	return answer{status: http.StatusOK, body: object{{"expiresIn", int(a.opts.SADLifetime.Seconds())}, {"SAD", value}}}
}

func (a *cscAuthorization) serveAuthorize2(x *exchange) answer {
	req, refusal := a.readAuthorization(x)
	if refusal != nil {
		return *refusal
	}
	c, n, refusal := a.credentials.check(req)
	switch {
	case refusal != nil:
		return *refusal
	case c.AuthMode == OAuth2Code:
		return refuse("invalid_request", "Invalid authorization mode")
	case len(req.Hashes) > 0 && hashOIDs[req.HashAlgorithm] == 0:
		return refuse("invalid_request", "Invalid parameter hashAlgorithmOID")
	case c.AuthMode == Explicit && c.blocked():
		return refuse("invalid_request", "Credential locked")
	case c.AuthMode == Explicit &&
		(c.PIN != "" && !c.rightPIN(req.secret(pinObject)) || !c.rightOTP(req.secret(otpObject))):
		return refuse("invalid_authentication_data", "The authentication data is invalid")
	}
	made := a.sads.make(c, n, req.Hashes)
	if c.Slow > 0 {
		return a.authorizeLater(made, c.Slow)
	}
	return answer{status: http.StatusOK, body: object{{"SAD", a.sads.keep(made)}}}
}

// waitingAuthorization waits for a person who never answers, and is granted after some polls.
type waitingAuthorization struct {
	made *sad
	left int
}

func (a *cscAuthorization) authorizeLater(made *sad, polls int) answer {
	handle := random(16)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting[handle] = &waitingAuthorization{made: made, left: polls}
	return answer{status: http.StatusAccepted, body: object{{"handle", handle}}}
}

func (a *cscAuthorization) serveAuthorizeCheck(x *exchange) answer {
	if _, refusal := a.tokens.bearer(x); refusal != nil {
		return *refusal
	}
	var req struct {
		Handle string `json:"handle"`
	}
	_ = json.Unmarshal(x.body, &req)
	a.mu.Lock()
	w := a.waiting[req.Handle]
	if w == nil {
		a.mu.Unlock()
		return refuse("invalid_request", "Invalid parameter handle")
	}
	w.left--
	if w.left > 0 {
		a.mu.Unlock()
		return answer{status: http.StatusAccepted, body: object{{"handle", req.Handle}}}
	}
	delete(a.waiting, req.Handle)
	a.mu.Unlock()
	return answer{
		status: http.StatusOK,
		body:   object{{"expiresIn", strconv.Itoa(int(a.opts.SADLifetime.Seconds()))}, {"SAD", a.sads.keep(w.made)}},
	}
}

func (a *cscAuthorization) readAuthorization(x *exchange) (authorization, *answer) {
	var req authorization
	if _, refusal := a.tokens.bearer(x); refusal != nil {
		return req, refusal
	}
	if err := json.Unmarshal(x.body, &req); err != nil {
		no := refuse("invalid_request", "Malformed request")
		return req, &no
	}
	return req, nil
}
