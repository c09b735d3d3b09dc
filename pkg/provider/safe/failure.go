package safe

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
	nothing    hint = iota
	renewToken      // the access token has ended
	readAgain       // what we know of the credential is out of date
)

// failure is a call that brought nothing. A nil *failure is success.
type failure = remotefault.Failure[hint]

func fail(kind signing.Kind, format string, args ...any) *failure {
	return remotefault.New[hint](kind, format, args...)
}

// who is what clients read of the remote side.
const who = "SAFE"

// lost is a call without a whole answer.
func lost(err error, signs bool) *failure { return remotefault.Lost[hint](who, err, signs) }

// unreadable is a good status with nonsense behind it.
func unreadable(err error) *failure { return remotefault.Unreadable[hint](who, err, false) }

// unusable is a whole answer without values that could be signatures.
func unusable(err error) *failure { return remotefault.Unusable[hint](who, err) }

// refusal turns an answer that is no success into what it means. signs: the call may have signed,
// if it was not refused.
func refusal(a *outbound.Answer, signs bool) *failure {
	var said errorAnswer
	_ = json.Unmarshal(a.Body, &said)
	f := classify(a.Status, said.Code, strings.ToLower(said.Description))
	return remotefault.Refused(f, a, signs, remotefault.Said{
		Code: said.Code, Description: said.Description, Refusal: isRefusal(a.Status, said),
	})
}

// isRefusal reports whether an answer says for certain that nothing was signed: SAFE's own refusals
// are 400, 401 and 403 with both an error and its description, and 429 with the CSC's
// temporarily_unavailable. Anything else may come from a gateway that has passed the request on.
func isRefusal(status int, said errorAnswer) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return said.Code != "" && said.Code != "server_error" && said.Description != ""
	case http.StatusTooManyRequests:
		return said.Code == "temporarily_unavailable"
	}
	return false
}

// statusHungUp is nginx's own status for a client that went away.
const statusHungUp = 499

// classify is the table of refusals, in the words of SAFE's published interface.
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
		return fail(
			signing.KindProviderCredentials,
			"the tokens of the SAFE account have ended; its owner has to consent again",
		).Can(
			renewToken,
		)
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
