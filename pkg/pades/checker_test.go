package pades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// assembled signs original and returns what the checker sees.
func assembled(t *testing.T, original []byte, level signing.Level) *assembly {
	t.Helper()
	k := rsaKey()
	authority := newAuthority(t, k)
	f := &Format{Timestamper: authority, Revocation: authority}
	in := input(t, original, level)
	p, err := f.Prepare(context.Background(), in, k.credential)
	if err != nil {
		t.Fatal(err)
	}
	s, err := decodeState(p.State, in.File.Size())
	if err != nil {
		t.Fatal(err)
	}
	a := &assembly{Format: f, in: in, state: s, chains: [][]*x509.Certificate{k.credential.Chain}}
	if err := a.sign(context.Background(), k.sign(t, p.Digest), k.credential.Chain, level); err != nil {
		t.Fatal(err)
	}
	if err := a.addRevisions(context.Background(), level); err != nil {
		t.Fatal(err)
	}
	if err := a.checker().check(t.Context(), level); err != nil {
		t.Fatalf("check of what is right: %v", err)
	}
	return a
}

// swap replaces the first occurrence of old in the sections by new, which has the same length.
func swap(old, replacement string) func(*testing.T, *assembly) {
	return func(t *testing.T, a *assembly) {
		t.Helper()
		if len(old) != len(replacement) || !bytes.Contains(a.sections, []byte(old)) {
			t.Fatalf("the sections do not hold %q, or %q is of another length", old, replacement)
		}
		a.sections = bytes.Replace(a.sections, []byte(old), []byte(replacement), 1)
	}
}

// TestCheckFinds has a failing example for each rule of the checker.
func TestCheckFinds(t *testing.T) {
	signedOnce := mustSign(t, &Format{}, rsaKey(), onePage("", "").bytes(), signing.LevelB)
	for _, tt := range []struct {
		name  string
		level signing.Level // to sign at
		want  signing.Level // to check; empty = level
		spoil func(*testing.T, *assembly)
		text  string
	}{
		{"no startxref", signing.LevelB, "", swap("startxref", "startyref"), "open"},
		{"startxref of the original", signing.LevelB, "", func(t *testing.T, a *assembly) {
			startxref := func(b []byte) []byte {
				return b[bytes.LastIndex(b, []byte("startxref\n"))+10 : bytes.LastIndex(b, []byte("\n%%EOF"))]
			}
			old, now := startxref(signedOnce), startxref(a.sections)
			copy(now, string(old)+"     ")
		}, "is in the original"},
		{"unreadable file", signing.LevelB, "", swap("/Root 1 0 R", "/Roof 1 0 R"), "open"},
		{"no SigFlags", signing.LevelB, "", swap("/SigFlags 3", "/SigFlags 1"), "SigFlags"},
		{"field without value", signing.LevelB, "", swap("/FT /Sig", "/FT /Tig"), "does not hold"},
		{"same name", signing.LevelB, "", swap("(Signature2)", "(Signature1)"), "same name"},
		{"SubFilter", signing.LevelB, "", swap("ETSI.CAdES.detached", "adbe.pkcs7.detached"), "/SubFilter"},
		{"Filter", signing.LevelB, "", swap("/Adobe.PPKLite", "/Adobe.PPKMS  "), "/Filter"},
		{"no M", signing.LevelB, "", swap("/M (", "/N ("), "/M is missing"},
		{"Cert", signing.LevelB, "", swap("/Reason ", "/Cert   "), "/Cert"},
		{"key twice", signing.LevelB, "", swap("/Reason ", "/M      "), "twice"},
		{"hidden widget", signing.LevelB, "", swap("/F 132", "/F 134"), "flags"},
		{"widget that does not print", signing.LevelB, "", swap("/F 132", "/F 128"), "flags"},
		{"no appearance", signing.LevelB, "", swap("/AP <</N", "/AP <</D"), "no appearance"},
		{"on no page", signing.LevelB, "", swap("/Annots [", "/Annotz ["), "not on its page"},
		{"gap before Contents", signing.LevelB, "", moveRange(1, -1), "gap"},
		{"gap after Contents", signing.LevelB, "", func(t *testing.T, a *assembly) {
			moveRange(2, 1)(t, a)
			moveRange(3, -1)(t, a)
		}, "gap"},
		{"gap in the original", signing.LevelB, "", func(t *testing.T, a *assembly) {
			swap("/ByteRange [0 ", "/ByteRange [9 ")(t, a)
		}, "within the file"},
		{"not to the end", signing.LevelB, "", moveRange(3, -1), "ends at"},
		{"beyond the end", signing.LevelB, "", moveRange(3, 1), "within the file"},
		{"another byte", signing.LevelB, "", swap("(Lisboa)", "(Lisbon)"), "SignedData"},
		{"another digit of the value", signing.LevelB, "", flipContents(0.99), "SignedData"},
		{"another digit of the chain", signing.LevelB, "", flipContents(0.4), "SignedData"},
		{"padding not zero", signing.LevelB, "", flipContents(1), "not zero"},
		{"another certificate", signing.LevelB, "", func(_ *testing.T, a *assembly) { a.state.Chain = a.state.Chain[1:] },
			"another certificate"},
		{"another original", signing.LevelB, "", func(t *testing.T, a *assembly) {
			a.state.Midstate = midstate(t, strings.NewReader("another"))
		}, "SignedData"},
		{"no timestamp", signing.LevelB, signing.LevelT, nil, "no timestamp"},
		{"no validation data", signing.LevelT, signing.LevelLT, nil, "does not contain a certificate of the chain"},
		{"no document timestamp", signing.LevelLT, signing.LevelLTA, nil, "covers the validation data"},
		{"no revocation data", signing.LevelLT, "", swap("/OCSPs [", "/OCSPx ["), "no revocation data"},
		{"no certificates", signing.LevelLT, "", swap("/Certs [", "/Cerxs ["), "does not contain a certificate of the chain"},
		{"broken document timestamp", signing.LevelLTA, "", func(t *testing.T, a *assembly) {
			at := bytes.LastIndex(a.sections, []byte("/Contents <")) + 11 + 600
			a.sections[at] ^= 1
		}, "document timestamp"},
		{"changed below the document timestamp", signing.LevelLTA, "", func(t *testing.T, a *assembly) {
			at := bytes.LastIndex(a.sections, []byte("/Type /DSS"))
			a.sections[at+7] = 'X'
		}, "document timestamp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := assembled(t, signedOnce, tt.level)
			if tt.spoil != nil {
				tt.spoil(t, a)
			}
			if tt.want == "" {
				tt.want = tt.level
			}
			err := a.checker().check(t.Context(), tt.want)
			if err == nil || !errors.Is(err, errCheck) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("check = %v, want a finding with %q", err, tt.text)
			}
			if e := signing.AsError(err); e != nil && (e.Kind != signing.KindInternal || e.Detail != "") {
				t.Errorf("a finding is %s %q, want internal and silent", e.Kind, e.Detail)
			}
		})
	}
}

// moveRange adds to one of the numbers of the ByteRange.
func moveRange(index, by int) func(*testing.T, *assembly) {
	return func(t *testing.T, a *assembly) {
		t.Helper()
		start := bytes.Index(a.sections, []byte("/ByteRange [")) + len("/ByteRange [")
		end := start + bytes.IndexByte(a.sections[start:], ']')
		fields := strings.Fields(string(a.sections[start:end]))
		n := int64(0)
		for _, c := range fields[index] {
			n = n*10 + int64(c-'0')
		}
		fields[index] = string(intText(n + int64(by)))
		text := strings.Join(fields, " ")
		copy(a.sections[start:end], text+strings.Repeat(" ", end-start-len(text)))
	}
}

func intText(n int64) []byte {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return b
}

// flipContents changes a digit of the first /Contents. at is its position as a share of the used
// digits. 1 means the last reserved digit.
func flipContents(share float64) func(*testing.T, *assembly) {
	return func(t *testing.T, a *assembly) {
		t.Helper()
		start := bytes.Index(a.sections, []byte("/Contents <")) + len("/Contents <")
		end := start + bytes.IndexByte(a.sections[start:], '>')
		at := end - 1
		if share < 1 {
			used := len(bytes.TrimRight(a.sections[start:end], "0"))
			at = start + int(share*float64(used))
		}
		if a.sections[at] == '1' {
			a.sections[at] = '2'
		} else {
			a.sections[at] = '1'
		}
	}
}

// TestCheckIndependent tests that the checker relies only on what it parses: it notices a section
// that was filled for another size.
func TestCheckIndependent(t *testing.T) {
	a := assembled(t, onePage("", "").bytes(), signing.LevelB)
	a.in.File = newFile(append(onePage("", "").bytes(), "% more\n"...))
	if err := a.checker().check(t.Context(), signing.LevelB); !errors.Is(err, errCheck) {
		t.Errorf("check = %v, want a finding", err)
	}
	a = assembled(t, onePage("", "").bytes(), signing.LevelB)
	a.state.Hash = uint(crypto.SHA512)
	if err := a.checker().check(t.Context(), signing.LevelB); err == nil {
		t.Error("check passed with another hash")
	}
}

// TestCheckAfterRehearsal tests that the checker skips no check if the section differs from the
// rehearsed one, or if there was no rehearsal.
func TestCheckAfterRehearsal(t *testing.T) {
	a := assembled(t, onePage("", "").bytes(), signing.LevelB)
	r := &a.state.Rehearsed
	if !r.same(a.sections) {
		t.Fatal("the section is not the one that was rehearsed")
	}
	for at := range a.sections {
		if inGap := r.GapStart <= at && at < r.GapEnd; inGap && at%97 != 0 {
			continue // the gap's bytes are all alike to the test
		} else {
			a.sections[at]++
			if r.same(a.sections) != inGap {
				t.Errorf("byte %d was changed: same = %v", at, !inGap)
			}
			a.sections[at]--
		}
	}
	for _, broken := range []rehearsed{{}, {GapStart: 1, GapEnd: 2}, {GapStart: 9, GapEnd: 8, Around: r.Around},
		{GapEnd: len(a.sections) + 1, Around: r.Around}} {
		if broken.same(a.sections) {
			t.Errorf("same with %+v", broken)
		}
	}
}
