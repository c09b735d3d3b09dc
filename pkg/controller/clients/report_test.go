package clients_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestAccepted checks that each content of a valid Secret gets one Accepted event, whatever else
// happens: other changes, further reconciliations and a restart of the controller.
func TestAccepted(t *testing.T) {
	w := newWorld(t)
	w.secret("a", data{"clientId": "A", "secret": "one"})
	w.wantEvent("a", corev1.EventTypeNormal, "Accepted", "rendered with its current content")
	w.patch("a", func(s *corev1.Secret) { s.Labels = map[string]string{"x": "y"} })
	w.stays(data{"A": "one"})
	w.restart()
	w.stays(data{"A": "one"})
	if got := w.told("a"); got != 1 {
		t.Errorf("%d events were told, want 1", got)
	}
	w.replace("a", data{"clientId": "A", "secret": "two"})
	w.want(data{"A": "two"})
	w.eventuallyTold("a", 2)
}

// TestUnknownProvider checks that a Secret that names a provider which is not configured gets a
// Warning, keeps its last valid content, and that the Warning names the providers that there are.
func TestUnknownProvider(t *testing.T) {
	w := emptyWorld(t)
	w.providers = []string{"main", "second"}
	w.createOwner()
	w.start()
	w.secret("a", data{"clientId": "A", "secret": "one", "config": `{"provider": "main"}`})
	w.want(data{"A": "one"})
	w.replace("a", data{"clientId": "A", "secret": "two", "config": `{"provider": "man"}`})
	w.wantWarning("a", "UnknownProvider",
		"config.provider: no provider of this name is configured; there are main, second")
	w.stays(data{"A": "one"})
	if got := w.gauge("signstash_controller_client_secrets_refused", "UnknownProvider"); got != 1 {
		t.Errorf("the metric counts %v Secrets, want 1", got)
	}
	w.providers = nil // not known
	w.restart()
	w.want(data{"A": "two"})
}
