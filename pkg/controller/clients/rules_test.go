package clients_test

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
	"github.com/signstash-proxy/signstash-proxy/pkg/tokenkey"
)

// TestRender checks that an entry contains everything that its Secret says, and that the provenance
// names the Secret.
func TestRender(t *testing.T) {
	w := newWorld(t)
	w.secret("b", data{"clientId": "B", "secret": "sb", "previousSecret": "old", "_raw": "of another tool",
		"config": `{"inputFolder": "/in/", "provider": "p", "signatureInfo": {"level": "B-T"}}`})
	w.secret("a", data{"clientId": "A", "secret": "sa", "previousSecret": "", "config": ""})
	s := w.want(data{"A": "sa", "B": "sb"})
	want, err := clientservice.NewServices(
		clientservice.ClientService{ID: "A", Secret: clientservice.NewSecret("sa")},
		clientservice.ClientService{
			ID:             "B",
			Secret:         clientservice.NewSecret("sb"),
			PreviousSecret: clientservice.NewSecret("old"),
			InputFolder:    "/in",
			Provider:       "p",
			SignatureInfo:  &clientservice.SignatureInfo{Level: "B-T"},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	file, err := clientservice.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Data[clientservice.FileName]; !bytes.Equal(got, file) {
		t.Errorf("rendered is\n%s\nwant\n%s", got, file)
	}
	var source corev1.Secret
	source.Name = "b"
	w.get(&source)
	if o := origins(t, s)["B"]; o.Name != "b" || o.UID != source.UID {
		t.Errorf("the origin of B is %v, want b with its UID", o)
	}
	w.replace("b", data{"clientId": "B", "secret": "new"})
	w.want(data{"A": "sa", "B": "new"})
}

// TestNoClients checks that an empty file, which the proxy accepts, is rendered if there is no
// client service.
func TestNoClients(t *testing.T) {
	w := newWorld(t)
	// of another type
	w.create(&corev1.Secret{ObjectMeta: meta("other"), Data: data{"clientId": "A", "secret": "s"}.bytes()})
	w.want(data{})
	w.stays(data{})
}

// TestOwner checks that the rendered Secret is created after the StatefulSet, is owned by it, and
// is not created again after the StatefulSet is gone.
func TestOwner(t *testing.T) {
	w := emptyWorld(t)
	w.secret("a", data{"clientId": "A", "secret": "s"})
	w.start()
	w.createOwner()
	s := w.want(data{"A": "s"})
	owner := w.owner()
	if refs := s.OwnerReferences; len(refs) != 1 || refs[0].UID != owner.UID || refs[0].Controller == nil ||
		!*refs[0].Controller {
		t.Errorf("the owners are %v, want the StatefulSet alone", refs)
	}
	w.patch(renderedName, func(s *corev1.Secret) { s.OwnerReferences = nil })
	testenv.Eventually(t, func() error { return w.owned(owner.UID) })

	// Kubernetes deletes the objects that a StatefulSet owns before it (foreground deletion) or after
	// it.
	owner = w.owner()
	owner.Finalizers = []string{metav1.FinalizerDeleteDependents}
	w.update(owner)
	w.deleteObject(owner)
	w.staysAway()
	owner = w.owner()
	owner.Finalizers = nil
	w.update(owner)
	w.staysAway()
}

// TestQuiet checks that a change that does not affect the rendered Secret causes no write.
func TestQuiet(t *testing.T) {
	w := newWorld(t)
	w.want(data{})
	w.secret("a", data{"clientId": "A", "secret": "s"})
	before := w.want(data{"A": "s"})
	w.patch("a", func(s *corev1.Secret) { s.Labels = map[string]string{"x": "y"} })
	w.patch("a", func(s *corev1.Secret) { s.Data["other"] = []byte("key") })
	w.looks("broken-1", "broken-2")
	w.wantWrites(2)
	w.restart()
	w.looks("broken-3", "broken-4")
	w.wantWrites(0)
	after := w.want(data{"A": "s"})
	if after.ResourceVersion != before.ResourceVersion {
		t.Errorf("the rendered Secret was written again: %s, then %s", before.ResourceVersion, after.ResourceVersion)
	}
}

// TestKeepsLastGood checks that a Secret that becomes invalid keeps its last valid version, even
// after a restart of the controller.
func TestKeepsLastGood(t *testing.T) {
	w := newWorld(t)
	w.secret("a", data{"clientId": "A", "secret": "good"})
	w.want(data{"A": "good"})
	w.replace("a", data{"clientId": "A", "secret": "bad\n"})
	w.wantWarning("a", "InvalidClientService", "secret: ends with a line break (write it with printf or echo -n)")
	w.stays(data{"A": "good"})
	w.restart()
	w.stays(data{"A": "good"})
	w.replace("a", data{"secret": "no id"})
	w.wantWarning("a", "InvalidClientService", "clientId: is missing or empty")
	w.stays(data{"A": "good"})
	w.replace("a", data{"clientId": "A", "secret": "better"})
	w.want(data{"A": "better"})
	w.wantEvent("a", corev1.EventTypeNormal, "Accepted", "rendered with its current content")
}

// TestLastGoodIsOfTheSameSecret checks that a new Secret does not inherit the last valid version of
// a deleted Secret of the same name.
func TestLastGoodIsOfTheSameSecret(t *testing.T) {
	w := newWorld(t)
	w.secret("a", data{"clientId": "A", "secret": "good"})
	w.want(data{"A": "good"})
	w.stop()
	w.delete("a")
	w.secret("a", data{"clientId": "A"})
	w.start()
	w.want(data{})
}

// TestDeletion checks that deleting a Secret removes its client service, even if the Secret is
// invalid.
func TestDeletion(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		w.secret(name, data{"clientId": name, "secret": "s"})
	}
	w.want(data{"a": "s", "b": "s", "c": "s"})
	w.replace("b", data{"clientId": "b"})
	w.wantWarning("b", "InvalidClientService", "secret: is missing or empty")
	w.delete("a")
	w.want(data{"b": "s", "c": "s"})
	w.delete("b")
	s := w.want(data{"c": "s"})
	if o := origins(t, s); len(o) != 1 {
		t.Errorf("provenance is %v, want c alone", o)
	}
}

// TestDeletedWhileDown checks that a Secret that was deleted while no controller ran is removed
// when the controller starts.
func TestDeletedWhileDown(t *testing.T) {
	w := newWorld(t)
	w.secret("a", data{"clientId": "A", "secret": "s"})
	w.secret("b", data{"clientId": "B", "secret": "s"})
	w.want(data{"A": "s", "B": "s"})
	w.replace("b", data{})
	w.wantWarning("b", "InvalidClientService", "clientId: is missing or empty")
	w.stop()
	w.delete("a")
	w.delete("b")
	w.start()
	w.want(data{})
}

// TestPreviousSecret checks that both secrets are rendered while both are given. An empty one
// counts as absent.
func TestPreviousSecret(t *testing.T) {
	w := newWorld(t)
	w.secret("a", data{"clientId": "A", "secret": "one"})
	w.want(data{"A": "one"})
	w.replace("a", data{"clientId": "A", "secret": "two", "previousSecret": "one"})
	s := w.want(data{"A": "two"})
	if !strings.Contains(string(s.Data[clientservice.FileName]), `"previousSecret": "one"`) {
		t.Error("the previous secret is not rendered")
	}
	w.replace("a", data{"clientId": "A", "secret": "three", "previousSecret": ""})
	s = w.want(data{"A": "three"})
	if strings.Contains(string(s.Data[clientservice.FileName]), "previousSecret") {
		t.Error("an empty previous secret is rendered")
	}
}

// TestRestored checks that manual changes of the rendered Secret are undone, and that a deleted one
// returns with the same token key.
func TestRestored(t *testing.T) {
	w := newWorld(t)
	w.secret("a", data{"clientId": "A", "secret": "good"})
	w.secret("b", data{"clientId": "B", "secret": "s"})
	w.want(data{"A": "good", "B": "s"})
	w.replace("a", data{"clientId": "A"}) // from here on only the rendered Secret contains its secret
	w.wantWarning("a", "InvalidClientService", "secret: is missing or empty")
	before := w.want(data{"A": "good", "B": "s"})
	key := before.Data[tokenkey.FileName]

	w.patch(renderedName, func(s *corev1.Secret) {
		s.Data[clientservice.FileName] = []byte(`{"A": {"secret": "forged"}, "X": {"secret": "forged"}}`)
	})
	w.want(data{"A": "good", "B": "s"})
	w.patch(renderedName, func(s *corev1.Secret) { s.Data["provenance.json"], s.Data["more"] = []byte("?"), []byte("?") })
	testenv.Eventually(t, func() error { return w.same(before) })
	if got := w.stays(data{"A": "good", "B": "s"}); !bytes.Equal(got.Data[tokenkey.FileName], key) {
		t.Error("the token key has changed")
	}

	w.delete(renderedName)
	s := w.want(data{"A": "good", "B": "s"})
	if !bytes.Equal(s.Data[tokenkey.FileName], key) {
		t.Error("the token key has changed")
	}
}

// TestLastGoodIsReadOneByOne checks that an entry of an earlier release that this release refuses
// does not affect the last valid versions of the others.
func TestLastGoodIsReadOneByOne(t *testing.T) {
	for name, damage := range map[string]func(*corev1.Secret){
		"entry": func(s *corev1.Secret) {
			file := bytes.Replace(s.Data[clientservice.FileName], []byte(`"secret": "sb"`), []byte(`"secret": "sb", "colour": "blue"`), 1)
			s.Data[clientservice.FileName] = file
		},
		"origin": func(s *corev1.Secret) {
			s.Data["provenance.json"] = bytes.Replace(s.Data["provenance.json"], []byte(`"name":"b"`), []byte(`"name":1`), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.secret("a", data{"clientId": "A", "secret": "sa"})
			w.secret("b", data{"clientId": "B", "secret": "sb"})
			w.secret("c", data{"clientId": "C", "secret": "sc"})
			before := w.want(data{"A": "sa", "B": "sb", "C": "sc"})
			w.stop()
			w.patch(renderedName, damage)
			if w.same(before) == nil {
				t.Fatal("nothing was damaged")
			}
			w.replace("a", data{"clientId": "A"})
			w.replace("c", data{"clientId": "C"})
			w.start()
			w.want(data{"A": "sa", "B": "sb", "C": "sc"})
		})
	}
}
