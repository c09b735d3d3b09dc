package servicetest

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// CheckHangingService checks that other calls use the stale credential while one call waits for the
// new description. Call it in a Bubble.
func CheckHangingService(t *testing.T, s *service.Service, p signing.Provider) {
	t.Helper()
	if _, err := p.Credential(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour) // fake
	Misbehave(t, s, service.Fault{Endpoint: "credentials/info", Misbehaviour: service.Stalled})
	credential := func(who string) {
		if _, err := p.Credential(t.Context()); err != nil {
			t.Errorf("%s caller: Credential = %v, want the stale one", who, err)
		}
	}
	var all sync.WaitGroup
	all.Go(func() { credential("first") })
	synctest.Wait()
	began := time.Now()
	credential("second")
	if took := time.Since(began); took != 0 {
		t.Errorf("the second caller waited %v, want no wait", took)
	}
	all.Wait()
	if time.Since(began) == 0 {
		t.Error("the first caller did not wait for the service")
	}
}
