package signing_test

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// cachingProvider is a provider that caches its credential until it is told to read it again.
type cachingProvider struct {
	*fakeProvider

	mu     sync.Mutex
	cached *signing.Credential
	reads  int           // reads after the first one
	down   bool          // the service does not describe its credential
	slow   time.Duration // how long one read takes
}

// Credential implements signing.Provider.
func (k *cachingProvider) Credential(ctx context.Context) (*signing.Credential, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cached == nil {
		k.cached, _ = k.fakeProvider.Credential(ctx)
	}
	return k.cached, nil
}

// Refresh implements signing.Refresher.
func (k *cachingProvider) Refresh(ctx context.Context) (*signing.Credential, error) {
	select {
	case <-time.After(k.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	if k.down {
		return nil, signing.Errorf(signing.KindProvider, "not reachable").Retryable(0)
	}
	k.cached, _ = k.fakeProvider.Credential(ctx)
	return k.cached, nil
}

// renew gives the service another key and certificate.
func (k *cachingProvider) renew(t *testing.T) {
	next := newProvider(t)
	next.credential.Chain[0].SerialNumber = big.NewInt(2)
	next.credential.MaxBatch, next.credential.InFlight = k.credential.MaxBatch, k.credential.InFlight
	k.fakeProvider.mu.Lock()
	defer k.fakeProvider.mu.Unlock()
	k.key, k.credential = next.key, next.credential
}

// setDown sets whether the service fails to describe its credential.
func (k *cachingProvider) setDown(down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
}

// runCaching is run with a provider that has read its credential already.
func runCaching(t *testing.T, change func(*harness, *cachingProvider), f func(*testing.T, *harness, *cachingProvider)) {
	t.Helper()
	var k *cachingProvider
	run(t, func(h *harness) {
		k = &cachingProvider{fakeProvider: h.provider}
		h.format.prepared = new(sync.Map)
		h.cfg.Providers = func(string) (signing.Provider, error) { return k, nil }
		if change != nil {
			change(h, k)
		}
		_, _ = k.Credential(context.Background())
	}, func(t *testing.T, h *harness) { f(t, h, k) })
}

// TestRenewedKeyCostsOneCall: when the key is renewed while nothing is signed, one call is lost and
// counted. The credential is read once, and everything is signed within the same attempt.
func TestRenewedKeyCostsOneCall(t *testing.T) {
	runCaching(t, func(h *harness, k *cachingProvider) {
		k.credential.InFlight = 4
	}, func(t *testing.T, h *harness, k *cachingProvider) {
		h.check(h.mustSubmit("a", "r0", names(40)...), signing.StatusExecuted, strings.Repeat("s", 40))
		time.Sleep(5 * time.Minute)
		k.renew(t)
		one, two := h.mustSubmit("a", "r1", names(100)...), h.mustSubmit("b", "r2", names(100)...)
		for _, id := range []signing.ID{one, two} {
			h.check(id, signing.StatusExecuted, strings.Repeat("s", 100))
			if op := h.waitFor(id); op.Tries != 0 {
				t.Errorf("operation %s used up %d retries, want none", id, op.Tries)
			}
		}
		if got := h.checkCounters(false); got.Unknown != 10 || got.Sent != 250 || k.reads != 1 {
			t.Errorf("counters = %+v after %d reads, want 10 unknown, 250 sent, one read", got, k.reads)
		}
	})
}

// TestRenewedKeyUnderLoad: when the key is renewed, no more calls are lost than were in flight, and
// they are counted. They share one read of the credential.
func TestRenewedKeyUnderLoad(t *testing.T) {
	runCaching(t, func(h *harness, k *cachingProvider) {
		k.credential.InFlight = 4
		k.slow = 10 * time.Second // no call begins during that time
		h.provider.answer = func(call int, c signing.Call, values [][]byte) ([][]byte, error) {
			if call == 8 {
				k.renew(t)
			}
			return h.provider.values(c)
		}
	}, func(t *testing.T, h *harness, k *cachingProvider) {
		id := h.mustSubmit("a", "r1", names(200)...)
		op := h.waitFor(id)
		docs, err := h.Documents(t.Context(), id, 0, 200)
		for _, d := range docs { // Embed has verified each with the certificate that it was prepared for
			if d.State != signing.DocumentSigned || err != nil {
				t.Errorf("document %d is %s, %v, want it signed", d.Index, d.State, err)
			}
		}
		if op.Tries != 0 {
			t.Errorf("%d retries were used up, want none", op.Tries)
		}
		if got := h.checkCounters(false); got.Unknown == 0 || got.Unknown > 40 || k.reads != 1 {
			t.Errorf("counters = %+v after %d reads, want 40 digests unknown at most, one read", got, k.reads)
		}
	})
}

// TestBadAnswerOfTheSameKey: when a value does not verify and the certificate is still the same,
// the documents of its call fail and are not paid for again.
func TestBadAnswerOfTheSameKey(t *testing.T) {
	runCaching(t, func(h *harness, k *cachingProvider) {
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call == 0 {
				values[0][len(values[0])-1] ^= 1
			}
			return values, nil
		}
	}, func(t *testing.T, h *harness, k *cachingProvider) {
		want := strings.Repeat("f", 10) + strings.Repeat("s", 10)
		docs := h.check(h.mustSubmit("a", "r1", names(20)...), signing.StatusExecuted, want)
		if f := docs[0].Failure; f.Kind != signing.KindProvider || !strings.Contains(f.Detail, "invalid answer") {
			t.Errorf("failure = %+v, want the invalid answer", f)
		}
		if got := h.checkCounters(false); got.Sent != 20 || got.Unknown != 10 || k.reads != 1 {
			t.Errorf("counters = %+v after %d reads, want 20 sent, 10 unknown, one read", got, k.reads)
		}
	})
}

// TestNoCallDuringRefresh: one of four calls gets an answer of the renewed key. No further call
// begins until the credential has been read again, although the other calls are answered with the
// old key in that time.
func TestNoCallDuringRefresh(t *testing.T) {
	runCaching(t, func(h *harness, k *cachingProvider) {
		k.credential.InFlight = 4
		k.slow = 10 * time.Second
		old := &fakeProvider{key: k.key}
		h.provider.answer = func(call int, c signing.Call, values [][]byte) ([][]byte, error) {
			switch {
			case call == 1:
				k.renew(t)
			case call > 1 && call <= 4: // these began at the same time
				time.Sleep(time.Second)
				return old.values(c)
			}
			return h.provider.values(c)
		}
	}, func(t *testing.T, h *harness, k *cachingProvider) {
		h.check(h.mustSubmit("a", "r0", names(10)...), signing.StatusExecuted, strings.Repeat("s", 10))
		op := h.waitFor(h.mustSubmit("a", "r1", names(100)...))
		if op.Status != signing.StatusExecuted {
			t.Errorf("operation = %s, want EXECUTED", op.Status)
		}
		if got := h.checkCounters(false); got.Unknown != 10 || got.Sent != 120 || k.reads != 1 {
			t.Errorf("counters = %+v after %d reads, want 10 unknown, 120 sent, one read", got, k.reads)
		}
	})
}

// TestBadAnswersTogether: calls that were in flight together and get bad answers share one read of
// the credential. That includes an answer that comes late.
func TestBadAnswersTogether(t *testing.T) {
	runCaching(t, func(h *harness, k *cachingProvider) {
		k.credential.InFlight = 4
		h.provider.answer = func(call int, _ signing.Call, values [][]byte) ([][]byte, error) {
			if call == 0 || call > 4 { // the first call shows that the key is the right one
				return values, nil
			}
			if call == 4 {
				time.Sleep(10 * time.Second)
			}
			values[0][len(values[0])-1] ^= 1
			return values, nil
		}
	}, func(t *testing.T, h *harness, k *cachingProvider) {
		h.check(h.mustSubmit("a", "r0", names(10)...), signing.StatusExecuted, strings.Repeat("s", 10))
		h.waitFor(h.mustSubmit("a", "r1", names(50)...))
		if got := h.checkCounters(false); got.Sent != 60 || got.Unknown != 40 || k.reads != 1 {
			t.Errorf("counters = %+v after %d reads, want 60 sent, 40 unknown, one read", got, k.reads)
		}
	})
}

// TestRenewedKeyThatCannotBeRead: no further call is made while it is not known whether the key was
// renewed. When the credential can be read, everything is signed.
func TestRenewedKeyThatCannotBeRead(t *testing.T) {
	runCaching(t, nil, func(t *testing.T, h *harness, k *cachingProvider) {
		k.renew(t)
		k.setDown(true)
		one, two := h.mustSubmit("a", "r1", names(10)...), h.mustSubmit("b", "r2", names(10)...)
		time.Sleep(90 * time.Second)
		if calls := h.provider.callSizes(); len(calls) != 1 {
			t.Errorf("calls of %v digests while the credential cannot be read, want one", calls)
		}
		k.setDown(false)
		h.check(one, signing.StatusExecuted, strings.Repeat("s", 10))
		h.check(two, signing.StatusExecuted, strings.Repeat("s", 10))
		if got := h.checkCounters(false); got.Unknown != 10 || got.Sent != 30 {
			t.Errorf("counters = %+v, want 10 unknown and 30 sent", got)
		}
	})
}

// TestRenewedKeyUnderPolicyFail: under the policy that nothing is spent twice without a person's
// decision, the documents of the lost call fail and say why. The others are signed.
func TestRenewedKeyUnderPolicyFail(t *testing.T) {
	runCaching(t, func(h *harness, _ *cachingProvider) {
		h.cfg.UnknownOutcome = signing.UnknownFail
	}, func(t *testing.T, h *harness, k *cachingProvider) {
		k.renew(t)
		want := strings.Repeat("f", 10) + strings.Repeat("s", 10)
		docs := h.check(h.mustSubmit("a", "r1", names(20)...), signing.StatusExecuted, want)
		if f := docs[0].Failure; f.Kind != signing.KindProvider || !strings.Contains(f.Detail, "renewed") {
			t.Errorf("failure = %+v, want that the certificate was renewed", f)
		}
		if got := h.checkCounters(false); got.Sent != 20 || got.Unknown != 10 {
			t.Errorf("counters = %+v, want 20 sent and 10 unknown", got)
		}
	})
}

// TestRenewedKeyOfAnotherAlgorithm: when the renewed key has another algorithm and the service
// refuses calls for the old one, no signature is lost.
func TestRenewedKeyOfAnotherAlgorithm(t *testing.T) {
	runCaching(t, nil, func(t *testing.T, h *harness, k *cachingProvider) {
		h.provider.answer = func(call int, c signing.Call, _ [][]byte) ([][]byte, error) {
			if call == 0 {
				return nil, signing.Errorf(signing.KindProvider, "Invalid parameter signAlgo")
			}
			return h.provider.values(c)
		}
		k.renew(t)
		h.check(h.mustSubmit("a", "r1", names(20)...), signing.StatusExecuted, strings.Repeat("s", 20))
		if got := h.checkCounters(true); got.Refused != 10 || got.Unknown != 0 {
			t.Errorf("counters = %+v, want 10 refused and none unknown", got)
		}
	})
}

// deadStore is a store that records no end of a call while it is dead.
type deadStore struct {
	signing.Store
	dead atomic.Bool
}

// AbandonCall implements signing.Journal.
func (d *deadStore) AbandonCall(ctx context.Context, call string, outcome signing.Outcome) error {
	if d.dead.Load() {
		return errors.New("input/output error")
	}
	return d.Store.AbandonCall(ctx, call, outcome)
}

// TestEndBeforeTheLossIsRecorded: when a process ends between a bad answer and its record, the next
// process counts the call once and signs its documents with the renewed key.
func TestEndBeforeTheLossIsRecorded(t *testing.T) {
	var disk *deadStore
	runCaching(t, func(h *harness, k *cachingProvider) {
		disk = &deadStore{Store: h.store}
		disk.dead.Store(true)
		h.store = disk
	}, func(t *testing.T, h *harness, k *cachingProvider) {
		k.renew(t)
		id := h.mustSubmit("a", "r1", names(5)...)
		time.Sleep(45 * time.Second)
		h.stop()
		if calls, err := h.store.OpenCalls(t.Context()); err != nil || len(calls) != 1 {
			t.Fatalf("open calls = %v, %v, want the one whose values do not verify", calls, err)
		}
		disk.dead.Store(false)
		h.start()
		h.check(id, signing.StatusExecuted, "sssss")
		if got := h.checkCounters(false); got.Unknown != 5 || got.Sent != 10 {
			t.Errorf("counters = %+v, want the lost call counted once", got)
		}
	})
}

// TestResumedAnswerOfRenewedKey: when the key was renewed, the answer to a call of an earlier
// process cannot be used. It is counted and its documents are signed again. When the certificate is
// the same, they fail.
func TestResumedAnswerOfRenewedKey(t *testing.T) {
	for name, isRenewed := range map[string]bool{"renewed": true, "the same": false} {
		t.Run(name, func(t *testing.T) {
			runCaching(t, nil, func(t *testing.T, h *harness, k *cachingProvider) {
				other := newProvider(t)
				h.provider.resumed = func(c signing.Call) ([][]byte, error) { return other.values(c) }
				id := h.crashedOperation("one", "two")
				old := k.credential.Certificate().SerialNumber.Text(16)
				h.beginCall(signing.CallRecord{
					Credential: "test", Certificate: old, Handle: "r-1", Refs: twoRefs(id),
				})
				if isRenewed {
					k.renew(t)
				}
				h.format.credential = &h.provider.credential
				h.start()
				want, status := "ff", signing.StatusFailed
				if isRenewed {
					want, status = "ss", signing.StatusExecuted
				}
				h.check(id, status, want)
				if got, err := h.memory.Counters(t.Context()); err != nil || got.Unknown != 2 {
					t.Errorf("counters = %+v, %v, want 2 unknown", got, err)
				}
			})
		})
	}
}

// TestRenewedCertificate: a certificate that is renewed during an operation costs no signature.
// What was prepared for the old certificate is prepared again before it is sent.
func TestRenewedCertificate(t *testing.T) {
	run(t, func(h *harness) { h.format.prepared = new(sync.Map) }, func(t *testing.T, h *harness) {
		p, next := h.provider, newProvider(t)
		old := p.credential
		h.provider.answer = func(_ int, c signing.Call, values [][]byte) ([][]byte, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.credential.Certificate().Equal(old.Certificate()) { // the first calls get the last answer of the old key
				defer func() { p.key, p.credential = next.key, next.credential }()
				return values, nil
			}
			return next.values(c)
		}
		p.credential.InFlight = 1
		id := h.mustSubmit("a", "r1", names(100)...)
		op := h.waitFor(id)
		if op.Status != signing.StatusExecuted || op.Tries != 0 {
			t.Errorf("operation = %+v, want it executed at the first attempt", op)
		}
		if got := h.checkCounters(true); got.Returned != 100 || got.Refused != 0 {
			t.Errorf("counters = %+v, want 100 returned and none refused", got)
		}
		docs, err := h.Documents(t.Context(), id, 0, 100)
		for _, d := range docs {
			if d.State != signing.DocumentSigned || err != nil {
				t.Errorf("document %d is %s, %v", d.Index, d.State, err)
			}
		}
	})
}
