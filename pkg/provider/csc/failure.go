package csc

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// hint tells this package how it can handle a failure before it returns the failure to its caller.
type hint int

const (
	nothing      hint = iota
	renewToken        // the access token is not accepted: get another one and retry
	renewSAD          // the activation data is not accepted: authorise again
	readAgain         // our description of the credential is out of date
	tryOtherPath      // the method does not exist at this address
	wrongSecret       // the PIN or one-time password is wrong
	wrongUser         // the user's name or password is wrong
	pending           // an asynchronous answer is not ready
)

// failure is the error of a failed call. A nil *failure means success.
type failure = remotefault.Failure[hint]

func fail(kind signing.Kind, format string, args ...any) *failure {
	return remotefault.New[hint](kind, format, args...)
}

// serviceName is the name of the service in texts for clients.
const serviceName = "the signing service"

// lost returns the failure of a call that got no complete answer.
func lost(err error, signs bool) *failure { return remotefault.Lost[hint](serviceName, err, signs) }

// unreadable returns the failure of a call whose status was a success but whose body is invalid.
func unreadable(err error, signs bool) *failure {
	return remotefault.Unreadable[hint](serviceName, err, signs)
}

// unusable returns the failure of a complete answer without values that could be signatures.
func unusable(err error) *failure { return remotefault.Unusable[hint](serviceName, err) }

// refusal converts an answer that is not a success into a failure. signs means that the call may
// have signed, unless the answer is a certain refusal.
func refusal(a *outbound.Answer, signs bool) *failure {
	var said errorAnswer
	_ = json.Unmarshal(a.Body, &said) // an HTML page is ignored: the status decides
	if said.Code == "" {
		said.Code = challenge(a)
	}
	f := classify(a.Status, said.Code, strings.ToLower(said.Description))
	return remotefault.Refused(f, a, signs, remotefault.Said{
		Code: said.Code, Description: said.Description, Refusal: isRefusal(a.Status, said.Code),
	})
}

// challenge returns the error code of a Bearer challenge (RFC 6750 3), which some services send
// instead of a body. It returns an empty string when there is no challenge.
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

// refusals are the error codes that mean "the request was refused". They are defined by the CSC (v1
// 10.1, v2 10.2, and its tables for credentials/authorize) and by OAuth2 (RFC 6749 5.2, RFC 6750
// 3.1). server_error is not one of them, whatever its status, because it is defined as a condition
// that kept the server from fulfilling the request: the server may have signed before.
var refusals = map[string]bool{
	"invalid_request": true, "invalid_token": true, "expired_token": true, "insufficient_scope": true,
	"unauthorized_client": true, "access_denied": true, "invalid_client": true, "invalid_grant": true,
	"invalid_scope":          true,
	"unsupported_grant_type": true, "unsupported_response_type": true,
	"invalid_pin": true, "invalid_otp": true, "invalid_authentication_data": true, "authentication_error": true,
}

// isRefusal reports whether an answer proves that nothing was signed. Only a 4xx with a defined
// refusal code does.
//
// A rate limit needs the most care, because a call that was refused for the rate is repeated
// without using up an attempt (ErrTooMany). A 429 with temporarily_unavailable is a certain
// refusal: the code is defined as "unable to handle the request" (RFC 6749 4.1.2.1), and the status
// gives the reason. Any other 429 may come from a gateway that counts answers, or that cut the
// connection to the service because of the limit. The credential still pauses, but the outcome is
// unknown. So the call is counted, it follows the policy for unknown outcomes, and it uses up an
// attempt. Each repetition may be paid for twice, and the number of attempts bounds that.
func isRefusal(status int, code string) bool {
	switch {
	case status < 400 || status >= 500:
		return false
	case status == http.StatusTooManyRequests && code == "temporarily_unavailable":
		return true
	}
	return refusals[code]
}

// statusHungUp is nginx's own status for a client that closed the connection.
const statusHungUp = 499

// classify is the table of refusals. It looks at the status first, then at the codes of the CSC and
// OAuth2, then at the wording of the CSC's error tables, because these give most faults the same
// code invalid_request.
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
		return fail(signing.KindConfiguration,
			"the HTTP proxy on the way to the signing service does not accept our credentials")
	case status == http.StatusNotFound,
		status == http.StatusMethodNotAllowed,
		status == http.StatusGone,
		status == http.StatusNotImplemented:
		return fail(signing.KindConfiguration, "the signing service does not offer this at its configured URL").
			Can(tryOtherPath)
	case status >= 300 && status < 400:
		return fail(signing.KindConfiguration, "the signing service redirects to another address").Can(tryOtherPath)
	case status == http.StatusUnauthorized, code == "invalid_token", code == "expired_token":
		return fail(signing.KindProviderCredentials, "the signing service does not accept our access token").Can(renewToken)
	case code == "invalid_pin",
		code == "invalid_otp",
		code == "invalid_authentication_data",
		code == "authentication_error":
		return fail(signing.KindProviderCredentials, "the signing service does not accept our PIN or one-time password").
			Can(wrongSecret)
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
		return fail(signing.KindProvider, "the signing service does not accept its own authorisation").
			Retryable(0).Can(renewSAD)
	case says("too high"):
		return fail(signing.KindProvider, "the signing service accepts fewer signatures in one call").Can(readAgain)
	case says("credentialid", "signalgo", "hashalgo", "operationmode"):
		return fail(signing.KindConfiguration, "the signing service does not accept the configured credential or algorithm").
			Can(readAgain)
	}
	return fail(signing.KindProvider, "the signing service refused the request")
}
