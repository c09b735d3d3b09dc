package clients_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// marker is part of every value that must not appear in an event. Ids have it too, because a secret
// may be under the wrong key.
const marker = "geheim"

// TestFaults checks that an invalid Secret is not rendered, and that one event on it names the
// fault without showing a value.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		data data
		note string
	}{
		"no-id": {data{"secret": marker}, "clientId: is missing or empty"},
		"id-colon": {
			data{"clientId": marker + ":", "secret": "s"},
			"clientId: the id contains a colon, which HTTP Basic cannot carry",
		},
		"id-newline":   {data{"clientId": marker + "\n", "secret": "s"}, "clientId: the id contains a control character"},
		"id-not-utf8":  {data{"clientId": marker + "\xff", "secret": "s"}, "clientId: is not UTF-8"},
		"no-secret":    {data{"clientId": marker}, "secret: is missing or empty"},
		"empty-secret": {data{"clientId": marker, "secret": ""}, "secret: is missing or empty"},
		"secret-newline": {
			data{"clientId": marker, "secret": marker + "\n"},
			"secret: ends with a line break (write it with printf or echo -n)",
		},
		"secret-not-utf8": {data{"clientId": marker, "secret": marker + "\xff"}, "secret: is not UTF-8"},
		"long-secret": {
			data{"clientId": marker, "secret": strings.Repeat(marker, 200)},
			"secret: is longer than 1024 bytes",
		},
		"previous": {
			data{"clientId": marker, "secret": "s", "previousSecret": marker + "\t"},
			"previousSecret: contains a control character",
		},
		"case": {
			data{"clientId": marker, "secret": "s", "PreviousSecret": marker},
			"PreviousSecret: unknown key; did you mean previousSecret?",
		},
		"id-case": {data{"clientID": marker, "secret": "s"}, "clientID: unknown key; did you mean clientId?"},
		"underscore": {
			data{"clientId": marker, "secret": "s", "previous_secret": marker},
			"previous_secret: unknown key; did you mean previousSecret?",
		},
		"dash": {
			data{"clientId": marker, "secret": "s", "previous-secret": marker},
			"previous-secret: unknown key; did you mean previousSecret?",
		},
		"config-json": {
			data{"clientId": marker, "secret": "s", "config": "{" + marker},
			"config: not JSON at line 1, column 2",
		},
		"config-array": {data{"clientId": marker, "secret": "s", "config": "[]"}, "config: want an object"},
		"config-unknown": {
			data{"clientId": marker, "secret": "s", "config": `{"folder": "` + marker + `"}`},
			"config.folder: unknown key",
		},
		"config-secret": {
			data{"clientId": marker, "secret": "s", "config": `{"secret": "` + marker + `"}`},
			"config.secret: unknown key",
		},
		"config-escape": {
			data{"clientId": marker, "secret": "s", "config": `{}}, "x": {"secret": "s"`},
			"config: not JSON at line 1, column 3",
		},
		"config-folder-above": {
			data{"clientId": marker, "secret": "s", "config": `{"outputFolder": "/out/../../` + marker + `"}`},
			"config.outputFolder: must not leave the work folder (..)",
		},
		"config-folder": {
			data{"clientId": marker, "secret": "s", "config": `{"inputFolder": "` + marker + `"}`},
			"config.inputFolder: must begin with a slash; it is relative to the work folder",
		},
	} {
		w.secret(name, test.data)
		w.wantWarning(name, "InvalidClientService", test.note)
		events, err := w.events(name)
		if err != nil || len(events) != 1 || strings.Contains(events[0].Note, marker) {
			t.Errorf("%s: the events are %v, %v, want one that shows no value", name, events, err)
		}
	}
	w.stays(data{})
	if got := w.gauge("signstash_controller_client_secrets_refused", "InvalidClientService"); got != 21 {
		t.Errorf("the metric counts %v refused Secrets, want 21", got)
	}
}

// TestToldOnce checks that a fault is reported once, even after several reconciliations, and that
// another fault of the same Secret is reported too.
func TestToldOnce(t *testing.T) {
	w := newWorld(t)
	w.secret("a", data{"clientId": "A"})
	w.wantWarning("a", "InvalidClientService", "secret: is missing or empty")
	for range 3 {
		w.stays(data{})
		w.patch("a", func(s *corev1.Secret) { s.Annotations = map[string]string{"at": s.ResourceVersion} })
	}
	w.replace("a", data{"clientId": "A", "secret": "s\n"})
	w.wantWarning("a", "InvalidClientService", "secret: ends with a line break (write it with printf or echo -n)")
	if got := w.told("a"); got != 2 {
		t.Errorf("%d events were told, want 2", got)
	}
}

// TestDuplicate checks that the oldest of several Secrets keeps the id, whatever their names are,
// until it is deleted.
func TestDuplicate(t *testing.T) {
	w := newWorld(t)
	w.secret("z", data{"clientId": "A", "secret": "first"})
	w.want(data{"A": "first"})
	w.nextSecond("z")
	w.secret("a", data{"clientId": "A", "secret": "second"})
	w.wantWarning("a", "DuplicateClientID", "clientId: the older Secret z has the same clientId and keeps it")
	w.stays(data{"A": "first"})
	w.replace("z", data{"clientId": "A"}) // the broken Secret keeps its last version
	w.wantWarning("z", "InvalidClientService", "secret: is missing or empty")
	w.stays(data{"A": "first"})
	w.delete("z")
	s := w.want(data{"A": "second"})
	if o := origins(t, s)["A"]; o.Name != "a" {
		t.Errorf("the origin is %v, want a", o)
	}
	w.wantEvent("a", corev1.EventTypeNormal, "Accepted", "rendered with its current content")
}

// TestDuplicateOfOneSecond checks that the name decides between two Secrets that were created in
// the same second. Creation times have a resolution of one second.
func TestDuplicateOfOneSecond(t *testing.T) {
	w := newWorld(t)
	tied := func() bool {
		w.secret("b", data{"clientId": "A", "secret": "b"})
		w.secret("a", data{"clientId": "A", "secret": "a"})
		return w.created("a").Equal(w.created("b"))
	}
	for !tied() {
		w.delete("a")
		w.delete("b")
	}
	w.want(data{"A": "a"})
	w.wantWarning("b", "DuplicateClientID", "clientId: the older Secret a has the same clientId and keeps it")
}

// TestTakenID checks that a Secret keeps its old id if its new id belongs to an older Secret, and
// gets the new id if that belongs to a younger one.
func TestTakenID(t *testing.T) {
	w := newWorld(t)
	w.secret("old", data{"clientId": "A", "secret": "a"})
	w.want(data{"A": "a"})
	w.nextSecond("old")
	w.secret("young", data{"clientId": "B", "secret": "b"})
	w.want(data{"A": "a", "B": "b"})
	w.replace("young", data{"clientId": "A", "secret": "b2"})
	w.wantWarning("young", "DuplicateClientID", "clientId: the older Secret old has the same clientId and keeps it")
	w.stays(data{"A": "a", "B": "b"})
	w.replace("young", data{"clientId": "B", "secret": "b3"})
	w.want(data{"A": "a", "B": "b3"})
	w.replace("old", data{"clientId": "B", "secret": "a2"})
	w.want(data{"B": "a2"})
	w.wantWarning("young", "DuplicateClientID", "clientId: the older Secret old has the same clientId and keeps it")
}

// nextSecond waits until the API server's clock is past the second in which a Secret was created,
// because creation times have a resolution of one second.
func (w *world) nextSecond(name string) {
	w.t.Helper()
	created := w.created(name)
	testenv.Eventually(w.t, func() error {
		probe := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "clock-"}}
		w.create(probe)
		if !probe.CreationTimestamp.After(created.Time) {
			return errSameSecond
		}
		return nil
	})
}

func (w *world) created(name string) *metav1.Time {
	w.t.Helper()
	s := &corev1.Secret{ObjectMeta: meta(name)}
	w.get(s)
	return &s.CreationTimestamp
}
