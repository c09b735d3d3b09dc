package safe

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
	nothing    hint = iota
	renewToken      // the access token has expired
	readAgain       // our description of the credential is out of date
)

// failure is the error of a failed call. A nil *failure means success.
type failure = remotefault.Failure[hint]

func fail(kind signing.Kind, format string, args ...any) *failure {
	return remotefault.New[hint](kind, format, args...)
}

// serviceName is the name of the service in texts for clients.
const serviceName = "SAFE"

// lost returns the failure of a call that got no complete answer.
func lost(err error, signs bool) *failure { return remotefault.Lost[hint](serviceName, err, signs) }

// unreadable returns the failure of a call whose status was a success but whose body is invalid.
func unreadable(err error) *failure { return remotefault.Unreadable[hint](serviceName, err, false) }

// unusable returns the failure of a complete answer without values that could be signatures.
func unusable(err error) *failure { return remotefault.Unusable[hint](serviceName, err) }

// refusal converts an answer that is not a success into a failure. signs means that the call may
// have signed, unless the answer is a certain refusal.
func refusal(a *outbound.Answer, signs bool) *failure {
	var said errorAnswer
	_ = json.Unmarshal(a.Body, &said)
	f := classify(a.Status, said.Code, strings.ToLower(said.Description))
	return remotefault.Refused(f, a, signs, remotefault.Said{
		Code: said.Code, Description: said.Description, Refusal: isRefusal(a.Status, said),
	})
}

// isRefusal reports whether an answer proves that nothing was signed. SAFE's own refusals are 400,
// 401 and 403 with both an error and its description, and 429 with the CSC's
// temporarily_unavailable. Any other answer may come from a gateway that has passed the request on.
func isRefusal(status int, said errorAnswer) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return said.Code != "" && said.Code != "server_error" && said.Description != ""
	case http.StatusTooManyRequests:
		return said.Code == "temporarily_unavailable"
	}
	return false
}

// statusHungUp is nginx's own status for a client that closed the connection.
const statusHungUp = 499

// classify is the table of refusals. It follows SAFE's published interface.
func classify(status int, code, text string) *failure {
	says := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case status == http.StatusTooManyRequests:
		return fail(signing.KindProvider, "SAFE asks for fewer requests").Retryable(0)
	case status >= 500, code == "server_error":
		return fail(signing.KindProvider, "SAFE failed").Retryable(0)
	case status == http.StatusRequestTimeout, status == statusHungUp:
		return fail(signing.KindProvider, "a gateway of SAFE ended the call early").Retryable(0)
	case status == http.StatusProxyAuthRequired:
		return fail(signing.KindConfiguration, "the HTTP proxy on the way to SAFE does not accept our credentials")
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status >= 300 && status < 400:
		return fail(signing.KindConfiguration, "SAFE does not offer this at its configured URL")
	case says("token is expired or has been revoked"):
		return fail(signing.KindProviderCredentials,
			"the tokens of the SAFE account have expired; its owner has to consent again").Can(renewToken)
	case says("signaturelimit"):
		return fail(signing.KindProviderAccount, "the SAFE account has no signatures left")
	case status == http.StatusUnauthorized:
		return fail(signing.KindProviderCredentials, "SAFE does not accept our integrator's name or password")
	case status == http.StatusForbidden:
		return fail(signing.KindProviderAccount, "SAFE denies the use of the account")
	case says("credentialid"), says("signalgo"), says("client name"), says("clientname"):
		return fail(signing.KindConfiguration, "SAFE does not accept the configured credential or client name").Can(readAgain)
	case says("does not match with signhashauthorization"):
		return fail(signing.KindProvider, "SAFE does not accept its own authorisation").Retryable(0)
	}
	return fail(signing.KindProvider, "SAFE refused the request")
}
