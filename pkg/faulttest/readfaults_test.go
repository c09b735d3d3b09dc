package faulttest

import (
	"net/http"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Faults of the calls before anything can be signed: the description of the remote side, the
// credential, and the user's consent.

// readRows are the outcomes of faults while the credential is read or a token is requested. refused
// is the outcome if a token is refused permanently.
func readRows(refused outcome) []row {
	return []row{
		{service.TooManyRequests, all(neverAsked), all(atOnce)},
		{service.TooManyRetryAfter, all(neverAsked), all(atOnce)},
		{service.ErrorBefore, all(neverAsked), all(atOnce)},
		{service.Unavailable, all(neverAsked), all(atOnce)},
		{service.Gateway, all(neverAsked), all(atOnce)},
		{service.CutBefore, all(neverAsked), all(atOnce)},
		{service.Refused, all(neverAsked), all(neverAsked)}, // permanent: there is no second attempt
		{service.ExpiredToken, all(refused), all(atOnce)},
		{service.ExpiredSAD, all(atOnce), all(atOnce)},
		{service.ErrorAfter, all(neverAsked), all(atOnce)},
		{service.CutAfter, all(neverAsked), all(atOnce)},
		{service.HalfAnswer, all(neverAsked), all(atOnce)},
		{service.Stalled, all(neverAsked), all(atOnce)},
		{service.NotJSON, all(neverAsked), all(atOnce)},
		{service.Empty, all(neverAsked), all(atOnce)},
		{service.Huge, all(neverAsked), all(atOnce)},
		{service.TimedOutAfter, all(neverAsked), all(atOnce)},
		{service.TooManyAfter, all(neverAsked), all(atOnce)},
		{service.HungUpAfter, all(neverAsked), all(atOnce)},
		{service.ServerErrorAfter, all(neverAsked), all(atOnce)},
		{service.NotFoundAfter, all(noPlace), all(noPlace)},
		{service.RedirectAfter, all(noPlace), all(noPlace)},
		{service.WrongOrder, all(atOnce), all(atOnce)},
		{service.TooFewValues, all(atOnce), all(atOnce)},
		{service.TooManyValues, all(atOnce), all(atOnce)},
		{service.WrongKey, all(atOnce), all(atOnce)},
		{service.RawECDSA, all(atOnce), all(atOnce)},
		{service.BadBase64, all(atOnce), all(atOnce)},
	}
}

func TestInfoMatrix(t *testing.T) {
	runMatrix(t, "info", []int{cscV2}, readRows(atOnce)) // this call needs no token
}

func TestCredentialsListMatrix(t *testing.T) {
	runMatrix(t, "credentials/list", []int{cscV2, safeV2}, readRows(failed(credentialsFault, 0, 0, 0, 0)))
}

func TestCredentialsInfoMatrix(t *testing.T) {
	rows := readRows(failed(credentialsFault, 0, 0, 0, 0))
	for i, r := range rows {
		switch r.misbehaviour {
		case service.Refused, service.NotFoundAfter:
			rows[i].once = cscElse(atOnce, r.once[0]) // CSC is asked again without certInfo
		}
	}
	runMatrix(t, "credentials/info", []int{cscV1, cscV2, safeV2}, rows)
}

// TestAuthorizeCheckMatrix tests faults of the call that asks whether the user has agreed. No
// signature is made before this call succeeds, so no fault of it costs a signature.
func TestAuthorizeCheckMatrix(t *testing.T) {
	variants := []variant{{
		name: "csc v2 with consent", open: openCSC("/csc/v2"),
		options: service.Options{Credentials: []service.Credential{{Key: service.ECDSAP256, PIN: service.PIN, Slow: 1}}},
	}}
	wantRows(t, []row{
		{service.TooManyRequests, all(pacedEach), all(refusedOnce)},
		{service.TooManyRetryAfter, all(pacedEach), all(refusedOnce)},
		{service.ErrorBefore, all(refusedEach), all(refusedOnce)},
		{service.Unavailable, all(refusedEach), all(refusedOnce)},
		{service.Gateway, all(refusedEach), all(refusedOnce)},
		{service.CutBefore, all(refusedEach), all(refusedOnce)},
		{service.Refused, all(splitRefused), all(refusedOnce)},
		{service.ExpiredToken, all(deniedUs), all(atOnce)},
		{service.ExpiredSAD, all(atOnce), all(atOnce)},
		{service.ErrorAfter, all(refusedEach), all(refusedOnce)},
		{service.CutAfter, all(refusedEach), all(refusedOnce)},
		{service.HalfAnswer, all(refusedEach), all(refusedOnce)},
		{service.Stalled, all(refusedEach), all(refusedOnce)},
		{service.NotJSON, all(refusedEach), all(refusedOnce)},
		{service.Empty, all(refusedEach), all(refusedOnce)},
		{service.Huge, all(refusedEach), all(refusedOnce)},
		{service.TimedOutAfter, all(refusedEach), all(refusedOnce)},
		{service.TooManyAfter, all(pacedEach), all(refusedOnce)},
		{service.HungUpAfter, all(refusedEach), all(refusedOnce)},
		{service.ServerErrorAfter, all(refusedEach), all(refusedOnce)},
		{service.NotFoundAfter, all(misled), all(misled)},
		{service.RedirectAfter, all(misled), all(misled)},
		{service.WrongOrder, all(atOnce), all(atOnce)},
		{service.TooFewValues, all(atOnce), all(atOnce)},
		{service.TooManyValues, all(atOnce), all(atOnce)},
		{service.WrongKey, all(atOnce), all(atOnce)},
		{service.RawECDSA, all(atOnce), all(atOnce)},
		{service.BadBase64, all(atOnce), all(atOnce)},
	}, func(r row) { runRow(t, "credentials/authorizeCheck", variants, 0, r) })
}

// TestUpdateTokenMatrix tests faults of the token renewal after the account's access token has
// expired. SAFE issues a new pair only once. If its answer is lost, the account is unusable until
// its owner consents again, and the proxy says so as soon as SAFE does. Every other fault costs
// only time, and never a signature.
func TestUpdateTokenMatrix(t *testing.T) {
	consent := failed(credentialsFault, 0, 0, 0, 0)
	type renewal struct {
		row
		after outcome // once SAFE is healthy again
	}
	renewals := []renewal{
		{row{service.TooManyRequests, all(neverAsked), all(atOnce)}, atOnce},
		{row{service.TooManyRetryAfter, all(neverAsked), all(atOnce)}, atOnce},
		{row{service.ErrorBefore, all(neverAsked), all(atOnce)}, atOnce},
		{row{service.Unavailable, all(neverAsked), all(atOnce)}, atOnce},
		{row{service.Gateway, all(neverAsked), all(atOnce)}, atOnce},
		{row{service.CutBefore, all(neverAsked), all(atOnce)}, atOnce},
		{row{service.Refused, all(neverAsked), all(neverAsked)}, atOnce},
		{row{service.ExpiredToken, all(atOnce), all(atOnce)}, atOnce}, // the refresh token is still valid
		{row{service.ExpiredSAD, all(atOnce), all(atOnce)}, atOnce},
		{row{service.ErrorAfter, all(neverAsked), all(consent)}, consent},
		{row{service.CutAfter, all(neverAsked), all(consent)}, consent},
		{row{service.HalfAnswer, all(neverAsked), all(consent)}, consent},
		{row{service.Stalled, all(neverAsked), all(consent)}, consent},
		{row{service.NotJSON, all(neverAsked), all(consent)}, consent},
		{row{service.Empty, all(neverAsked), all(consent)}, consent},
		{row{service.Huge, all(neverAsked), all(consent)}, consent},
		{row{service.TimedOutAfter, all(neverAsked), all(consent)}, consent},
		{row{service.TooManyAfter, all(neverAsked), all(consent)}, consent},
		{row{service.HungUpAfter, all(neverAsked), all(consent)}, consent},
		{row{service.ServerErrorAfter, all(neverAsked), all(consent)}, consent},
		{row{service.NotFoundAfter, all(noPlace), all(noPlace)}, consent},
		{row{service.RedirectAfter, all(noPlace), all(noPlace)}, consent},
		{row{service.WrongOrder, all(atOnce), all(atOnce)}, atOnce},
		{row{service.TooFewValues, all(atOnce), all(atOnce)}, atOnce},
		{row{service.TooManyValues, all(atOnce), all(atOnce)}, atOnce},
		{row{service.WrongKey, all(atOnce), all(atOnce)}, atOnce},
		{row{service.RawECDSA, all(atOnce), all(atOnce)}, atOnce},
		{row{service.BadBase64, all(atOnce), all(atOnce)}, atOnce},
	}
	var rows []row
	after := make(map[service.Misbehaviour]outcome)
	for _, r := range renewals {
		rows = append(rows, r.row)
		after[r.misbehaviour] = r.after
	}
	ended := []variant{
		{name: "safe", open: func(t *testing.T, s *service.Service, client *http.Client) (signing.Provider, error) {
			p, err := openSAFE(t, s, client)
			s.ExpireSAFEToken()
			return p, err
		}},
	}
	wantRows(t, rows, func(r row) { runRowThen(t, "updateToken", ended, 0, r, after[r.misbehaviour]) })
}
