package remotefault_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/remotefault"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

type hint int

// meaning is what a failure tells its caller.
type meaning struct {
	kind           signing.Kind
	retry, unknown bool
	after          time.Duration
	final          bool
}

func of(f *remotefault.Failure[hint]) meaning {
	return meaning{f.Kind, f.Retry, f.Unknown, f.RetryAfter, f.Final()}
}

// TestMeaning checks what each kind of failure says about a retry and about signatures that may
// exist.
func TestMeaning(t *testing.T) {
	const provider = signing.KindProvider
	cut := func(sent bool, status int) error {
		return fmt.Errorf("x: %w", &outbound.LostError{Sent: sent, Status: status, Err: errors.New("cut")})
	}
	answer := func(status int, retryAfter string) *outbound.Answer {
		return &outbound.Answer{Status: status, Header: http.Header{"Retry-After": {retryAfter}}}
	}
	again := func() *remotefault.Failure[hint] { return remotefault.New[hint](provider, "x").Retryable(0) }
	refusal, nothing := remotefault.Said{Refusal: true}, remotefault.Said{}
	no := func() *remotefault.Failure[hint] { return remotefault.New[hint](provider, "x") }
	for name, c := range map[string]struct {
		f    *remotefault.Failure[hint]
		want meaning
	}{
		"lost before it went out": {
			remotefault.Lost[hint]("it", cut(false, 0), true), meaning{kind: provider, retry: true},
		},
		"lost by a call that signs": {
			remotefault.Lost[hint]("it", cut(true, 0), true), meaning{kind: provider, retry: true, unknown: true},
		},
		"lost by another call": {
			remotefault.Lost[hint]("it", cut(true, 0), false), meaning{kind: provider, retry: true},
		},
		"half of a good answer": {
			remotefault.Lost[hint]("it", cut(true, 200), true), meaning{kind: provider, retry: true, unknown: true},
		},
		"half of a refusal": {
			remotefault.Lost[hint]("it", cut(true, 400), true), meaning{kind: provider, retry: true, unknown: true},
		},
		"not implemented, half": {
			remotefault.Lost[hint]("it", cut(true, 501), true), meaning{kind: provider, retry: true, unknown: true},
		},
		"a fault of ours": {remotefault.Lost[hint]("it", errors.New("odd"), true), meaning{}},
		"not its own answer": {
			remotefault.Unreadable[hint]("it", errors.New("HTML"), true), meaning{kind: provider, retry: true, unknown: true},
		},
		"no values": {
			remotefault.Unusable[hint]("it", errors.New("empty")), meaning{kind: provider, unknown: true, final: true},
		},
		"refused": {
			remotefault.Refused(no(), answer(400, "7"), true, refusal), meaning{kind: provider, final: true},
		},
		"refused for now": {
			remotefault.Refused(again(), answer(429, "7"), true, refusal),
			meaning{kind: provider, retry: true, after: 7 * time.Second},
		},
		"like a refusal": {
			remotefault.Refused(again(), answer(429, "7"), true, nothing),
			meaning{kind: provider, retry: true, after: 7 * time.Second, unknown: true},
		},
		"like a refusal, does not sign": {
			remotefault.Refused(no(), answer(404, ""), false, nothing), meaning{kind: provider, final: true},
		},
		"failed, and signs": {
			remotefault.Refused(again(), answer(500, ""), true, nothing), meaning{kind: provider, retry: true, unknown: true},
		},
		"failed, and does not sign": {
			remotefault.Refused(again(), answer(500, ""), false, nothing), meaning{kind: provider, retry: true},
		},
		"refused because of our secret": {
			remotefault.New[hint](signing.KindProviderCredentials, "x"), meaning{kind: signing.KindProviderCredentials},
		},
	} {
		if got := of(c.f); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestRemoteTextStaysInTheLog checks that the log has a service's words in one line of bounded
// length, and that the text for the client never contains them.
func TestRemoteTextStaysInTheLog(t *testing.T) {
	f := remotefault.Refused(
		remotefault.New[hint](signing.KindProvider, "refused"), &outbound.Answer{Status: 400, Header: http.Header{}}, false,
		remotefault.Said{Code: "x\r\nforged: line", Description: strings.Repeat("y", 10_000)},
	)
	if text := f.Error.Error(); len(text) > 600 || strings.ContainsAny(text, "\r\n") || !strings.Contains(text, "forged") {
		t.Errorf("log text has %d bytes: %.100q", len(text), text)
	}
	if f.Detail != "refused" {
		t.Errorf("detail = %q, want refused", f.Detail)
	}
}
