package signing_test

import (
	"io"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestUnknownOutcome: when an answer is lost, the policy decides whether the documents are signed
// again or fail. The lost signatures are counted as unknown.
func TestUnknownOutcome(t *testing.T) {
	loseFirst := failFirst(1, &signing.Error{Kind: signing.KindProvider, Detail: "no answer", Unknown: true})
	for policy, want := range map[signing.UnknownPolicy]struct {
		status signing.Status
		docs   string
		made   int
	}{
		signing.UnknownRetry: {signing.StatusExecuted, "ss", 4},
		signing.UnknownFail:  {signing.StatusFailed, "ff", 2},
	} {
		t.Run(string(policy), func(t *testing.T) {
			run(t, func(h *harness) {
				h.cfg.UnknownOutcome, h.provider.answer = policy, loseFirst
			}, func(t *testing.T, h *harness) {
				h.check(h.mustSubmit("a", "r1", "one", "two"), want.status, want.docs)
				if c := h.checkCounters(false); c.Unknown != 2 || h.provider.made != want.made {
					t.Errorf("made %d, counters %+v, want %d made and 2 unknown", h.provider.made, c, want.made)
				}
			})
		})
	}
}

// TestAnswersAreChecked: an invalid answer of a provider never reaches a document and is not paid
// for again.
func TestAnswersAreChecked(t *testing.T) {
	other := newProvider(t)
	for name, answer := range map[string]func(c signing.Call, values [][]byte) [][]byte{
		"order":   func(_ signing.Call, v [][]byte) [][]byte { v[0], v[1] = v[1], v[0]; return v },
		"count":   func(_ signing.Call, v [][]byte) [][]byte { return v[:1] },
		"more":    func(_ signing.Call, v [][]byte) [][]byte { return append(v, v[0]) },
		"empty":   func(signing.Call, [][]byte) [][]byte { return make([][]byte, 2) },
		"huge":    func(_ signing.Call, v [][]byte) [][]byte { v[0] = append(v[0], make([]byte, 1<<20)...); return v },
		"key":     func(c signing.Call, _ [][]byte) [][]byte { v, _ := other.values(c); return v },
		"nothing": func(signing.Call, [][]byte) [][]byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(h *harness) {
				h.provider.answer = func(_ int, c signing.Call, v [][]byte) ([][]byte, error) { return answer(c, v), nil }
			}, func(t *testing.T, h *harness) {
				h.check(h.mustSubmit("a", "r1", "one", "two"), signing.StatusFailed, "ff")
				if c := h.checkCounters(false); c.Unknown != 2 || len(h.provider.callSizes()) != 1 {
					t.Errorf("counters %+v, calls %v, want 2 unknown of one call", c, h.provider.callSizes())
				}
			})
		})
	}
}

// TestPanicOfProviderIsUnknown: when a provider panics, the document fails without the text of the
// panic, and each call counts as unknown.
func TestPanicOfProviderIsUnknown(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) { panic("nil map") }
		docs := h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if f := docs[0].Failure; f.Kind != signing.KindProvider || strings.Contains(f.Detail, "nil map") {
			t.Errorf("failure = %+v, want provider without the panic's text", f)
		}
		if c := h.checkCounters(false); c.Unknown != 4 {
			t.Errorf("counters = %+v, want 4 unknown, because a panic may come after the signature", c)
		}
	})
}

// TestOtherErrorIsUnknown: an error that does not say what was done counts as an unknown outcome.
func TestOtherErrorIsUnknown(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.provider.answer = failAlways(io.ErrUnexpectedEOF)
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if c := h.checkCounters(false); c.Unknown != 4 || c.Refused != 0 {
			t.Errorf("counters = %+v, want 4 unknown", c)
		}
	})
}

// TestExpiredTokenCallsAreCounted: a call that was refused because a token or activation data had
// expired is made again at once and does not use up an attempt. Each of the calls is in the
// counters. A call that may have signed is not made again at once.
func TestExpiredTokenCallsAreCounted(t *testing.T) {
	for _, c := range []struct {
		name     string
		refusals int
		unknown  bool
		status   signing.Status
		want     signing.Counters
	}{
		{"one", 1, false, signing.StatusExecuted, signing.Counters{Sent: 2, Refused: 1, Returned: 1}},
		{"two", 2, false, signing.StatusExecuted, signing.Counters{Sent: 3, Refused: 2, Returned: 1}},
		{"three", 3, false, signing.StatusFailed, signing.Counters{Sent: 3, Refused: 3}},
		{"one that may have signed", 1, true, signing.StatusExecuted, signing.Counters{Sent: 2, Unknown: 1, Returned: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, func(h *harness) {
				h.provider.answer = failFirst(c.refusals, expiredToken(c.unknown))
			}, func(t *testing.T, h *harness) {
				op := h.waitFor(h.mustSubmit("a", "r1", "one"))
				if retried := op.Tries > 0; op.Status != c.status || retried != c.unknown {
					t.Errorf("operation = %+v, want %s, retried: %v", op, c.status, c.unknown)
				}
				if got := h.checkCounters(!c.unknown); got != c.want {
					t.Errorf("counters = %+v, want %+v", got, c.want)
				}
			})
		})
	}
}
