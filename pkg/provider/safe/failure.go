package safe

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
	nothing    hint = iota
	renewToken      // the access token has ended
	readAgain       // what we know of the credential is out of date
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

// unknown marks a failure after which signatures may exist.
func (f *failure) unknown() *failure {
	f.Unknown = true
	return f
}

// lost is a call without a whole answer.
func lost(err error, signs bool) *failure {
	var l *outbound.LostError
	if !errors.As(err, &l) {
		return fail(signing.KindInternal, "").because(err)
	}
	var open *outbound.OpenError
	if errors.As(err, &open) {
		return fail(signing.KindProvider, "SAFE has failed lately and is given a rest").because(err).retryable(open.RetryAfter)
	}
	f := fail(signing.KindProvider, "SAFE did not answer").because(err).retryable(0)
	f.Unknown = signs && l.Sent && !refused(l.Status)
	return f
}

// refused reports whether a status says that nothing was done.
func refused(status int) bool { return status >= 300 && status < 500 }

// unreadable is a good status with nonsense behind it.
func unreadable(err error) *failure {
	return fail(signing.KindProvider, "SAFE gave an invalid answer").because(err).retryable(0)
}

// refusal turns an answer that is no success into what it means. signs: the call may have signed, if it was not refused.
func refusal(a *outbound.Answer, signs bool) *failure {
	var said errorAnswer
	_ = json.Unmarshal(a.Body, &said)
	f := classify(a.Status, strings.ToLower(said.Description))
	if after := outbound.RetryAfter(a.Header, time.Now()); f.Retry && after > 0 {
		f.RetryAfter = after
	}
	f.Unknown = signs && !refused(a.Status)
	return f.because(fmt.Errorf("status %d, error %.100q: %.200q", a.Status, said.Code, said.Description))
}

// classify is the table of refusals, in the words of SAFE's published interface.
func classify(status int, text string) *failure {
	says := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case status == http.StatusTooManyRequests:
		return fail(signing.KindProvider, "SAFE asks for fewer requests").retryable(0)
	case status >= 500:
		return fail(signing.KindProvider, "SAFE failed").retryable(0)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status >= 300 && status < 400:
		return fail(signing.KindConfiguration, "SAFE does not offer this at its configured URL")
	case says("token is expired or has been revoked"):
		return fail(signing.KindProviderCredentials, "the tokens of the SAFE account have ended; its owner has to consent again").can(renewToken)
	case says("signaturelimit"):
		return fail(signing.KindProviderAccount, "the SAFE account has no signatures left")
	case status == http.StatusUnauthorized:
		return fail(signing.KindProviderCredentials, "SAFE does not accept our integrator's name or password")
	case status == http.StatusForbidden:
		return fail(signing.KindProviderAccount, "SAFE denies the use of the account")
	case says("credentialid"), says("signalgo"), says("client name"), says("clientname"):
		return fail(signing.KindConfiguration, "SAFE does not accept the configured credential or client name").can(readAgain)
	case says("does not match with signhashauthorization"):
		return fail(signing.KindProvider, "SAFE does not accept its own authorisation").retryable(0)
	}
	return fail(signing.KindProvider, "SAFE refused the request")
}
