package cms

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

func FuzzParse(f *testing.F) {
	id := newIdentity(f, newKey(f, signing.ECDSA, p256), "org", 7)
	der := id.sign(f, signing.ECDSA, crypto.SHA256, []byte("content"))
	f.Add(der)
	f.Add(toBER(der))
	f.Add(newIdentity(f, rsaKey(), "org", 7).sign(f, signing.RSAPSS, crypto.SHA384, nil))
	f.Add(read(f, "testdata/original/contents.der"))
	f.Add(read(f, "testdata/timestamp/token.der"))
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := Parse(in)
		if err != nil {
			return
		}
		if d.Size+d.Padding != len(in) {
			t.Errorf("size %d + padding %d, want %d", d.Size, d.Padding, len(in))
		}
		_ = d.CheckBaseline()
		if s, err := d.Signer(); err == nil && s.Hash != 0 {
			_, _ = d.Verify(make([]byte, s.Hash.Size()))
		}
		stamped, err := AddTimestamp(in, []byte{0x30, 0})
		if err != nil {
			return
		}
		again, err := Parse(stamped)
		if err != nil {
			t.Fatalf("Parse of what AddTimestamp returned = %v", err)
		}
		if !bytes.Equal(again.Signers[0].Value, d.Signers[0].Value) ||
			len(again.Signers[0].Unsigned(OIDSignatureTimestamp)) != len(d.Signers[0].Unsigned(OIDSignatureTimestamp))+1 {
			t.Error("AddTimestamp changed something else")
		}
	})
}

func FuzzParseTimestamp(f *testing.F) {
	f.Add(read(f, "testdata/timestamp/token.der"))
	f.Fuzz(func(t *testing.T, in []byte) {
		ts, err := ParseTimestamp(in)
		if err != nil {
			return
		}
		_, _ = ts.Verify(ts.Imprint, ts.Hash)
	})
}
