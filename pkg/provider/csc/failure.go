package csc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

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
	pending            // an asynchronous answer is not ready
)

// failure is a call that brought nothing. A nil *failure is success.
type failure struct {
	*signing.Error
	hint hint
}

func fail(kind signing.Kind, format string, args ...any) *failure {
	return &failure{Error: signing.Errorf(kind, format, args...)}
}

func (f *failure) because(err error) *failure {
	f.Error.Err = err
	return f
}

func (f *failure) retryable(after time.Duration) *failure {
	f.Retry, f.RetryAfter = true, after
	return f
}

func (f *failure) can(h hint) *failure {
	f.hint = h
	return f
}

// lost is a call without a whole answer. Only a call that may sign leaves the outcome unknown, and only if it went out and was not
// refused: of a refusal the status is enough.
func lost(err error, signs bool) *failure {
	var l *outbound.LostError
	if !errors.As(err, &l) {
		return fail(signing.KindInternal, "").because(err)
	}
	var open *outbound.OpenError
	if errors.As(err, &open) {
		return fail(signing.KindProvider, "the signing service has failed lately and is given a rest").because(err).retryable(open.RetryAfter)
	}
	f := fail(signing.KindProvider, "the signing service did not answer").because(err).retryable(0)
	f.Unknown = signs && l.Sent && !refused(l.Status)
	return f
}

// refused reports whether a status says that nothing was done.
func refused(status int) bool {
	return status >= 300 && status < 500 || status == http.StatusNotImplemented
}

// unreadable is a good status with nonsense behind it.
func unreadable(err error, signs bool) *failure {
	f := fail(signing.KindProvider, "the signing service gave an invalid answer").because(err).retryable(0)
	f.Unknown = signs
	return f
}

// maxRemoteText bounds what of a service's own words reaches the log.
const maxRemoteText = 200

// remoteText makes a service's words fit for a log line.
func remoteText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxRemoteText {
		s = s[:maxRemoteText] + "…"
	}
	return s
}

// refusal turns an answer that is no success into what it means. signs: the call may have signed, if it was not refused.
func refusal(a *outbound.Answer, signs bool) *failure {
	var said errorAnswer
	_ = json.Unmarshal(a.Body, &said) // an HTML page says nothing: the status decides
	f := classify(a.Status, said.Code, strings.ToLower(said.Description))
	if after := outbound.RetryAfter(a.Header, time.Now()); f.Retry && after > 0 {
		f.RetryAfter = after
	}
	f.Unknown = signs && !refused(a.Status)
	return f.because(fmt.Errorf("status %d, error %q: %q", a.Status, remoteText(said.Code), remoteText(said.Description)))
}

// classify is the table of refusals: by status first, then by the CSC's and OAuth2's codes, then by the words of the CSC's error
// tables, which give most faults the one code invalid_request.
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
		return fail(signing.KindProvider, "the signing service asks for fewer requests").retryable(0)
	case status >= 500 && status != http.StatusNotImplemented:
		return fail(signing.KindProvider, "the signing service failed").retryable(0)
	case status == http.StatusRequestTimeout:
		return fail(signing.KindProvider, "the signing service did not get the whole request").retryable(0)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone, status == http.StatusNotImplemented:
		return fail(signing.KindConfiguration, "the signing service does not offer this at its configured URL").can(askOtherPlace)
	case status >= 300 && status < 400:
		return fail(signing.KindConfiguration, "the signing service sends us to another address").can(askOtherPlace)
	case status == http.StatusUnauthorized, code == "invalid_token", code == "expired_token":
		return fail(signing.KindProviderCredentials, "the signing service does not accept our access token").can(renewToken)
	case code == "invalid_pin", code == "invalid_otp", code == "invalid_authentication_data", code == "authentication_error":
		return fail(signing.KindProviderCredentials, "the signing service does not accept our PIN or one-time password")
	case code == "invalid_client", code == "unauthorized_client", code == "invalid_scope":
		return fail(signing.KindProviderCredentials, "the signing service does not accept our client id or secret")
	case code == "server_error", code == "temporarily_unavailable":
		return fail(signing.KindProvider, "the signing service failed").retryable(0)
	case code == "access_denied", status == http.StatusForbidden, says("locked", "is disabled", "suspended", "blocked"):
		return fail(signing.KindProviderAccount, "the signing service denies the use of the credential").can(readAgain)
	case says("certificate is expired", "certificate has expired", "certificate is revoked"):
		return fail(signing.KindCertificate, "the signing certificate is expired or revoked").can(readAgain)
	case says("not yet been completed"):
		return fail(signing.KindProvider, "the signing service has not finished").retryable(0).can(pending)
	case says("sad expired", "parameter sad", "sad is", "expired sad"):
		return fail(signing.KindProvider, "the signing service does not accept its own authorisation").retryable(0).can(renewSAD)
	case says("too high"):
		return fail(signing.KindProvider, "the signing service takes fewer signatures at a time").can(readAgain)
	case says("credentialid", "signalgo", "hashalgo", "operationmode"):
		return fail(signing.KindConfiguration, "the signing service does not accept the configured credential or algorithm").can(readAgain)
	}
	return fail(signing.KindProvider, "the signing service refused the request")
}
