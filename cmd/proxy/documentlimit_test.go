package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/store/storetest"
)

func TestDocumentLimit(t *testing.T) {
	const limit = 1000
	s := documentLimit{storetest.NewMemory(), limit}
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, limit - 1, limit} {
		for name, r := range readers(n) {
			if c, err := up.Add(r); err != nil || c.Size != int64(n) {
				t.Errorf("Add of %d bytes, %s = %d bytes, %v", n, name, c.Size, err)
			}
		}
	}
	for _, n := range []int{limit + 1, 100 * limit} {
		for name, r := range readers(n) {
			if _, err := up.Add(r); signing.KindOf(err) != signing.KindTooLarge || err == nil {
				t.Errorf("Add of %d bytes, %s = %v, want KindTooLarge", n, name, err)
			}
		}
	}
}

// readers give n bytes in several ways.
func readers(n int) map[string]io.Reader {
	content := strings.Repeat("x", n)
	return map[string]io.Reader{
		"whole":          bytes.NewReader([]byte(content)),
		"byte by byte":   iotest.OneByteReader(strings.NewReader(content)),
		"end with bytes": iotest.DataErrReader(strings.NewReader(content)),
	}
}

// TestDocumentLimitHandsItsUploadOver wants an operation from an upload that went through the limit.
func TestDocumentLimitHandsItsUploadOver(t *testing.T) {
	s := documentLimit{storetest.NewMemory(), 1000}
	up, err := s.NewUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := up.Add(strings.NewReader("document"))
	if err != nil {
		t.Fatal(err)
	}
	op, err := s.Create(t.Context(), up, signing.NewOperation{
		ClientService: "client", Contents: []signing.Content{c},
		Request: signing.Request{ExternalReference: "r", Documents: []signing.DocumentRequest{{ExternalReference: "d"}}},
	})
	if err != nil || op.DocumentCount != 1 {
		t.Errorf("Create = %+v, %v, want an operation of one document", op, err)
	}
}
