package limits

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestPatience refuses requests for ten seconds when three waits have timed out. Then it admits one
// request as a probe.
func TestPatience(t *testing.T) {
	p, now := NewPatience(time.Minute), time.Now()
	admitted := func(client string) bool {
		t.Helper()
		_, err := p.Admit(client, now)
		e := signing.AsError(err)
		if err != nil && (e.Kind != signing.KindBusy || e.RetryAfter <= 0 || e.RetryAfter > refusedFor) {
			t.Errorf("admit = %v, to be repeated after %v", err, e.RetryAfter)
		}
		return err == nil
	}
	for range 2 {
		p.Waited("a", false, now)
	}
	p.Waited("a", true, now) // a result in between resets the count
	for range 2 {
		p.Waited("a", false, now)
	}
	if !admitted("a") {
		t.Error("refused after two timed-out waits")
	}
	p.Waited("a", false, now)
	if admitted("a") {
		t.Error("admitted after three timed-out waits")
	}
	if !admitted("b") {
		t.Error("another client service is refused")
	}
	now = now.Add(refusedFor)
	if !admitted("a") {
		t.Error("want one request admitted as a probe")
	}
	if admitted("a") {
		t.Error("want no other request until the probe has ended")
	}
	now = now.Add(time.Minute)
	p.Waited("a", false, now) // it timed out
	if admitted("a") {
		t.Error("admitted after a fourth timed-out wait")
	}
	now = now.Add(refusedFor)
	if !admitted("a") {
		t.Error("want a second probe")
	}
	now = now.Add(p.wait + refusedFor) // the probe never reported
	if !admitted("a") {
		t.Error("requests are refused for ever")
	}
	p.Waited("a", true, now)
	for range 2 {
		if !admitted("a") {
			t.Error("refused after a result in time")
		}
	}
}

// TestPatienceOfAnAbandonedProbe admits the next request as a probe when the probe is refused for
// its content.
func TestPatienceOfAnAbandonedProbe(t *testing.T) {
	p, now := NewPatience(time.Minute), time.Now()
	for range maxTimedOut {
		p.Waited("a", false, now)
	}
	now = now.Add(refusedFor)
	for range 2 {
		if probe, err := p.Admit("a", now); !probe || err != nil {
			t.Errorf("admit = %v, %v, want a probe", probe, err)
		}
		if _, err := p.Admit("a", now); err == nil {
			t.Error("admitted beside the probe")
		}
		p.Abandon("a", now)
	}
}
