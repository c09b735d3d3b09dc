package cms

import (
	"bytes"
	"crypto"
	"errors"
	"path/filepath"
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
	addForeign(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := Parse(in)
		if err != nil {
			return
		}
		if d.Size+d.Padding != len(in) {
			t.Errorf("size %d + padding %d, want %d", d.Size, d.Padding, len(in))
		}
		_ = d.CheckBaseline()
		for i := range d.Signers {
			judge(t, d, &d.Signers[i])
		}
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

// addForeign adds files of other programs, with several signers, timestamps and validation data.
func addForeign(f *testing.F) {
	f.Helper()
	paths, err := filepath.Glob("../cades/testdata/dss/*.p*7*")
	if err != nil || len(paths) == 0 {
		f.Fatalf("Glob = %d files, %v", len(paths), err)
	}
	for _, path := range paths {
		f.Add(read(f, path))
	}
}

// judge calls everything that reads a signer. An error must say whether the signature is wrong.
func judge(t *testing.T, d *SignedData, s *SignerInfo) {
	t.Helper()
	check := func(err error) {
		if err != nil && !errors.Is(err, ErrMismatch) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrMalformed) {
			t.Errorf("error = %v, want one of the three kinds", err)
		}
	}
	check(d.CheckCAdESBaseline(s))
	_ = s.SigningTime()
	if s.Hash == 0 {
		return
	}
	digest, ok := s.MessageDigest()
	if !ok {
		digest = make([]byte, s.Hash.Size())
	}
	check(d.CheckSignerDigest(s, digest))
	_, err := d.VerifySigner(s, digest)
	check(err)
	_, err = s.SignatureTimestamp()
	check(err)
	for _, token := range s.Unsigned(OIDArchiveTimestampV3) {
		_, err := d.VerifyArchive(s, token, func(h crypto.Hash) []byte { return make([]byte, h.Size()) })
		check(err)
	}
	for _, choice := range d.CRLs {
		_ = OCSPOf(choice)
	}
}

func FuzzParseTimestamp(f *testing.F) {
	token := read(f, "testdata/timestamp/token.der")
	f.Add(token)
	f.Add(toBER(token))
	f.Fuzz(func(t *testing.T, in []byte) {
		ts, err := ParseTimestamp(in)
		if err != nil {
			return
		}
		_, _ = ts.Verify(ts.Imprint, ts.Hash)
	})
}
