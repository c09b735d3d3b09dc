package affinity

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// TestStateOfAPeer checks that a peer that has another state folder than before is not believed
// while its entry in the peers file is the same, and that peers of earlier releases, which do not
// name their state folder, are believed.
func TestStateOfAPeer(t *testing.T) {
	var header string
	f := forwarderTo(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(ProofHeader, "right")
		if header != "" {
			w.Header().Set(StateHeader, header)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	request := Request{
		Request: httptest.NewRequest(http.MethodGet, "/", nil),
		Authorize: func(Ask) (Pass, error) {
			return Pass{
				Proves:      func(_ int, proof string) bool { return proof == "right" },
				ProvesState: func(state, proof string) bool { return proof == "of-"+state },
			}, nil
		},
	}
	peer := &f.c.Source.(source).directory.Endpoints[0]
	for _, test := range []struct {
		name, header, instance string
		believed               bool
	}{
		{"a peer of an earlier release", "", "uid", true},
		{"the same after its upgrade", "one of-one", "uid", true},
		{"the same again", "one of-one", "uid", true},
		{"an empty volume", "two of-two", "uid", false},
		{"a wrong proof", "one of-two", "uid", false},
		{"no proof", "one", "uid", false},
		{"after an upgrade was undone", "", "uid", true},
		{"an empty volume after that", "two of-two", "uid", false},
		{"the first volume", "one of-one", "uid", true},
		{"an empty volume, and the peers file names its run", "two of-two", "uid-2", true},
		{"the first volume after that", "one of-one", "uid-2", false},
		{"an instance without runs", "one of-one", "", true},
		{"its empty volume", "two of-two", "", false},
	} {
		header, peer.Instance = test.header, test.instance
		owner, err := f.KeyOwner(request, "/")
		if owner != nil || (err == nil) != test.believed || err != nil && signing.KindOf(err) != signing.KindBusy {
			t.Errorf("%s: KeyOwner = %v, %v, want its no believed: %v", test.name, owner, err, test.believed)
		}
	}
}
