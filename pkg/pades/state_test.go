package pades

import (
	"bytes"
	"context"
	"crypto"
	"reflect"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestState tests that a whole state is read back, and that a part of one is refused.
func TestState(t *testing.T) {
	s := &state{
		Version:      stateVersion,
		OriginalSize: 1 << 40,
		Head:         []byte("head<"),
		Reserved:     8,
		Tail:         []byte(">tail"),
		Signature:    7,
		Hash:         uint(crypto.SHA256),
		Midstate:     []byte("midstate"),
		Algorithm:    signing.RSAPSS,
		Attributes:   []byte{0x31, 0},
		Chain:        [][]byte{[]byte("leaf"), []byte("root")},
		Rehearsed:    rehearsed{GapStart: 4, GapEnd: 14, Around: []byte("sum")},
	}
	encoded := s.encode()
	got, err := decodeState(encoded, 1<<40)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("decodeState = %+v, %v, want %+v", got, err, s)
	}
	if _, err := decodeState(encoded, 1); err == nil {
		t.Error("decodeState for another document = nil error")
	}
	for n := range encoded {
		if _, err := readState(encoded[:n]); err == nil {
			t.Errorf("readState of the first %d bytes = nil error", n)
		}
	}
	if _, err := readState(append(bytes.Clone(encoded), 0)); err == nil {
		t.Error("readState with a byte more = nil error")
	}
	first := s.encode()
	first[0] = 1
	if got, err := readState(first[:len(first)-len("\x04\x0e\x03sum")]); err != nil || len(got.Rehearsed.Around) != 0 ||
		len(got.Chain) != 2 {
		t.Errorf("readState of version 1 = %+v, %v, want it without the rehearsal", got, err)
	}
	s.Version++
	if _, err := readState(s.encode()); err == nil {
		t.Error("readState of a later version = nil error")
	}
}

func FuzzState(f *testing.F) {
	f.Add(
		(&state{Version: stateVersion, Head: []byte("<"), Reserved: 2, Tail: []byte(">"), Hash: uint(crypto.SHA384),
			Chain: [][]byte{{1}}}).encode(),
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readState(b)
		if err != nil {
			return
		}
		again, err := readState(s.encode())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("state %+v became %+v, %v", s, again, err)
		}
	})
}

// TestCheckValue checks values against the certificate with which the document was prepared.
func TestCheckValue(t *testing.T) {
	k, stranger := rsaKey(), newTestKey(mustRSA(t), signing.RSAPKCS1, crypto.SHA256)
	p, err := (&Format{}).Prepare(context.Background(), input(t, onePage("", "").bytes(), signing.LevelB), k.credential)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		p     signing.Prepared
		value []byte
		ok    bool
	}{
		"its value":           {p, k.sign(t, p.Digest), true},
		"a stranger's":        {p, stranger.sign(t, p.Digest), false},
		"over another digest": {p, k.sign(t, make([]byte, 32)), false},
		"none":                {p, nil, false},
		"an empty state":      {signing.Prepared{Digest: p.Digest}, k.sign(t, p.Digest), false},
	} {
		if err := (&Format{}).CheckValue(c.p, c.value); (err == nil) != c.ok {
			t.Errorf("%s: CheckValue = %v, want it to pass: %v", name, err, c.ok)
		}
	}
}
