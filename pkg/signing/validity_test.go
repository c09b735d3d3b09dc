package signing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// validBetween gives the certificate of the fake provider another validity. Fake clocks begin on
// 2000-01-01.
func validBetween(p *fakeProvider, notBefore, notAfter time.Duration) {
	now := time.Now()
	p.credential.Chain[0].NotBefore, p.credential.Chain[0].NotAfter = now.Add(notBefore), now.Add(notAfter)
}

// TestCertificateNotValid: no call is made with a certificate that has expired or is not yet valid,
// even if the provider returns it. The documents fail and say why. A certificate that becomes valid
// soon is waited for.
func TestCertificateNotValid(t *testing.T) {
	const prefix = "the signing certificate "
	for name, c := range map[string]struct {
		notBefore, notAfter time.Duration
		detail              string // after prefix; empty = signed
	}{
		"expired":              {-time.Hour, -time.Second, "expired on 1999-12-31T23:59:59Z"},
		"not valid for hours":  {2 * time.Hour, 9 * time.Hour, "is not valid before 2000-01-01T02:00:00Z"},
		"valid in two minutes": {2 * time.Minute, time.Hour, ""},
		"valid":                {-time.Hour, time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(h *harness) { validBetween(h.provider, c.notBefore, c.notAfter) }, func(t *testing.T, h *harness) {
				id := h.mustSubmit("a", "r1", "one", "two")
				if c.detail == "" {
					h.check(id, signing.StatusExecuted, "ss")
					return
				}
				docs := h.check(id, signing.StatusFailed, "ff")
				if f := docs[0].Failure; f.Kind != signing.KindCertificate || f.Detail != prefix+c.detail {
					t.Errorf("failure = %+v, want %s", f, prefix+c.detail)
				}
				calls := len(h.provider.callSizes())
				if op := h.waitFor(id); op.Tries != 0 || calls != 0 {
					t.Errorf("operation = %+v after %d calls, want it to end at the first attempt without a call", op, calls)
				}
			})
		})
	}
}

// TestCertificateExpiresInQueue: prepared documents are not sent any more when the certificate
// expires. If the service has a renewed certificate, they are signed with that one.
func TestCertificateExpiresInQueue(t *testing.T) {
	for name, renewed := range map[string]bool{"not renewed": false, "renewed": true} {
		t.Run(name, func(t *testing.T) {
			runCaching(t, func(h *harness, k *cachingProvider) {
				k.credential.InFlight = 1
				validBetween(h.provider, -time.Hour, 150*time.Millisecond) // in the middle of the second call
				h.provider.answer = func(call int, c signing.Call, values [][]byte) ([][]byte, error) {
					if call == 0 && renewed {
						k.fakeProvider.mu.Lock()
						certificate := *k.credential.Chain[0] // of the same key
						certificate.Raw = append([]byte{}, certificate.Raw...)
						certificate.Raw[len(certificate.Raw)-1] ^= 1
						certificate.NotAfter = certificate.NotAfter.Add(time.Hour)
						k.credential.Chain = append(k.credential.Chain[:0:0], &certificate)
						k.fakeProvider.mu.Unlock()
					}
					return values, nil
				}
			}, func(t *testing.T, h *harness, k *cachingProvider) {
				want := strings.Repeat("s", 40)
				if !renewed {
					want = strings.Repeat("s", 20) + strings.Repeat("f", 20)
				}
				docs := h.check(h.mustSubmit("a", "r1", names(40)...), signing.StatusExecuted, want)
				if f := docs[39].Failure; !renewed && (f == nil || f.Kind != signing.KindCertificate) {
					t.Errorf("failure = %+v, want the certificate's", f)
				}
				wantSent := int64(40)
				if !renewed {
					wantSent = 20
				}
				if got := h.checkCounters(true); got.Sent != wantSent || got.Returned != wantSent {
					t.Errorf("counters = %+v, want %d sent and returned", got, wantSent)
				}
			})
		})
	}
}
