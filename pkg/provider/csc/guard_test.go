package csc_test

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/servicetest"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/csc"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestWrongPIN checks that a refused PIN is not sent again until its file changes, not even by
// calls that are under way. So the credential is not blocked.
func TestWrongPIN(t *testing.T) {
	for _, path := range []string{"/csc/v1", "/csc/v2"} {
		file := secretFile(t, "not the PIN")
		set := csc.Settings{URL: "http://simulated.invalid" + path, PINFile: file}
		bubble(t, service.Options{}, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
			var all sync.WaitGroup
			for range 25 {
				all.Go(func() {
					got := attempt(t, s, p, 1)
					if got.Kind != signing.KindProviderCredentials || got.Retry || got.Unknown {
						t.Errorf("%s: outcome = %v, want provider-credentials", path, got)
					}
				})
			}
			all.Wait()
			if n := authorizations(s); n != 1 {
				t.Errorf("%s: the PIN was sent %d times, want once", path, n)
			}
			if err := os.WriteFile(file, []byte(service.PIN), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := attempt(t, s, p, 1); !got.OK {
				t.Errorf("%s: outcome with the right PIN = %v, want signed", path, got)
			}
		})
	}
}

// TestPINIsTriedAgain checks that a refused PIN is sent again after a while.
func TestPINIsTriedAgain(t *testing.T) {
	set := csc.Settings{URL: "http://simulated.invalid", PINFile: secretFile(t, "not the PIN")}
	bubble(t, service.Options{}, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
		for range 10 {
			attempt(t, s, p, 1)
			time.Sleep(10 * time.Minute) // fake
		}
		if n := authorizations(s); n != 2 {
			t.Errorf("the PIN was sent %d times in 100 minutes, want twice", n)
		}
	})
}

// TestTOTPIsSentOnce checks that concurrent calls each use another time-based password (RFC 6238
// 5.2).
func TestTOTPIsSentOnce(t *testing.T) {
	for _, path := range []string{"/csc/v1", "/csc/v2"} {
		opts := service.Options{Credentials: []service.Credential{{OTP: service.OTP, OTPOnce: true}}}
		set := csc.Settings{
			URL:            "http://simulated.invalid" + path,
			TOTPSecretFile: secretFile(t, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
		}
		bubble(t, opts, set, func(t *testing.T, s *service.Service, p *csc.Provider) {
			expired := service.Fault{Endpoint: "signatures/signHash", Misbehaviour: service.ExpiredSAD, Times: 1}
			servicetest.Misbehave(t, s, expired)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if got := attempt(t, s, p, 1); !got.OK {
						t.Errorf("%s: outcome = %v, want signed", path, got)
					}
				})
			}
			all.Wait()
		})
	}
}

// authorizations returns the number of calls of credentials/authorize.
func authorizations(s *service.Service) (n int64) {
	for path, calls := range s.Counts().Calls {
		if strings.HasSuffix(path, "credentials/authorize") {
			n += calls
		}
	}
	return n
}
