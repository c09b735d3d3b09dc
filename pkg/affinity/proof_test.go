package affinity

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// proving returns a request whose answers must carry the proof "right". It records the questions to
// peers in asks.
func proving(r *http.Request, asks *[]Ask) Request {
	return Request{Request: r, Probe: "/probe", Authorize: func(a Ask) (Pass, error) {
		*asks = append(*asks, a)
		return Pass{Authorization: "pass", Proves: func(_ int, proof string) bool { return proof == "right" }}, nil
	}}
}

// TestProof checks that an answer with a wrong proof is never accepted, and that an answer without
// a proof is accepted only while this run of the peer has given none.
func TestProof(t *testing.T) {
	proof := ""
	f := forwarderTo(t, func(w http.ResponseWriter, _ *http.Request) {
		if proof != "" {
			w.Header().Set(ProofHeader, proof)
		}
	})
	peer := &f.c.Source.(source).directory.Endpoints[0]
	for _, test := range []struct {
		name, proof, instance string
		believed, proved      bool // proved is Ask.Proved of the next question
	}{
		{"an earlier release", "", "uid", true, false},
		{"a stranger", "wrong", "uid", false, false},
		{"an earlier release again", "", "uid", true, false},
		{"a peer", "right", "uid", true, true},
		{"what no longer proves itself", "", "uid", false, true},
		{"a wrong proof", "wrong", "uid", false, true},
		{"the peer again", "right", "uid", true, true},
		{"another run, of an earlier release", "", "uid-2", true, false},
		{"a peer whose runs are not told apart", "right", "", true, true},
		{"an earlier release that came back", "", "", true, false},
	} {
		proof, peer.Instance = test.proof, test.instance
		var asks []Ask
		w := httptest.NewRecorder()
		answered, err := f.Send(w, proving(httptest.NewRequest(http.MethodGet, "/x", nil), &asks), nil, peer, 0)
		if answered != test.believed || !answered && signing.KindOf(err) != signing.KindBusy {
			t.Errorf("%s: Send = %v, %v, want it believed: %v", test.name, answered, err, test.believed)
		}
		if got := w.Header().Get(ProofHeader); got != "" {
			t.Errorf("%s: the client got the proof %q", test.name, got)
		}
		if len(asks) != 1 || asks[0].Method != http.MethodGet || asks[0].URL.Path != "/x" || asks[0].To.Name != "p-1" ||
			f.proofs.given(peer) != test.proved {
			t.Errorf("%s: asked %v, and proved is %v, want %v", test.name, asks, f.proofs.given(peer), test.proved)
		}
	}
}

// TestRefusalNeedsNoProof checks that an answer 401 needs no proof, because a peer that cannot
// verify the pass cannot give a proof.
func TestRefusalNeedsNoProof(t *testing.T) {
	refuse := false
	f := forwarderTo(t, func(w http.ResponseWriter, _ *http.Request) {
		if refuse {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set(ProofHeader, "right")
	})
	owner, _ := f.Owner(1)
	var asks []Ask
	for range 2 {
		_, err := f.Send(httptest.NewRecorder(), proving(httptest.NewRequest(http.MethodGet, "/", nil), &asks), nil, owner, 0)
		if e := signing.AsError(err); refuse && (err == nil || e.Detail != "instance p-1 does not know the credential yet") {
			t.Errorf("Send = %v, want that the peer does not know the credential", err)
		}
		refuse = true
	}
	if !f.proofs.given(owner) {
		t.Error("a refusal takes back that the peer has proved itself")
	}
}

// TestProbeBeforeChange checks that a peer without a proof is probed with a harmless request before
// it gets a request that changes something.
func TestProbeBeforeChange(t *testing.T) {
	stranger := false
	var paths []string
	f := forwarderTo(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.Path)
		w.Header().Set(ProofHeader, map[bool]string{false: "right", true: "wrong"}[stranger])
	})
	owner, _ := f.Owner(1)
	remove := func() (bool, error) {
		var asks []Ask
		return f.Send(httptest.NewRecorder(),
			proving(httptest.NewRequest(http.MethodDelete, "/x", nil), &asks), nil, owner, 0)
	}
	stranger = true
	if answered, err := remove(); answered || signing.KindOf(err) != signing.KindBusy || len(paths) != 1 ||
		paths[0] != "GET /probe" {
		t.Errorf("DELETE at a stranger = %v, %v, asked %v, want the probe alone", answered, err, paths)
	}
	stranger, paths = false, nil
	for range 2 {
		if answered, err := remove(); !answered || err != nil {
			t.Errorf("DELETE = %v, %v", answered, err)
		}
	}
	if len(paths) != 3 || paths[0] != "GET /probe" || paths[1] != "DELETE /x" || paths[2] != "DELETE /x" {
		t.Errorf("the peer was asked %v, want one probe and two DELETEs", paths)
	}
}

// TestMustNotBeAsked checks that nothing is sent to a peer that must not be asked, and that the
// error gives the reason.
func TestMustNotBeAsked(t *testing.T) {
	f := forwarderTo(t, func(http.ResponseWriter, *http.Request) { t.Error("the peer was asked") })
	owner, _ := f.Owner(1)
	why := signing.Errorf(signing.KindBusy, "no key")
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		r := Request{
			Request:   httptest.NewRequest(method, "/", nil),
			Probe:     "/",
			Authorize: func(Ask) (Pass, error) { return Pass{}, why },
		}
		if answered, err := f.Send(httptest.NewRecorder(), r, nil, owner, 0); answered || signing.AsError(err) != why {
			t.Errorf("Send = %v, %v, want the reason", answered, err)
		}
		if answered, err := f.Search(httptest.NewRecorder(), r, 0); answered || signing.AsError(err) != why {
			t.Errorf("Search = %v, %v, want the reason", answered, err)
		}
		if owner, err := f.KeyOwner(r, "/"); owner != nil || signing.AsError(err) != why {
			t.Errorf("KeyOwner = %v, %v, want the reason", owner, err)
		}
	}
}
