package main_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

const (
	largeBytes = 48 << 20 // size of a document: 64 MiB of base64
	// forwardGrowth is generous: it covers buffers and garbage that is not collected yet. A body that
	// is kept in memory takes twice as much.
	forwardGrowth = 32 << 20
)

// largeBody is a request with a PDF of largeBytes. Most of the PDF is zeros, which may stand
// between objects (ISO 32000-2 7.2.3).
func largeBody(reference string) string {
	doc := bytes.NewBuffer(make([]byte, 0, largeBytes+1024))
	doc.WriteString("%PDF-1.7\n")
	doc.Write(make([]byte, largeBytes))
	var offsets []int
	for i, object := range []string{
		"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 9 9]>>",
		"<</Type/Page/Parent 2 0 R>>",
	} {
		offsets = append(offsets, doc.Len())
		fmt.Fprintf(doc, "%d 0 obj %s endobj\n", i+1, object)
	}
	start := doc.Len()
	doc.WriteString("xref\n0 4\n0000000000 65535 f \n")
	for _, o := range offsets {
		fmt.Fprintf(doc, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(doc, "trailer <</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	return fmt.Sprintf(
		`{"externalReference":%q,"description":"d","documents":[{"documentRequest":{"externalReference":"large","name":"a.pdf",`+
			`"contentType":"application/pdf","base64Content":%q},"signatureInfo":{"signatureType":"PAdES"}}]}`,
		reference,
		base64.StdEncoding.EncodeToString(doc.Bytes()),
	)
}

// TestLargeForward checks that an instance forwards large bodies in both directions without keeping
// them in memory.
func TestLargeForward(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	body := largeBody("large")
	send := func(i int) reply {
		return f.call(t, i, http.MethodPost, "document/sign/base64", body, "Idempotency-Key", "large")
	}
	send(1).want(t, "at the holder", http.StatusOK, `"SIGNED"`)
	peak := func() int64 {
		m, err := f.proxies[0].Memory()
		if err != nil {
			t.Skip(err)
		}
		return m.Peak
	}
	before := peak()
	got := send(0)
	got.want(t, "forwarded", http.StatusOK, `"SIGNED"`)
	if got.header.Get("Idempotent-Replayed") != "true" {
		t.Error("it was signed again, not forwarded")
	}
	result := f.call(t, 0, http.MethodGet, "operation/sign/detail/withExternalReference/large", "")
	result.want(t, "its result", http.StatusOK, `"signedContent":"JVBERi`)
	if len(result.body) < largeBytes*4/3 {
		t.Errorf("the result has %d bytes, want all of the document", len(result.body))
	}
	growth := peak() - before
	if growth > forwardGrowth {
		t.Errorf("the peak RSS of the forwarding instance grew by %d MiB, want at most %d", growth>>20, forwardGrowth>>20)
	}
	t.Logf("the peak RSS of the forwarding instance grew by %d KiB", growth>>10)
}
