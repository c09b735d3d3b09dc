package credentials_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestHealthOfMany checks many client services at the service domain. The list is limited, but it
// holds every credential that cannot be read, that fails, or that expires soon. The metrics cover
// all of them.
func TestHealthOfMany(t *testing.T) {
	const limit, others = 10, 30
	ids := []string{"m-bad", "n-refused", "o-soon"}
	for i := range others {
		ids = append(ids, fmt.Sprint(i))
	}
	current, r := services(t, ids...), prometheus.NewPedanticRegistry()
	s := newSet(t, credentials.Config{ClientServices: current, AtDomain: &fakeDomain{}, Registerer: r})
	end := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s.RecordRead("m-bad", nil, signing.Errorf(signing.KindProvider, "away").Retryable(0))
	s.RecordCall(credential("service-domain/n-refused", end.AddDate(9, 0, 0)), "refused")
	s.RecordRead("o-soon", credential("service-domain/o-soon", end), nil)
	for i := range others {
		s.RecordRead(fmt.Sprint(i), credential(fmt.Sprint("service-domain/", i), end.AddDate(1, 0, i)), nil)
	}
	got := gauges(t, r)
	for name, want := range map[string]float64{
		"not_after_timestamp_seconds": float64(end.Unix()), "readable": 0, "valid": 1,
	} {
		if v, ok := got["signstash_credential_"+name+" service-domain"]; !ok || v != want || len(got) != 3 {
			t.Errorf("%s = %v in %v, want %v and one series for each metric", name, v, got, want)
		}
	}
	list, more := s.Health(limit)
	if len(list) != limit || more != len(ids)-limit {
		t.Fatalf("Health(%d) = %d credentials and %d more", limit, len(list), more)
	}
	shown := map[string]bool{}
	for i, h := range list {
		shown[h.Name] = true
		if i > 0 && list[i-1].Name >= h.Name {
			t.Errorf("%s comes after %s", h.Name, list[i-1].Name)
		}
	}
	for _, want := range []string{"m-bad", "n-refused", "o-soon", "0", "1"} {
		if !shown["service-domain/"+want] {
			t.Errorf("%s is left out", want)
		}
	}
	current.set(t, clientservice.ClientService{ID: "o-soon"})
	if list, more := s.Health(limit); len(list) != 1 || more != 0 || list[0].Name != "service-domain/o-soon" {
		t.Errorf("after the removal of all but one client service, Health = %v and %d more", list, more)
	}
}

// TestHealthOfConfigured checks that configured credentials are listed before their first read, and
// that no metric claims anything about them.
func TestHealthOfConfigured(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	s := newSet(t, credentials.Config{
		ClientServices: services(t), Default: &fakeProvider{}, DefaultName: "standard", Registerer: r,
		Named: map[string]signing.Provider{"seal": &fakeProvider{}},
	})
	list, _ := s.Health(10)
	if len(list) != 2 || list[0].Name != "seal" || list[1].Name != "standard" || list[0].State() != "not read yet" {
		t.Errorf("Health = %v", list)
	}
	if got := gauges(t, r); len(got) != 0 {
		t.Errorf("metrics = %v, want none", got)
	}
}

// TestHealthOfCalls checks that a credential is healthy unless its last call failed.
func TestHealthOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t, credentials.Config{
			ClientServices: services(t), Default: &fakeProvider{}, DefaultName: "standard",
		})
		c := credential("standard", time.Now().Add(24*time.Hour))
		for _, outcome := range []string{"returned", "refused", "unknown", "returned"} {
			time.Sleep(time.Second)
			s.RecordCall(c, outcome)
			list, _ := s.Health(1)
			if h := list[0]; h.Healthy() != (outcome == "returned") || !h.Healthy() && h.Outcome != outcome {
				t.Errorf("after %s: %+v", outcome, h)
			}
		}
	})
}

// TestHealthOfExpiredCertificate checks that a certificate that expires after it was read is shown
// as expired before anybody reads it again, and that the log says so once.
func TestHealthOfExpiredCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, logged := prometheus.NewPedanticRegistry(), 0
		s := newSet(t, credentials.Config{
			ClientServices: services(t, "a"), Default: &fakeProvider{}, DefaultName: "key", Registerer: r,
			Log: funcr.New(func(string, string) { logged++ }, funcr.Options{}),
		})
		want := func(when string, valid float64, state string, messages int) {
			t.Helper()
			if got := gauges(t, r)["signstash_credential_valid key"]; got != valid {
				t.Errorf("%s: valid = %v, want %v", when, got, valid)
			}
			if list, _ := s.Health(1); list[0].State() != state {
				t.Errorf("%s: State() = %q, want %q", when, list[0].State(), state)
			}
			if logged != messages {
				t.Errorf("%s: %d messages in the log, want %d", when, logged, messages)
			}
		}
		old := credential("key", time.Now().Add(time.Hour))
		s.RecordRead("a", old, nil)
		want("valid", 1, "", 0)
		time.Sleep(2 * time.Hour)
		const state = "signs nothing: the signing certificate expired on 2000-01-01T01:00:00Z"
		want("expired", 0, state, 0)
		for range 2 {
			s.RecordRead("a", old, signing.AsError(old.CheckValidity(time.Now())))
			want("read after it expired", 0, state, 1)
		}
		s.RecordRead("a", credential("key", time.Now().Add(time.Hour)), nil)
		want("renewed", 1, "", 1)
	})
}
