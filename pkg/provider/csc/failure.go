package csc

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// hint is what the rest of this package can do about a failure before the caller hears of it.
type hint int

const (
	nothing       hint = iota
	renewToken         // the access token is not good: get another and ask again
	renewSAD           // the activation data is not good: authorise again
	readAgain          // what we know of the credential is out of date
	askOtherPlace      // there is no such method at this address
	wrongSecret        // the PIN or one-time password is not good
	wrongUser          // the user's name or password is not good
	pending            // an asynchronous answer is not ready
)

// failure is a call that brought nothing. A nil *failure is success.
type failure = remotefault.Failure[hint]

func fail(kind signing.Kind, format string, args ...any) *failure {
	return remotefault.New[hint](kind, format, args...)
}

// who is what clients read of the remote side.
const who = "the signing service"

// lost is a call without a whole answer.
func lost(err error, signs bool) *failure { return remotefault.Lost[hint](who, err, signs) }

// unreadable is a good status with nonsense behind it.
func unreadable(err error, signs bool) *failure { return remotefault.Unreadable[hint](who, err, signs) }

// unusable is a whole answer without values that could be signatures.
func unusable(err error) *failure { return remotefault.Unusable[hint](who, err) }

// refusal turns an answer that is no success into what it means. signs: the call may have signed,
// if it was not refused.
func refusal(a *outbound.Answer, signs bool) *failure {
	var said errorAnswer
	_ = json.Unmarshal(a.Body, &said) // an HTML page says nothing: the status decides
	if said.Code == "" {
		said.Code = challenge(a)
	}
	f := classify(a.Status, said.Code, strings.ToLower(said.Description))
	return remotefault.Refused(f, a, signs, remotefault.Said{
		Code: said.Code, Description: said.Description, Refusal: isRefusal(a.Status, said.Code),
	})
}

// challenge returns the error of a Bearer challenge (RFC 6750 3), which services send instead of a
// body. Empty = there is none.
func challenge(a *outbound.Answer) string {
	for _, v := range a.Header.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(v, " ")
		if !strings.EqualFold(scheme, "bearer") {
			continue
		}
		if _, code, ok := strings.Cut(rest, `error="`); ok {
			code, _, _ = strings.Cut(code, `"`)
			return code
		}
	}
	return ""
}

// refusals are the error codes of the CSC (v1 10.1, v2 10.2), OAuth2 (RFC 6749 5.2, RFC 6750 3.1)
// and of the CSC's tables for credentials/authorize that are defined as: the request was refused.
// server_error is not one of them, whatever its status is, because it is defined as a condition
// that kept the server from fulfilling the request: it may have signed before.
var refusals = map[string]bool{
	"invalid_request": true, "invalid_token": true, "expired_token": true, "insufficient_scope": true,
	"unauthorized_client": true, "access_denied": true, "invalid_client": true, "invalid_grant": true,
	"invalid_scope":          true,
	"unsupported_grant_type": true, "unsupported_response_type": true,
	"invalid_pin": true, "invalid_otp": true, "invalid_authentication_data": true, "authentication_error": true,
}

// isRefusal reports whether an answer says for certain that nothing was signed. Only a 4xx with a
// defined refusal in it does.
//
// A rate limit needs this care most, since a call that was refused for the rate is repeated without
// using up a try (ErrTooMany). A 429 with temporarily_unavailable is a certain refusal: the code is
// defined as "unable to handle the request" (RFC 6749 4.1.2.1), and the status says why. Any other
// 429 may come from a gateway that counts answers, or whose connection to the service was cut by
// the limit. It still makes the credential pause, but its outcome is unknown, so that it is
// counted, it obeys the policy for unknown outcomes, and it uses up a try: each repetition may be
// paid twice, and the tries bound that.
func isRefusal(status int, code string) bool {
	switch {
	case status < 400 || status >= 500:
		return false
	case status == http.StatusTooManyRequests && code == "temporarily_unavailable":
		return true
	}
	return refusals[code]
}

// statusHungUp is nginx's own status for a client that went away.
const statusHungUp = 499

// classify is the table of refusals: by status first, then by the CSC's and OAuth2's codes, then by
// the words of the CSC's error tables, which give most faults the one code invalid_request.
func classify(status int, code, text string) *failure {
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case status == http.StatusTooManyRequests:
		return fail(signing.KindProvider, "the signing service asks for fewer requests").Retryable(0)
	case status >= 500 && status != http.StatusNotImplemented:
		return fail(signing.KindProvider, "the signing service failed").Retryable(0)
	case status == http.StatusRequestTimeout, status == statusHungUp:
		return fail(signing.KindProvider, "a gateway of the signing service ended the call early").Retryable(0)
	case status == http.StatusProxyAuthRequired:
		return fail(
			signing.KindConfiguration,
			"the HTTP proxy on the way to the signing service does not accept our credentials",
		)
	case status == http.StatusNotFound,
		status == http.StatusMethodNotAllowed,
		status == http.StatusGone,
		status == http.StatusNotImplemented:
		return fail(
			signing.KindConfiguration,
			"the signing service does not offer this at its configured URL",
		).Can(
			askOtherPlace,
		)
	case status >= 300 && status < 400:
		return fail(signing.KindConfiguration, "the signing service sends us to another address").Can(askOtherPlace)
	case status == http.StatusUnauthorized, code == "invalid_token", code == "expired_token":
		return fail(signing.KindProviderCredentials, "the signing service does not accept our access token").Can(renewToken)
	case code == "invalid_pin",
		code == "invalid_otp",
		code == "invalid_authentication_data",
		code == "authentication_error":
		return fail(
			signing.KindProviderCredentials,
			"the signing service does not accept our PIN or one-time password",
		).Can(
			wrongSecret,
		)
	case code == "invalid_client", code == "unauthorized_client", code == "invalid_scope":
		return fail(signing.KindProviderCredentials, "the signing service does not accept our client id or secret")
	case code == "server_error", code == "temporarily_unavailable":
		return fail(signing.KindProvider, "the signing service failed").Retryable(0)
	case code == "access_denied", status == http.StatusForbidden, says("locked", "is disabled", "suspended", "blocked"):
		return fail(signing.KindProviderAccount, "the signing service denies the use of the credential").Can(readAgain)
	case says("certificate is expired", "certificate has expired", "certificate is revoked"):
		return fail(signing.KindCertificate, "the signing certificate is expired or revoked").Can(readAgain)
	case says("not yet been completed"):
		return fail(signing.KindProvider, "the signing service has not finished").Retryable(0).Can(pending)
	case says("sad expired", "parameter sad", "sad is", "expired sad"):
		return fail(
			signing.KindProvider,
			"the signing service does not accept its own authorisation",
		).Retryable(
			0,
		).Can(
			renewSAD,
		)
	case says("too high"):
		return fail(signing.KindProvider, "the signing service takes fewer signatures at a time").Can(readAgain)
	case says("credentialid", "signalgo", "hashalgo", "operationmode"):
		return fail(
			signing.KindConfiguration,
			"the signing service does not accept the configured credential or algorithm",
		).Can(
			readAgain,
		)
	}
	return fail(signing.KindProvider, "the signing service refused the request")
}
