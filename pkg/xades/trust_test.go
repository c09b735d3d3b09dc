package xades

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestTrust: only with roots does Verify ask whether the certificates of the signer and of the
// authorities are trusted.
func TestTrust(t *testing.T) {
	p, other := pkis()["P-256"], pkis()["RSA-SHA256"]
	for _, level := range levels {
		signed, err := signLevel(t, []byte(awkward), level, nil, p, &baseline)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name    string
			roots   *x509.CertPool
			verdict Verdict
			reason  string
		}{
			{"no roots", nil, Valid, ""},
			{"the right root", p.Roots(), Valid, ""},
			{"another root", other.Roots(), Invalid, "its certificate is not trusted"},
		} {
			all, err := Verify(t.Context(), inMemory(signed), VerifyOptions{Roots: c.roots})
			if err != nil || len(all) != 1 {
				t.Fatalf("%s, %s: %d signatures, %v", level, c.name, len(all), err)
			}
			s := all[0]
			if s.Verdict != c.verdict || !strings.Contains(s.Reason, c.reason) || (s.Level == "") == (s.Verdict == Valid) {
				t.Errorf("%s, %s: %s %s %q, want %s, %q", level, c.name, s.Verdict, s.Level, s.Reason, c.verdict, c.reason)
			}
			if stamped := level != signing.LevelB && c.verdict == Valid; s.Stamped.IsZero() == stamped ||
				stamped && !s.Judged.Equal(s.Stamped) || !stamped && !s.Judged.Equal(s.SigningTime) {
				t.Errorf("%s, %s: stamped %s, claimed %s, judged %s", level, c.name, s.Stamped, s.SigningTime, s.Judged)
			}
		}
	}
}

// TestUntrustedAuthority: the time of an authority that is not trusted does not count.
func TestUntrustedAuthority(t *testing.T) {
	p := pkis()["P-256"]
	in := levelInput([]byte(awkward), signing.LevelT, nil)
	signed := signAs(t, &Format{Timestamper: pkis()["RSA-SHA256"]}, in, p.Credential, p.Sign)
	for _, c := range []struct {
		roots *x509.CertPool
		want  string
	}{
		{nil, `valid "" B-T, stamped true`},
		{p.Roots(), `not valid "its timestamp: its certificate is not trusted`},
	} {
		s := must(Verify(t.Context(), inMemory(signed), VerifyOptions{Roots: c.roots}))[0]
		got := fmt.Sprintf("%s %q %s, stamped %v", s.Verdict, s.Reason, s.Level, !s.Stamped.IsZero())
		if !strings.HasPrefix(got, c.want) || c.roots != nil && !strings.HasSuffix(got, "stamped false") {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// signAs signs a document with what sign returns for the digest.
func signAs(
	t *testing.T, f *Format, in signing.Input, c *signing.Credential, sign func([]byte) ([]byte, error),
) []byte {
	t.Helper()
	prepared := must(f.Prepare(t.Context(), in, c))
	section, pieces, err := f.Embed(t.Context(), in, prepared, must(sign(prepared.Digest)))
	if err != nil {
		t.Fatal(err)
	}
	joined := must(signing.Join(in.File, bytes.NewReader(section), pieces))
	return must(io.ReadAll(io.NewSectionReader(joined, 0, joined.Size())))
}

// TestValidity: the certificate is judged at the time that the signer claims.
func TestValidity(t *testing.T) {
	k := testKeys()["P-256"]
	c := k.credential.Certificate()
	for _, tt := range []struct {
		name    string
		signed  time.Time
		now     time.Time
		verdict Verdict
		says    string
	}{
		{"now", testTime, testTime, Valid, ""},
		{"too early", c.NotBefore.Add(-time.Second), testTime, Invalid, "is not valid before 2026-03-04T03:06:07Z"},
		{"too late", c.NotAfter.Add(time.Second), testTime, Invalid, "its certificate expired at "},
		{"expired since", testTime, c.NotAfter.Add(time.Second), Valid, "no timestamp proves that the signature"},
	} {
		in := inputOf([]byte("<a/>"), nil)
		in.Time = tt.signed
		signed := signAs(t, &Format{}, in, k.credential, k.sign)
		s := must(Verify(t.Context(), inMemory(signed), VerifyOptions{Now: tt.now}))[0]
		if said := s.Reason + strings.Join(s.Notes, ""); s.Verdict != tt.verdict || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %s %q, want %s, %q", tt.name, s.Verdict, said, tt.verdict, tt.says)
		}
	}
}
