package limits

import (
	"strconv"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestBrakeIsBounded fails under many names. The memory stays bounded, and a throttled entry is not
// evicted.
func TestBrakeIsBounded(t *testing.T) {
	b, now := NewBrake(1), time.Unix(1e9, 0)
	fail := func(client, secret string) error {
		return b.Check(NewBrakeKey("192.0.2.1:1", client), now, secret, func() bool { return false })
	}
	for i := range failuresAtOnce {
		if err := fail("held", strconv.Itoa(i)); signing.KindOf(err) != signing.KindUnauthenticated {
			t.Fatalf("check = %v, want %s", err, signing.KindUnauthenticated)
		}
	}
	for i := range 3 * maxBrakes {
		_ = fail(strconv.Itoa(i), "x")
	}
	if len(b.failed) != maxBrakes {
		t.Errorf("%d pairs are remembered, want %d", len(b.failed), maxBrakes)
	}
	err := b.Check(NewBrakeKey("192.0.2.1:2", "held"), now, "right",
		func() bool { t.Error("the secret was looked at"); return true })
	if e := signing.AsError(err); e == nil || e.Kind != signing.KindTooMany || e.RetryAfter != time.Second {
		t.Errorf("check = %v, want %s for a second", err, signing.KindTooMany)
	}
}

func TestBrakeKey(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"[2001:db8::1]:1", "[2001:db8::ffff:0:0:1]:1", true},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", true},
	} {
		if same := NewBrakeKey(tt.a, "c") == NewBrakeKey(tt.b, "c"); same != tt.same {
			t.Errorf("%s and %s are one source: %v, want %v", tt.a, tt.b, same, tt.same)
		}
	}
	if NewBrakeKey("192.0.2.1:1", "a") == NewBrakeKey("192.0.2.1:1", "b") {
		t.Error("two client services are one")
	}
}
