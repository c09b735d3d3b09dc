package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func TestPlaces(t *testing.T) {
	p := NewPlaces("requests", "being read", 16, 8)
	take := func(client string, n int) (ends []func()) {
		t.Helper()
		for range n {
			done, err := p.Take(client)
			if err != nil {
				t.Fatalf("%s gets no place: %v", client, err)
			}
			ends = append(ends, done)
		}
		return ends
	}
	refused := func(client string) {
		t.Helper()
		if _, err := p.Take(client); signing.KindOf(err) != signing.KindTooMany || signing.AsError(err).RetryAfter <= 0 {
			t.Errorf("take(%s) = %v, want a refusal with the time to come again", client, err)
		}
	}
	ends := take("a", 8)
	refused("a") // half of all
	take("b", 6)
	refused("b") // the rest is for those that have none
	take("c", 1)
	refused("c")
	take("d", 1)
	refused("e") // there is no more
	ends[0]()
	take("e", 1)
	if p.taken != 16 || len(p.byClient) != 5 {
		t.Errorf("%d places of %v are taken, want 16 of 5 client services", p.taken, p.byClient)
	}
}

// TestPlacesAreWaitedFor checks that a free place goes to the first waiter that may have it.
func TestPlacesAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces("answers", "being sent", 4, 2)
		var ends []func()
		for range 2 {
			done, err := p.Take("a")
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, done)
		}
		began, took := time.Now(), make(chan time.Duration, 2)
		for range 2 {
			go func() {
				done, err := p.Wait(t.Context(), "a", time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				took <- time.Since(began)
				done()
			}()
		}
		_, err := p.Wait(t.Context(), "a", time.Second)
		if signing.KindOf(err) != signing.KindTooMany || time.Since(began) != time.Second {
			t.Errorf("wait = %v after %v, want a refusal after 1 s", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Wait(ctx, "a", time.Minute); err == nil {
			t.Error("a client that went away got a place")
		}
		ends[0]()
		for range 2 { // one after the other
			if d := <-took; d != time.Second {
				t.Errorf("a place came after %v, want 1 s", d)
			}
		}
		ends[1]()
		if p.taken != 0 || len(p.queue) != 0 {
			t.Errorf("%d places are taken and %d wait, want none", p.taken, len(p.queue))
		}
	})
}

func TestLeastRateRises(t *testing.T) {
	p := NewPlaces("requests", "being read", 16, 16)
	last := int64(0)
	for i := range 14 {
		if _, err := p.Take("a"); err != nil {
			t.Fatal(err)
		}
		rate := p.LeastRate("a")
		if i < 8 && rate != minBytesPerSecond || i >= 8 && rate <= last {
			t.Errorf("rate with %d places taken = %d after %d", i+1, rate, last)
		}
		last = rate
	}
	for _, client := range []string{"b", "c"} {
		if _, err := p.Take(client); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := p.LeastRate("a"), p.LeastRate("b"); a != maxRateFactor*minBytesPerSecond || b != minBytesPerSecond {
		t.Errorf("rates with no free place = %d and %d for an only place, want %d and %d", a, b,
			maxRateFactor*minBytesPerSecond, minBytesPerSecond)
	}
}
