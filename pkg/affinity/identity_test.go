package affinity

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestIdentity checks for which runs an instance answers.
func TestIdentity(t *testing.T) {
	opened := NewIdentity("uid-2")
	opened.Opened("state", []string{"uid-1"})
	unknown := NewIdentity("")
	unknown.Opened("state", []string{"uid-1"})
	for name, test := range map[string]struct {
		identity *Identity
		accepts  map[string]bool // by target
	}{
		"none":                      {nil, map[string]bool{"": true, "uid-9": true}},
		"a run that is not known":   {unknown, map[string]bool{"": true, "uid-9": true}},
		"before the folder is open": {NewIdentity("uid-2"), map[string]bool{"": true, "uid-2": true, "uid-1": false}},
		"with an earlier run":       {opened, map[string]bool{"": true, "uid-2": true, "uid-1": true, "uid-9": false}},
	} {
		for target, want := range test.accepts {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if target != "" {
				r.Header.Set(TargetHeader, target)
			}
			if got := !test.identity.Misdirected(r); got != want {
				t.Errorf("%s: a request for %q is accepted: %v, want %v", name, target, got, want)
			}
		}
	}
	if got := opened.State(); got != "state" {
		t.Errorf("State = %q, want state", got)
	}
}
