package service

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
)

// Misbehaviour is one way to misbehave.
type Misbehaviour string

const (
	// Before anything is done. No signature is made.

	TooManyRequests   Misbehaviour = "429"             // 429 without Retry-After
	TooManyRetryAfter Misbehaviour = "429-retry-after" // 429 with Retry-After: 2
	ErrorBefore       Misbehaviour = "500-before"      // 500
	Unavailable       Misbehaviour = "503"             // 503 with Retry-After: 3
	Gateway           Misbehaviour = "502-html"        // 502 with an HTML page, as gateways give
	CutBefore         Misbehaviour = "cut-before"      // the connection is cut without an answer
	Refused           Misbehaviour = "400"             // 400 invalid_request
	ExpiredToken      Misbehaviour = "expired-token"   // the access token counts as expired
	ExpiredSAD        Misbehaviour = "expired-sad"     // the SAD counts as expired

	// After the request was carried out. Signatures may have been made and counted.

	ErrorAfter Misbehaviour = "500-after"   // 500
	CutAfter   Misbehaviour = "cut-after"   // the connection is cut without an answer
	HalfAnswer Misbehaviour = "half-answer" // the answer ends in the middle
	Stalled    Misbehaviour = "stalled"     // half of the answer, then nothing until the client gives up
	NotJSON    Misbehaviour = "not-json"    // 200 with a text
	Empty      Misbehaviour = "empty"       // 200 with {}
	Huge       Misbehaviour = "huge"        // 200 with an answer that does not end

	// After the request was carried out, with answers that look like refusals, such as those of
	// gateways that no longer wait.

	TimedOutAfter    Misbehaviour = "408-after"          // 408 with an HTML page
	TooManyAfter     Misbehaviour = "429-after"          // 429 of a gateway, with Retry-After: 2
	HungUpAfter      Misbehaviour = "499-after"          // 499, which is nginx's for a client that went away
	ServerErrorAfter Misbehaviour = "server-error-after" // 400 with the CSC's server_error
	NotFoundAfter    Misbehaviour = "404-after"          // 404 with an HTML page
	RedirectAfter    Misbehaviour = "302-after"          // 302 to a page for people

	// Wrong values. All of them are made and counted.

	WrongOrder    Misbehaviour = "wrong-order"
	TooFewValues  Misbehaviour = "too-few"
	TooManyValues Misbehaviour = "too-many"
	WrongKey      Misbehaviour = "wrong-key"
	RawECDSA      Misbehaviour = "raw-ecdsa" // r‖s instead of DER
	BadBase64     Misbehaviour = "bad-base64"
)

// Misbehaviours lists all of them.
func Misbehaviours() []Misbehaviour {
	return []Misbehaviour{
		TooManyRequests, TooManyRetryAfter, ErrorBefore, Unavailable, Gateway, CutBefore, Refused, ExpiredToken, ExpiredSAD,
		ErrorAfter, CutAfter, HalfAnswer, Stalled, NotJSON, Empty, Huge, TimedOutAfter, TooManyAfter, HungUpAfter,
		ServerErrorAfter, NotFoundAfter, RedirectAfter, WrongOrder, TooFewValues, TooManyValues, WrongKey, RawECDSA,
		BadBase64,
	}
}

// Fault is a misbehaviour at an endpoint.
type Fault struct {
	// Endpoint is token, auth/login, info, introspect, credentials/list, credentials/info,
	// credentials/authorize, credentials/authorizeCheck, signatures/signHash,
	// signatures/signPolling, or for SAFE updateToken, authorize/verify, signHash/verify. Empty =
	// all.
	Endpoint     string       `json:"endpoint"`
	Misbehaviour Misbehaviour `json:"rudeness"`
	// Times is how often the fault happens; 0 = until faults are cleared.
	Times int `json:"times"`
	// Chance is the probability of the fault for each request, between 0 and 1; 0 = 1.
	Chance float64 `json:"chance"`
}

func (f Fault) check() error {
	if !slices.Contains(Misbehaviours(), f.Misbehaviour) {
		return fmt.Errorf("unknown misbehaviour %q", f.Misbehaviour)
	}
	if f.Chance < 0 || f.Chance > 1 {
		return fmt.Errorf("chance %v is not between 0 and 1", f.Chance)
	}
	return nil
}

// faults holds the faults in force, in the order in which they were added.
type faults struct {
	mu   sync.Mutex
	list []Fault
}

func (f *faults) add(fault Fault) error {
	if err := fault.check(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fault)
	return nil
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// next returns the misbehaviour for a request and uses it up. "" means polite.
func (f *faults) next(endpoint string) Misbehaviour {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		if fault.Endpoint != "" && fault.Endpoint != endpoint || fault.Chance > 0 && rand.Float64() >= fault.Chance {
			continue
		}
		if fault.Times == 1 {
			f.list = slices.Delete(f.list, i, i+1)
		} else if fault.Times > 1 {
			f.list[i].Times--
		}
		return fault.Misbehaviour
	}
	return ""
}
