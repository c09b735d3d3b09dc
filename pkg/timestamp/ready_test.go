package timestamp

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/tsa"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestReady checks that Ready sends a probe when the state is unknown, and that callers share it.
// After a token no probe is sent for some minutes. After a failure the authority is not asked for a
// while and is then probed. Meanwhile another working authority is enough.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTSA(t, nil)
		c := newClient(t, Config{Authorities: []Authority{{URL: "http://tsa"}}, HTTP: direct{"tsa": h}.client()})
		requests := func(what string, want int) {
			t.Helper()
			if h.Requests() != want {
				t.Errorf("%s: %d requests in all, want %d", what, h.Requests(), want)
			}
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := c.Ready(t.Context()); err != nil {
					t.Errorf("Ready = %v", err)
				}
			})
		}
		all.Wait()
		requests("a crowd at the start", 1)
		time.Sleep(4 * time.Minute)
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("Ready = %v", err)
		}
		requests("while the last token is recent", 1)

		time.Sleep(2 * time.Minute)
		h.MisbehaveAlways(tsa.Rejection)
		e := signing.AsError(c.Ready(t.Context()))
		if e == nil || e.Kind != signing.KindTimestamp || !e.Retry {
			t.Errorf("Ready of a rude authority = %v, want KindTimestamp with Retry", e)
		}
		requests("the probe", 2)
		if e := signing.AsError(c.Ready(t.Context())); e == nil || e.RetryAfter <= 0 {
			t.Errorf("Ready after a failure = %v, want the end of the pause", e)
		}
		requests("left alone", 2)
		h.MisbehaveAlways(tsa.Polite)
		time.Sleep(afterFailure.First)
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("Ready of a polite authority = %v", err)
		}
		requests("probed after its pause", 3)
	})
}

// TestReadyOfOthers checks that a failing authority does not matter if the next one returns tokens.
func TestReadyOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, good := newTSA(t, nil), newTSA(t, nil)
		bad.MisbehaveAlways(tsa.Rejection)
		c := newClient(t, Config{
			Authorities: []Authority{{URL: "http://bad"}, {URL: "http://good"}},
			HTTP:        direct{"bad": bad, "good": good}.client(),
		})
		for range 2 {
			if err := c.Ready(t.Context()); err != nil {
				t.Errorf("Ready = %v", err)
			}
		}
		if bad.Requests() != 1 || good.Requests() != 1 {
			t.Errorf("%d and %d requests, want one each", bad.Requests(), good.Requests())
		}
	})
}

// TestReadyUsesNoBudget checks that an authority with a budget is not probed while it works, and
// does not count as ready when its budget is used up.
func TestReadyUsesNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTSA(t, nil)
		c := newClient(t, Config{
			Authorities: []Authority{{URL: "http://tsa", Budget: Budget{2, time.Minute}}},
			HTTP:        direct{"tsa": h}.client(),
		})
		for range 2 {
			if err := c.Ready(t.Context()); err != nil {
				t.Errorf("Ready = %v", err)
			}
			if _, err := c.Timestamp(t.Context(), digest[:], sha); err != nil {
				t.Fatal(err)
			}
		}
		if e := signing.AsError(c.Ready(t.Context())); e == nil || e.RetryAfter != time.Minute || h.Requests() != 2 {
			t.Errorf("Ready without budget = %v after %d requests, want an error for a minute, and 2", e, h.Requests())
		}
		time.Sleep(time.Minute)
		if err := c.Ready(t.Context()); err != nil || h.Requests() != 2 {
			t.Errorf("Ready in the next window = %v after %d requests, want nil and 2", err, h.Requests())
		}
	})
}
