package main

import (
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestHealthOfMany: however many client services there are at the service domain, none that cannot be read or ends soon is forgotten, and the
// page, which does not show all, shows those.
func TestHealthOfMany(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	h := newHealth(r)
	h.read(domainPrefix+"m-bad", nil, signing.Errorf(signing.KindProvider, "away").Retryable(0))
	end := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	credential := func(name string, end time.Time) *signing.Credential {
		return &signing.Credential{Name: domainPrefix + name, Algorithm: signing.RSAPKCS1, Chain: []*x509.Certificate{{NotAfter: end}}}
	}
	h.called(credential("n-refused", end.AddDate(9, 0, 0)), "refused")
	h.read(domainPrefix+"o-soon", credential("o-soon", end), nil)
	const others = 3 * maxShown
	for i := range others {
		name := fmt.Sprint(i)
		h.read(domainPrefix+name, credential(name, end.AddDate(1, 0, i)), nil)
	}
	if u := h.unreadable(domainPrefix + "m-bad"); u == nil || !u.passes {
		t.Errorf("why m-bad could not be read is %+v, want that it passes", u)
	}
	families, err := r.Gather()
	if err != nil || len(families) != 2 {
		t.Fatalf("metrics: %v, %v", families, err)
	}
	for i, want := range []float64{float64(end.Unix()), 0} { // not_after, readable
		if m := families[i].GetMetric(); len(m) != 1 || m[0].GetGauge().GetValue() != want {
			t.Errorf("%s is %v, want %v", families[i].GetName(), m, want)
		}
	}
	all, more := h.credentials()
	if len(all) != maxShown || more != others+3-maxShown {
		t.Fatalf("%d are shown and %d left off", len(all), more)
	}
	shown := map[string]bool{}
	for i, c := range all {
		shown[c.Name] = true
		if i > 0 && all[i-1].Name >= c.Name {
			t.Errorf("%s is shown after %s", c.Name, all[i-1].Name)
		}
	}
	for _, want := range []string{"m-bad", "n-refused", "o-soon", "0", "1"} {
		if !shown[domainPrefix+want] {
			t.Errorf("%s is not shown", want)
		}
	}
}
