package limits

import (
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestPatience: three waits in vain close the door for ten seconds; then one request sees whether
// it opens again.
func TestPatience(t *testing.T) {
	p, now := NewPatience(time.Minute), time.Now()
	admitted := func(client string) bool {
		t.Helper()
		_, err := p.Admit(client, now)
		if e := signing.AsError(
			err,
		); err != nil &&
			(e.Kind != signing.KindBusy || e.RetryAfter <= 0 || e.RetryAfter > refusedFor) {
			t.Errorf("admit = %v, to be repeated after %v", err, e.RetryAfter)
		}
		return err == nil
	}
	for range 2 {
		p.Waited("a", false, now)
	}
	p.Waited("a", true, now) // a result in between: nothing is wrong
	for range 2 {
		p.Waited("a", false, now)
	}
	if !admitted("a") {
		t.Error("refused after two waits in vain")
	}
	p.Waited("a", false, now)
	if admitted("a") {
		t.Error("admitted after three waits in vain")
	}
	if !admitted("b") {
		t.Error("another client service is refused")
	}
	now = now.Add(refusedFor)
	if !admitted("a") {
		t.Error("want one request, to see")
	}
	if admitted("a") {
		t.Error("want no other one until it is seen")
	}
	now = now.Add(time.Minute)
	p.Waited("a", false, now) // it was in vain
	if admitted("a") {
		t.Error("admitted after a fourth wait in vain")
	}
	now = now.Add(refusedFor)
	if !admitted("a") {
		t.Error("no second one to see")
	}
	now = now.Add(p.wait + refusedFor) // it was never heard of again
	if !admitted("a") {
		t.Error("the door stays closed for ever")
	}
	p.Waited("a", true, now)
	for range 2 {
		if !admitted("a") {
			t.Error("refused after a result in time")
		}
	}
}

// TestPatienceOfAnUnfitProbe: the one request that is let through to see, and is refused for what
// it is, leaves that to the next one.
func TestPatienceOfAnUnfitProbe(t *testing.T) {
	p, now := NewPatience(time.Minute), time.Now()
	for range vainWaits {
		p.Waited("a", false, now)
	}
	now = now.Add(refusedFor)
	for range 2 {
		if toSee, err := p.Admit("a", now); !toSee || err != nil {
			t.Errorf("admit = %v, %v, want one to see", toSee, err)
		}
		if _, err := p.Admit("a", now); err == nil {
			t.Error("admitted beside the one that is to see")
		}
		p.Unseen("a", now)
	}
}
