package credentials_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestRun checks when a credential is read although nobody signs. A credential that could be read
// is not read again until its certificate expires. One that could not be read is read again after a
// minute, or after an hour if the remote side refused us, and at once if client services changed.
func TestRun(t *testing.T) {
	transient := signing.Errorf(signing.KindProvider, "away").Retryable(0)
	refused := signing.Errorf(signing.KindProviderCredentials, "refused")
	const far = 48 * time.Hour
	for _, c := range []struct {
		name    string
		fault   *signing.Error // of the first read; later ones succeed
		after   time.Duration
		changed bool // whether client services changed meanwhile
		reads   int
		fine    bool          // whether the credential has no fault in the end
		expires time.Duration // of the certificate
	}{
		{"readable", nil, 24 * time.Hour, true, 1, true, far},
		{"away", transient, 2 * time.Minute, false, 2, true, far},
		{"refused", refused, 30 * time.Minute, false, 1, false, far},
		{"refused for long", refused, 2 * time.Hour, false, 2, true, far},
		{"refused until a change", refused, 2 * time.Minute, true, 2, true, far},
		{"expires", nil, 150 * time.Second, false, 2, false, 90 * time.Second},
		{"expired for some minutes", nil, 270 * time.Second, false, 4, false, 90 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seal := &fakeProvider{name: "seal", fault: c.fault, ends: time.Now().Add(c.expires)}
				current := services(t, "a", "b")
				s := newSet(t, credentials.Config{ClientServices: current, Default: seal, DefaultName: "seal"})
				fine := func() bool { list, _ := s.Health(1); return list[0].Fault == "" }
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- s.Run(ctx) }()
				synctest.Wait()
				if got := fine(); got != (c.fault == nil) {
					t.Errorf("at the start it has no fault: %v", got)
				}
				seal.recover()
				if c.changed {
					current.set(t, clientservice.ClientService{ID: "a"})
				}
				time.Sleep(c.after)
				synctest.Wait()
				if got := fine(); got != c.fine {
					t.Errorf("after %v it has no fault: %v, want %v", c.after, got, c.fine)
				}
				stop()
				if err := <-ended; err != nil {
					t.Errorf("Run = %v", err)
				}
				if seal.reads != c.reads {
					t.Errorf("it was read %d times, want %d", seal.reads, c.reads)
				}
			})
		})
	}
}

// TestRunNewClientService checks that the credential of a new client service is read within a
// minute.
func TestRunNewClientService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		current := services(t, "a")
		s := newSet(t, credentials.Config{ClientServices: current, AtDomain: &fakeDomain{}})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		current.set(t, clientservice.ClientService{ID: "a"}, clientservice.ClientService{ID: "b"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if list, _ := s.Health(10); len(list) != 2 || list[1].Name != "service-domain/b" {
			t.Errorf("Health = %v, want the credentials of a and b", list)
		}
		stop()
		<-ended
	})
}
