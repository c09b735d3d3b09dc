package signing_test

import (
	"math/big"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// replaceKey gives the service another key, whose certificate has the given serial number.
func (h *harness) replaceKey(serial int64) {
	h.t.Helper()
	next := newProvider(h.t)
	next.credential.Chain[0].SerialNumber = big.NewInt(serial)
	h.provider.mu.Lock()
	defer h.provider.mu.Unlock()
	next.credential.Free = h.provider.credential.Free
	h.provider.key, h.provider.credential = next.key, next.credential
}

// wantSerials compares the serial numbers of certificates of documents.
func wantSerials(t *testing.T, docs []signing.Document, want string) {
	t.Helper()
	for _, d := range docs {
		if d.CertificateSerial != want {
			t.Errorf("document %d is signed with certificate %q, want %q", d.Index, d.CertificateSerial, want)
		}
	}
}

// TestCertificateSerial stores the certificate with each signed document, whether the worker signs
// it or it is signed early.
func TestCertificateSerial(t *testing.T) {
	run(t, nil, func(t *testing.T, h *harness) {
		wantSerials(t, h.check(h.mustSubmit("c", "1", "a", "b"), signing.StatusExecuted, "ss"), "01")
		h.replaceKey(0x123)
		wantSerials(t, h.check(h.mustSubmit("c", "2", "a", "b"), signing.StatusExecuted, "ss"), "0123")
	})
	runEarly(t, func(t *testing.T, h *harness, spy *callSpy) {
		h.replaceKey(0xabc)
		wantSerials(t, h.check(h.mustSubmit("c", "2", "a", "b"), signing.StatusExecuted, "ss"), "0ABC")
		if spy.early != 1 {
			t.Errorf("%d operations were signed early, want 1", spy.early)
		}
	})
}

// TestCertificateSerialAfterCrash keeps the certificate that a document was prepared for, also if
// the service has another one after the restart. It is empty if an earlier release prepared it.
func TestCertificateSerialAfterCrash(t *testing.T) {
	for _, serial := range []string{"0A", ""} {
		run(t, nil, func(t *testing.T, h *harness) {
			id := h.crashedOperation("one", "two")
			refs := twoRefs(id)
			var values [][]byte
			for i, content := range []string{"one", "two"} {
				prepared := []signing.PreparedDocument{{Ref: refs[i], Prepared: signing.Prepared{
					Digest: sum(content), State: sum(content), Certificate: serial}}}
				if err := h.memory.SavePrepared(t.Context(), prepared); err != nil {
					t.Fatal(err)
				}
				value, err := h.provider.values(signing.Call{Digests: [][]byte{sum(content)}})
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, value...)
			}
			call := signing.CallRecord{ID: "call", Credential: "test", Refs: refs}
			h.beginCall(call)
			if err := h.memory.EndCall(t.Context(), call.ID, values); err != nil {
				t.Fatal(err)
			}
			h.start()
			wantSerials(t, h.check(id, signing.StatusExecuted, "ss"), serial)
		})
	}
}
