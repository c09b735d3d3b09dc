package signing_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// busy returns an error that is worth a retry.
func busy() error {
	return signing.Errorf(signing.KindProvider, "the signing service is busy").Retryable(0)
}

// TestRetryWithBackoff: a try that failed on the remote side is repeated after the back-off, and
// meanwhile the operation has the status EXECUTION_ERROR.
func TestRetryWithBackoff(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call < 2 {
				return nil, busy()
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		start := time.Now()
		id := h.mustSubmit("a", "r1", "one")
		time.Sleep(30 * time.Second)
		if op, err := h.Service.Operation(t.Context(), "a", id); err != nil || op.Status != signing.StatusRetrying {
			t.Errorf("while a retry is planned: %v, %v, want EXECUTION_ERROR", op.Status, err)
		}
		h.check(id, signing.StatusExecuted, "s")
		if took := time.Since(start); took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("two retries took %v, want a minute each", took)
		}
		h.accounts(true)
	})
}

// TestRetriesAreBounded: after the configured number of retries the documents fail with the reason
// of the last try.
func TestRetriesAreBounded(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) { return nil, busy() }
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if f := docs[0].Failure; f.Kind != signing.KindProvider || f.Detail != "the signing service is busy" {
			t.Errorf("failure = %+v, want the last try's reason", f)
		}
		if got := len(h.provider.callSizes()); got != 4 {
			t.Errorf("%d calls, want the first and 3 retries", got)
		}
	})
}

// TestDeadline: the last try begins at the deadline, however many tries are left and whatever the
// remote side asks for. A restart does not postpone it.
func TestDeadline(t *testing.T) {
	for name, after := range map[string]time.Duration{"backoff": 0, "Retry-After": time.Hour} {
		t.Run(name, func(t *testing.T) {
			const deadline = 25 * time.Minute
			run(t, func(h *harness) {
				h.cfg.Tries, h.cfg.Deadline, h.cfg.Backoff = 1000, deadline, 10*time.Minute
				h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) {
					return nil, signing.Errorf(signing.KindProvider, "later").Retryable(after)
				}
			}, func(t *testing.T, h *harness) {
				id := h.mustSubmit("a", "r1", "one")
				time.Sleep(time.Minute)
				h.stop()
				h.start()
				op := h.waitFor(id)
				if took := op.Ended.Sub(
					op.Created,
				); op.Status != signing.StatusFailed || took < deadline ||
					took > deadline+time.Minute {
					t.Errorf("operation = %s after %v, want %s after %v", op.Status, took, signing.StatusFailed, deadline)
				}
			})
		})
	}
}

// TestRetryAfterIsObeyed: the next try does not begin before the Retry-After of the service has
// passed.
func TestRetryAfterIsObeyed(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call == 0 {
				return nil, signing.Errorf(signing.KindProvider, "later").Retryable(time.Hour)
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		start := time.Now()
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		if took := time.Since(start); took < time.Hour {
			t.Errorf("retried after %v, want an hour", took)
		}
	})
}

// TestRefusedCallIsSplit: when a service refuses a call because of a few digests, only their
// documents fail.
func TestRefusedCallIsSplit(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.credential.MaxBatch = 64
		h.provider.answer = func(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
			for _, d := range c.Digests {
				if d[0] == 0x9f { // it does not matter which document this is
					return nil, signing.Errorf(signing.KindProvider, "the signing service refused the request")
				}
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness) {
		id := h.mustSubmit("a", "r1", names(200)...)
		h.waitFor(id)
		docs, err := h.Documents(t.Context(), id, 0, 200)
		if err != nil {
			t.Fatal(err)
		}
		failed := 0
		for _, d := range docs {
			if d.State == signing.DocumentFailed {
				failed++
			} else {
				h.verify(d)
			}
		}
		if failed == 0 || failed > 4 {
			t.Errorf("%d documents failed, want the few with the refused digest", failed)
		}
		h.accounts(true)
	})
}

// TestRefusedCredentialsAreNotSplit: a call that was refused because of the credentials is not
// split, because more calls would only block the account.
func TestRefusedCredentialsAreNotSplit(t *testing.T) {
	run(t, func(h *harness) {
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) {
			return nil, signing.Errorf(signing.KindProviderCredentials, "the signing service refused the PIN")
		}
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", names(10)...), signing.StatusFailed, "ffffffffff")
		if got := h.provider.callSizes(); len(got) != 1 {
			t.Errorf("calls of %v digests, want one of 10", got)
		}
	})
}

// TestCredentialRead: the Observer is told when a credential cannot be read, and when the same
// credential can be read.
func TestCredentialRead(t *testing.T) {
	var faults []string
	run(t, func(h *harness) {
		asked := 0
		h.cfg.Providers = func(string) (signing.Provider, error) {
			if asked++; asked == 1 {
				return nil, signing.Errorf(signing.KindProvider, "away").Retryable(0)
			}
			return h.provider, nil
		}
		h.cfg.Observer.CredentialRead = func(id string, c *signing.Credential, err *signing.Error) {
			if id != "a" || (c == nil) != (err != nil) {
				t.Errorf("CredentialRead(%q, %v, %v)", id, c, err)
			}
			faults = append(faults, fmt.Sprint(err != nil))
		}
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		if got := strings.Join(faults, " "); got != "true false" {
			t.Errorf("faults heard of: %s, want one and then none", got)
		}
	})
}

// TestUnknownOutcome: when an answer is lost, the policy decides whether the documents are signed
// again or fail. The lost signatures are counted as unknown.
func TestUnknownOutcome(t *testing.T) {
	lost := func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
		if call == 0 {
			return nil, &signing.Error{Kind: signing.KindProvider, Detail: "no answer", Unknown: true}
		}
		return values, nil
	}
	for policy, want := range map[signing.UnknownPolicy]struct {
		status signing.Status
		docs   string
		made   int
	}{
		signing.UnknownRetry: {signing.StatusExecuted, "ss", 4},
		signing.UnknownFail:  {signing.StatusFailed, "ff", 2},
	} {
		t.Run(string(policy), func(t *testing.T) {
			run(t, func(h *harness) { h.cfg.UnknownOutcome, h.provider.answer = policy, lost }, func(t *testing.T, h *harness) {
				h.check(h.mustSubmit("a", "r1", "one", "two"), want.status, want.docs)
				if c := h.accounts(false); c.Unknown != 2 || h.provider.made != want.made {
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
				if c := h.accounts(false); c.Unknown != 2 || len(h.provider.callSizes()) != 1 {
					t.Errorf("counters %+v, calls %v, want 2 unknown of one call", c, h.provider.callSizes())
				}
			})
		})
	}
}

// TestEmbedIsRetriedWithoutSigning: when a step after the paid signature fails, the retry uses the
// stored value.
func TestEmbedIsRetriedWithoutSigning(t *testing.T) {
	tries := 0
	run(t, func(h *harness) {
		h.format.embed = func([]byte) error {
			if tries++; tries < 3 {
				return signing.Errorf(signing.KindTimestamp, "no timestamp").Retryable(0)
			}
			return nil
		}
	}, func(t *testing.T, h *harness) {
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusExecuted, "s")
		if h.provider.made != 1 {
			t.Errorf("%d signatures were made, want 1", h.provider.made)
		}
	})
}

// TestBrokenProviderFailsWithItsReason: when a provider panics, the document fails without the text
// of the panic, and each call counts as unknown.
func TestBrokenProviderFailsWithItsReason(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) { panic("nil map") }
		docs := h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if f := docs[0].Failure; f.Kind != signing.KindProvider || strings.Contains(f.Detail, "nil map") {
			t.Errorf("failure = %+v, want provider without the panic's text", f)
		}
		if c := h.accounts(false); c.Unknown != 4 {
			t.Errorf("counters = %+v, want 4 unknown: a panic may have come after the signature", c)
		}
	})
}

// TestUnexpectedErrorIsInternal: an error that is not an *Error fails the document, and its text is
// not shown to the client.
func TestUnexpectedErrorIsInternal(t *testing.T) {
	run(t, func(h *harness) {
		h.format.embed = func(content []byte) error {
			if bytes.Equal(content, []byte("one")) {
				return errors.New("secret internals")
			}
			return nil
		}
	}, func(t *testing.T, h *harness) {
		docs := h.check(h.mustSubmit("a", "r1", "one", "two"), signing.StatusExecuted, "fs")
		if f := docs[0].Failure; f.Kind != signing.KindInternal || f.Detail != "" {
			t.Errorf("failure = %+v, want internal without a text", f)
		}
	})
}

// TestLostAnswerIsFetched: a lost answer with a handle is requested again while the operation has
// tries left, also after an outage. Nothing is signed twice. Only if the service says that there is
// no answer, the policy decides.
func TestLostAnswerIsFetched(t *testing.T) {
	for name, c := range map[string]struct {
		handle        string
		outage        int
		docs          string
		made, unknown int
	}{
		"there": {"r", 0, "ss", 2, 0}, "after an outage": {"r", 4, "ss", 2, 0}, "after a long outage": {"r", 20, "ss", 2, 0},
		"never": {"lost", 0, "ss", 4, 2}, "never, after a long outage": {"lost", 20, "ss", 4, 2}, "too late": {"r", 100, "ff", 2, 2},
		"never there": {"empty", 0, "ss", 4, 2}, "never there, after a long outage": {"empty", 20, "ss", 4, 2},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(h *harness) {
				h.provider.outage = c.outage
				h.provider.answer = func(n int, call signing.Call, values [][]byte) ([][]byte, error) {
					if n > 0 {
						return values, nil
					}
					if err := call.Note(t.Context(), c.handle); err != nil {
						t.Error(err)
					}
					return nil, &signing.Error{Kind: signing.KindProvider, Unknown: true}
				}
			}, func(t *testing.T, h *harness) {
				status := signing.StatusExecuted
				if c.docs == "ff" {
					status = signing.StatusFailed
				}
				h.check(h.mustSubmit("a", "r1", "one", "two"), status, c.docs)
				calls, err := h.store.OpenCalls(t.Context())
				if got := h.accounts(
					c.unknown == 0,
				); h.provider.made != c.made || got.Unknown != int64(c.unknown) || len(calls) > 0 ||
					err != nil {
					t.Errorf(
						"%d made, counters %+v, open calls %v, %v; want %d made, %d unknown",
						h.provider.made,
						got,
						calls,
						err,
						c.made,
						c.unknown,
					)
				}
			})
		})
	}
}

// TestStrangeErrorIsUnknown: an error that does not say what was done counts as an unknown outcome.
func TestStrangeErrorIsUnknown(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		h.provider.answer = func(int, signing.Call, [][]byte) ([][]byte, error) { return nil, io.ErrUnexpectedEOF }
		h.check(h.mustSubmit("a", "r1", "one"), signing.StatusFailed, "f")
		if c := h.accounts(false); c.Unknown != 4 || c.Refused != 0 {
			t.Errorf("counters = %+v, want 4 unknown", c)
		}
	})
}
