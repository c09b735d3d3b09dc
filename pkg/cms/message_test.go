package cms

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/binary"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/ber"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// length returns the length that the header of an element declares, and the size of the header.
func length(header []byte) (content, size int64) {
	if header[1] < 0x80 {
		return int64(header[1]), 2
	}
	n := int(header[1] & 0x7f)
	var b [8]byte
	copy(b[8-n:], header[2:])
	return int64(binary.BigEndian.Uint64(b[:])), int64(2 + n)
}

// TestMessageLengths: the outer length fits a content of any size, and the content follows its own
// header.
func TestMessageLengths(t *testing.T) {
	id := newIdentity(t, newKey(t, signing.ECDSA, elliptic.P256()), "", 1)
	m := Message{DigestAlgorithms: [][]byte{DigestAlgorithm(crypto.SHA256)}, Certificates: [][]byte{id.chain[0].Raw}}
	for _, n := range []int64{0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 24, 1<<31 - 1, 1 << 32, 5 << 30, 1 << 40} {
		for _, form := range []ContentForm{Detached, Octets, Element} {
			m.Content = Content{Form: form, Size: n}
			if form == Detached {
				m.Content.Size = 0
			}
			head, tail, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			content, header := length(head)
			if want := int64(len(head)) + m.Content.Size + int64(len(tail)); content+header != want {
				t.Errorf("form %d, %d bytes: the whole has %d bytes, want %d", form, n, content+header, want)
			}
			if form == Octets {
				if want := ber.AppendHeader(nil, []byte{4}, n); !bytes.HasSuffix(head, want) {
					t.Errorf("the content has the header %x, want %x", head[len(head)-len(want):], want)
				}
			}
		}
	}
}

// TestMessageVersion: the version is the one that the elements require (RFC 5652 5.1).
func TestMessageVersion(t *testing.T) {
	ocsp, err := OCSPChoice([]byte{0x30, 0})
	if err != nil {
		t.Fatal(err)
	}
	if got := OCSPOf(ocsp); !bytes.Equal(got, []byte{0x30, 0}) {
		t.Errorf("OCSPOf = %x", got)
	}
	if got := OCSPOf([]byte{0x30, 0}); got != nil {
		t.Errorf("OCSPOf of a CRL = %x", got)
	}
	for _, c := range []struct {
		m    Message
		want int
	}{
		{Message{}, 1},
		{Message{Version: 3}, 3},
		{Message{Content: Content{Type: OIDTSTInfo}}, 3},
		{Message{CRLs: [][]byte{{0x30, 0}}}, 1},
		{Message{CRLs: [][]byte{{0x30, 0}, ocsp}}, 5},
		{Message{Certificates: [][]byte{{0xa2, 0}}}, 4},
	} {
		if got := c.m.version(); got != c.want {
			t.Errorf("version of %+v = %d, want %d", c.m, got, c.want)
		}
	}
}

// TestHashIndex: an index finds exactly what it was made of.
func TestHashIndex(t *testing.T) {
	id := newIdentity(t, newKey(t, signing.ECDSA, elliptic.P256()), "", 1)
	der := id.sign(t, signing.ECDSA, crypto.SHA256, []byte("content"))
	der, err := AddUnsignedAttribute(der, OIDSignatureTimestamp, []byte{5, 0})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Signer()
	if err != nil {
		t.Fatal(err)
	}
	crls := [][]byte{{0x30, 0}}
	made, err := s.NewHashIndex(crypto.SHA384, d.RawCertificates, crls)
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseHashIndex(made.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if read.Hash != crypto.SHA384 || len(read.Certificates) != 2 || len(read.CRLs) != 1 || len(read.Attributes) != 1 {
		t.Errorf("index = %+v", read)
	}
	if err := new(Archived).match(d, s, read); err == nil {
		t.Error("a missing CRL is not noticed")
	}
	d.CRLs = crls
	a := new(Archived)
	if err := a.match(d, s, read); err != nil || len(a.Certificates) != 2 || len(a.CRLs) != 1 {
		t.Errorf("archived = %+v, %v", a, err)
	}
	for _, bad := range [][]byte{nil, {0x30, 0}, made.Encode()[:10], append(made.Encode(), 0)} {
		if _, err := parseHashIndex(bad); err == nil {
			t.Errorf("index %x is accepted", bad)
		}
	}
}
