package keyhome_test

import (
	"context"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome/keyhometest"
)

// direct delivers messages at once.
type direct []*keyhome.Home

func (d direct) Send(ctx context.Context, to int, m keyhome.Message) (keyhome.Reply, error) {
	if to >= len(d) {
		return keyhome.Reply{}, keyhome.ErrNoAnswer
	}
	return d[to].Handle(ctx, m)
}

type noHoldings struct{}

func (noHoldings) Holds(context.Context, keyhome.Key) (bool, error) { return false, nil }

type realClock struct{}

func (realClock) Now() time.Time                                   { return time.Now() }
func (realClock) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// TestUnexpectedDoNotFormAlone starts instances that their list does not contain yet, as with an
// empty peers file. None becomes a member, because each would be the only one. Keys can be used, if
// all others are asked. When the list names them, they become members together.
func TestUnexpectedDoNotFormAlone(t *testing.T) {
	expected := 0
	homes := make(direct, 2)
	for i := range homes {
		homes[i] = keyhome.New(keyhome.Config{
			Ordinal: i, Table: keyhometest.NewMemory(string(rune('a' + i))), Transport: homes, Holdings: noHoldings{},
			View: func() keyhome.View { return keyhome.View{Known: true, Expected: expected} }, Clock: realClock{},
			Lifetime: time.Hour,
		})
	}
	tick := func() {
		for _, h := range homes {
			_ = h.Tick(t.Context()) // it says what it waits for
		}
	}
	for _, h := range homes {
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		tick()
	}
	for i, h := range homes {
		if h.Ready() {
			t.Errorf("instance %d is a member alone", i)
		}
		hold, err := h.Acquire(t.Context(), keyhome.KeyOf("client", string(rune('a'+i))), keyhome.Fingerprint{})
		if err != nil || hold.Outcome != keyhome.Create || !hold.AskAll {
			t.Errorf("instance %d: %+v, %v, want a claim after all were asked", i, hold, err)
		}
		hold.Done(t.Context(), true)
	}
	expected = 2
	for range 3 {
		tick()
	}
	for i, h := range homes {
		if !h.Ready() {
			t.Errorf("instance %d is not a member", i)
		}
	}
	key := keyhome.KeyOf("client", "one")
	first, err := homes[0].Acquire(t.Context(), key, keyhome.Fingerprint{})
	if err != nil || first.Outcome != keyhome.Create {
		t.Fatalf("first: %+v, %v", first, err)
	}
	second, err := homes[1].Acquire(t.Context(), key, keyhome.Fingerprint{})
	if err != nil || second.Outcome != keyhome.Forward || second.Owner != 0 {
		t.Errorf("second: %+v, %v, want it forwarded to 0", second, err)
	}
}
