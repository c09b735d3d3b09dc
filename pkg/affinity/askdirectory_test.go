package affinity

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// unread is the Source of an instance that has not read its peers file yet.
type unread struct{ Fixed }

func (unread) Directory() (Directory, bool) { return Directory{}, false }

// answering returns instance 1, which knows the directory d; nil = none yet.
func answering(t *testing.T, key string, d *Directory) http.HandlerFunc {
	t.Helper()
	var known Source = unread{}
	if d != nil {
		known = source{directory: *d}
	}
	f, err := NewForwarder(ForwarderConfig{Mode: Forward, Name: "p-1", Source: known, Log: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMessenger(MessengerConfig{Ordinal: 1, Forwarder: f, Keys: sharing(key), BasePath: "/base"})
	return func(w http.ResponseWriter, r *http.Request) {
		received, err := m.Receive(r)
		if err == nil && received.Kind == KindDirectory {
			err = m.AnswerDirectory(w, received)
		}
		if err != nil {
			w.WriteHeader(max(statusOf[signing.KindOf(err)], http.StatusServiceUnavailable))
		}
	}
}

// TestDirectories: an instance learns the numbers of the directory of another one, and the answers
// of those that cannot be believed, do not know them or do not understand the question count for
// nothing.
func TestDirectories(t *testing.T) {
	d := Directory{
		Expected: 2, Ever: 3, Removals: map[int]uint64{2: 1}, RemovalsBase: 7,
		Endpoints: []Published{{Name: "p-1", Ordinal: 1, Host: "h", Port: 1}},
	}
	const key = "a shared key"
	got := sender(t, key, answering(t, key, &d)).Directories(t.Context())
	if len(got) != 1 || got[0].Expected != 2 || got[0].RemovalsOf(2) != 8 || !got[0].Removed(2) {
		t.Errorf("Directories = %+v, want the numbers of %+v", got, d)
	}
	if len(got) == 1 && len(got[0].Endpoints) != 0 {
		t.Errorf("the answer has the endpoints %+v, want none", got[0].Endpoints)
	}
	for name, peer := range map[string]http.HandlerFunc{
		"without a directory": answering(t, key, nil),
		"with another key":    answering(t, "another key", &d),
		"of an old release":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"without a proof":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"expected":1}`) },
	} {
		if got := sender(t, key, peer).Directories(t.Context()); len(got) != 0 {
			t.Errorf("Directories of an instance %s = %+v, want none", name, got)
		}
	}
}

// TestDirectoriesEndsInTime: an instance that hangs does not hold the others up.
func TestDirectoriesEndsInTime(t *testing.T) {
	const key = "a shared key"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := sender(t, key, answering(t, key, &Directory{Expected: 3}), func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel() // as the time of the caller ends
		<-r.Context().Done()
	})
	if got := m.Directories(ctx); len(got) > 1 {
		t.Errorf("Directories = %+v, want none of the instance that hangs", got)
	}
}
