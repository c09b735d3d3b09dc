package service

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// sad is signature activation data. It is valid once, for one credential and, if it is bound, only
// for certain hashes.
type sad struct {
	credential *credential
	left       int
	hashes     [][]byte // nil = any (SCAL 1)
	expires    time.Time
}

func (s *Service) newSAD(c *credential, n int, hashes []string) *sad {
	made := &sad{credential: c, left: n, expires: time.Now().Add(s.opts.SADLifetime)}
	for _, h := range hashes {
		digest, _ := unbase64(h)
		made.hashes = append(made.hashes, digest)
	}
	return made
}

// keepSAD stores signature activation data under a new random value, which it returns.
func (s *Service) keepSAD(made *sad) string {
	value := random(24)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sads[value] = made
	return value
}

// useSAD uses up signature activation data for digests, or returns the CSC's error.
func (s *Service) useSAD(x *exchange, value string, c *credential, digests [][]byte) *answer {
	no := func(text string) *answer { a := refuse("invalid_request", text); return &a }
	if value == "" {
		return no("Missing (or invalid type) string parameter SAD")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.sads[value]
	switch {
	case known == nil || known.credential != c:
		return no("Invalid parameter SAD")
	case x.rude == ExpiredSAD || time.Now().After(known.expires):
		delete(s.sads, value)
		return no("SAD expired")
	case len(digests) > known.left:
		return no("Numbers of signatures is too high")
	}
	if known.hashes != nil && !within(digests, known.hashes) {
		return no("Hash is not authorized by the SAD")
	}
	delete(s.sads, value) // single use
	return nil
}

func within(digests, allowed [][]byte) bool {
	left := make([][]byte, len(allowed))
	copy(left, allowed)
next:
	for _, d := range digests {
		for i, a := range left {
			if a != nil && bytes.Equal(a, d) {
				left[i] = nil
				continue next
			}
		}
		return false
	}
	return true
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

// checkAuthorization makes the checks that all ways of authorising have in common.
func (s *Service) checkAuthorization(req authorization) (*credential, int, *answer) {
	no := func(text string) (*credential, int, *answer) {
		a := refuse("invalid_request", text)
		return nil, 0, &a
	}
	c := s.find(req.CredentialID)
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

func (s *Service) serveAuthorize1(x *exchange) answer {
	req, refusal := s.readAuthorization(x)
	if refusal != nil {
		return *refusal
	}
	req.Hashes = req.Hash
	c, n, refusal := s.checkAuthorization(req)
	switch {
	case refusal != nil:
		return *refusal
	case c.AuthMode == OAuth2Code:
		return refuse("invalid_request", "Invalid authorization mode")
	case c.AuthMode == Explicit && s.blocked(c):
		return refuse("invalid_request", "Credential locked")
	case c.AuthMode == Explicit && c.PIN != "" && !s.rightPIN(c, req.PIN):
		return refuse("invalid_pin", "The PIN is invalid")
	case c.AuthMode == Explicit && !s.rightOTP(c, req.OTP):
		return refuse("invalid_otp", "The OTP is invalid")
	}
	value := s.keepSAD(s.newSAD(c, n, req.Hashes))
	return answer{status: http.StatusOK, body: object{{"expiresIn", int(s.opts.SADLifetime.Seconds())}, {"SAD", value}}}
}

func (s *Service) serveAuthorize2(x *exchange) answer {
	req, refusal := s.readAuthorization(x)
	if refusal != nil {
		return *refusal
	}
	c, n, refusal := s.checkAuthorization(req)
	switch {
	case refusal != nil:
		return *refusal
	case c.AuthMode == OAuth2Code:
		return refuse("invalid_request", "Invalid authorization mode")
	case len(req.Hashes) > 0 && hashOIDs[req.HashAlgorithm] == 0:
		return refuse("invalid_request", "Invalid parameter hashAlgorithmOID")
	case c.AuthMode == Explicit && s.blocked(c):
		return refuse("invalid_request", "Credential locked")
	case c.AuthMode == Explicit &&
		(c.PIN != "" && !s.rightPIN(c, req.secret(pinObject)) || !s.rightOTP(c, req.secret(otpObject))):
		return refuse("invalid_authentication_data", "The authentication data is invalid")
	}
	made := s.newSAD(c, n, req.Hashes)
	if c.Slow > 0 {
		return s.authorizeLater(made, c.Slow)
	}
	return answer{status: http.StatusOK, body: object{{"SAD", s.keepSAD(made)}}}
}

// maxWrongPINs in a row lock a credential.
const maxWrongPINs = 3

func (s *Service) blocked(c *credential) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.wrongPINs >= maxWrongPINs
}

func (s *Service) rightPIN(c *credential, pin string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pin == c.PIN {
		c.wrongPINs = 0
		return true
	}
	c.wrongPINs++
	return false
}

// rightOTP accepts the configured password any number of times. With OTPOnce it accepts any
// password that it has not seen before.
func (s *Service) rightOTP(c *credential, otp string) bool {
	if c.TOTPKey != "" {
		return otp == totp([]byte(c.TOTPKey), time.Now())
	}
	if c.OTP == "" || !c.OTPOnce {
		return otp == c.OTP || c.OTP == ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if otp == "" || c.usedOTPs[otp] {
		return false
	}
	if c.usedOTPs == nil {
		c.usedOTPs = make(map[string]bool)
	}
	c.usedOTPs[otp] = true
	return true
}

// waitingAuthorization waits for a person who never answers, and is granted after some polls.
type waitingAuthorization struct {
	made *sad
	left int
}

func (s *Service) authorizeLater(made *sad, polls int) answer {
	handle := random(16)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[handle] = &waitingAuthorization{made: made, left: polls}
	return answer{status: http.StatusAccepted, body: object{{"handle", handle}}}
}

func (s *Service) serveAuthorizeCheck(x *exchange) answer {
	if _, refusal := s.bearer(x); refusal != nil {
		return *refusal
	}
	var req struct {
		Handle string `json:"handle"`
	}
	_ = json.Unmarshal(x.body, &req)
	s.mu.Lock()
	w := s.waiting[req.Handle]
	if w == nil {
		s.mu.Unlock()
		return refuse("invalid_request", "Invalid parameter handle")
	}
	w.left--
	if w.left > 0 {
		s.mu.Unlock()
		return answer{status: http.StatusAccepted, body: object{{"handle", req.Handle}}}
	}
	delete(s.waiting, req.Handle)
	s.mu.Unlock()
	return answer{
		status: http.StatusOK,
		body:   object{{"expiresIn", strconv.Itoa(int(s.opts.SADLifetime.Seconds()))}, {"SAD", s.keepSAD(w.made)}},
	}
}

func (s *Service) readAuthorization(x *exchange) (authorization, *answer) {
	var req authorization
	if _, refusal := s.bearer(x); refusal != nil {
		return req, refusal
	}
	if err := json.Unmarshal(x.body, &req); err != nil {
		a := refuse("invalid_request", "Malformed request")
		return req, &a
	}
	return req, nil
}
