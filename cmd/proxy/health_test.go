package main

import (
	"crypto/x509"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestHealthOfMany checks many client services at the service domain. No credential that cannot be
// read or expires soon is forgotten. The page cannot show all credentials, but it shows these.
func TestHealthOfMany(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	h := newHealth(r)
	h.read(domainPrefix+"m-bad", nil, signing.Errorf(signing.KindProvider, "away").Retryable(0))
	end := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	credential := func(name string, end time.Time) *signing.Credential {
		return &signing.Credential{
			Name:      domainPrefix + name,
			Algorithm: signing.RSAPKCS1,
			Chain:     []*x509.Certificate{{NotAfter: end}},
		}
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
	if err != nil || len(families) != 3 {
		t.Fatalf("metrics: %v, %v", families, err)
	}
	for i, want := range []float64{float64(end.Unix()), 0, 1} { // not_after, readable, valid
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

// TestHealthOfACertificateThatEnds checks that a certificate that expires after it was read is
// shown as expired, is logged once, and is requested each minute until it is renewed.
func TestHealthOfACertificateThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := prometheus.NewPedanticRegistry()
		h := newHealth(r)
		now := time.Now()
		credential := func(end time.Time) *signing.Credential {
			return &signing.Credential{Name: "key", Chain: []*x509.Certificate{{NotAfter: end}}}
		}
		old := credential(now.Add(time.Hour))
		want := func(what string, valid float64, state string) {
			t.Helper()
			families, err := r.Gather()
			if err != nil || len(families) != 3 {
				t.Fatalf("%s: metrics %v, %v", what, families, err)
			}
			if got := families[2].GetMetric()[0].GetGauge().GetValue(); got != valid {
				t.Errorf("%s: %s = %v, want %v", what, families[2].GetName(), got, valid)
			}
			if all, _ := h.credentials(); all[0].State() != state {
				t.Errorf("%s: the page says %q, want %q", what, all[0].State(), state)
			}
		}
		if h.read("key", old, nil) || h.lapsed("key") {
			t.Error("a valid certificate is news")
		}
		want("valid", 1, "")
		time.Sleep(2 * time.Hour)
		const state = "signs nothing: the signing certificate expired on 2000-01-01T01:00:00Z"
		want("ended", 0, state)
		if !h.lapsed("key") || h.unreadable("key") != nil {
			t.Error("nobody hears that the certificate has ended")
		}
		fault := signing.AsError(old.CheckValidity(time.Now()))
		if !h.read("key", old, fault) || h.read("key", old, fault) {
			t.Error("the end of a certificate is to be news, once")
		}
		want("read after its end", 0, state)
		if u := h.unreadable("key"); u == nil || u.due(time.Now()) || !u.due(time.Now().Add(time.Minute)) {
			t.Errorf("unreadable = %+v, want that it is read again in a minute", u)
		}
		h.read("key", credential(time.Now().Add(time.Hour)), nil)
		want("renewed", 1, "")
	})
}
