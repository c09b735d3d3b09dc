package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
)

const alice, bob = "PRT.1-PRT.2-alice", "PRT.1-PRT.2-bob"

// withRelease makes a release of three instances. The first one works, the second one leaves for
// good and has a full disk, and the third one does not exist.
func withRelease(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.install("sign", 3)
	w.controller("sign")
	w.instance("sign", client.Instance{
		Version: "1.2.3", Ordinal: 0, Endpoint: "sign-0.example.org:443", Ready: "ready", Phase: "running",
		QueuedDocuments: 7, OldestQueuedSeconds: 42, FreeBytes: 5 << 30, ShowsReferences: true,
		Signed: map[string]int64{alice: 20, bob: 1},
		Recent: []client.InstanceOperation{
			{ID: 4711, ClientService: alice, Reference: "FT 2026/\x1b[2J2", Status: "PENDING_EXECUTION", Documents: 8,
				EndedDocuments: 2, Created: now.Add(-time.Minute)},
			{ID: 4099, ClientService: alice, Reference: "FT 2026/1", Status: "EXECUTED", Documents: 1,
				EndedDocuments: 1, Created: now.Add(-time.Hour), Ended: now.Add(-time.Hour).Add(3 * time.Second)},
		},
	}, client.Drain{Phase: "running", PendingOperations: 1})
	left := int64(3600)
	w.instance("sign", client.Instance{
		Version: "1.2.2", Ordinal: 1, Endpoint: "sign-1.example.org:443", Ready: "leaving for good", Phase: "lingering",
		StateFault: "the state folder has no room", FreeBytes: 1 << 20,
		Signed: map[string]int64{alice: 22},
		Credentials: []client.InstanceCredential{
			{Name: "seal", LastFailure: now.Add(-5 * time.Minute), Outcome: "unknown"},
			{Name: "old", State: "signs nothing: the certificate has expired"},
		},
		Recent: []client.InstanceOperation{{ID: 5000, ClientService: bob, Status: "EXECUTION_FAILED", Documents: 2,
			EndedDocuments: 2, Created: now.Add(-30 * time.Minute), Ended: now.Add(-29 * time.Minute)}},
	}, client.Drain{Phase: "lingering", ForGood: true, ResultsNotFetched: 5, CallbacksNotMade: 1, SecondsLeft: &left})
	return w
}

func TestStatus(t *testing.T) {
	w := withRelease(t)
	w.install("other", 0) // another release in the same namespace
	instance := metav1.ObjectMeta{Name: "sign-signstash-proxy-1"}
	w.event("Pod", instance, corev1.EventTypeWarning, "Unhealthy", "Readiness probe failed", 10*time.Minute)
	w.event("Pod", instance, corev1.EventTypeNormal, "Pulled", "never", time.Minute)
	w.event("Pod", metav1.ObjectMeta{Name: "stranger-0"}, corev1.EventTypeWarning, "Failed", "never", time.Minute)
	out, errs, code := w.run("status", "--release=sign")
	if code != exitOK || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
	golden(t, "status.txt", out)
	out, _, _ = w.run("status", "--release=sign", "-o", "json")
	var v statusView
	if err := json.Unmarshal([]byte(out), &v); err != nil || len(v.Instances) != 3 || v.Instances[0].Queued != 7 {
		t.Errorf("JSON is %s, %v", out, err)
	}
}

// TestSilentInstances checks that an instance that does not answer is named with the reason, and
// that the others are shown.
func TestSilentInstances(t *testing.T) {
	w := newWorld(t)
	w.install("sign", 3)
	w.instance("sign", client.Instance{Ordinal: 0, Ready: "ready", Phase: "running", Version: "1.2.3"}, client.Drain{})
	w.pod("sign", 1, false) // nothing listens
	older := w.pod("sign", 2, true)
	w.kubelet.serve(t, w.namespace, older, http.NotFoundHandler())
	out, errs, code := w.run("status")
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	golden(t, "silent.txt", out+"\n"+errs)
}

func TestClients(t *testing.T) {
	w := withRelease(t)
	const kind = corev1.SecretType(secretType)
	const secret = "geheim-geheim"
	good := w.secret("good", kind, map[string]string{"clientId": alice, "secret": secret, "config": `{"provider":"csc"}`})
	changed := w.secret("changed", kind, map[string]string{"clientId": bob, "secret": secret, "config": "{"})
	broken := w.secret("broken", kind, map[string]string{"clientId": secret})
	twice := w.secret("twice", kind, map[string]string{"clientId": alice, "secret": secret})
	w.secret("waiting", kind, map[string]string{"clientId": "PRT.1-PRT.2-carol", "secret": secret})
	opaque := w.secret("opaque", corev1.SecretTypeOpaque, map[string]string{"clientId": "x", "secret": secret})
	w.secret("unrelated", corev1.SecretTypeOpaque, map[string]string{"key": secret})
	w.secret("sign-signstash-proxy-clients", corev1.SecretTypeOpaque, map[string]string{
		"client-services-config.json": secret,
		"provenance.json": fmt.Sprintf(`{%q: {"name": "good", "uid": %q}, %q: {"name": "changed", "uid": %q}}`,
			alice, good.UID, bob, changed.UID),
	})
	const warning = corev1.EventTypeWarning
	w.event("Secret", good.ObjectMeta, warning, "UnknownProvider", "config.provider: there is none", 50*time.Minute)
	w.event("Secret", good.ObjectMeta, corev1.EventTypeNormal, "Accepted", "rendered", 40*time.Minute)
	w.event("Secret", changed.ObjectMeta, warning, "InvalidClientService", "config: want a JSON object", time.Minute)
	w.event("Secret", broken.ObjectMeta, warning, "InvalidClientService", "secret: is missing", time.Minute)
	w.event("Secret", twice.ObjectMeta, warning, "DuplicateClientID", "clientId: the Secret good has it", time.Minute)
	w.event("Secret", opaque.ObjectMeta, warning, "WrongSecretType", "want the type "+secretType, time.Minute)
	w.event("Secret", metav1.ObjectMeta{Name: "gone", UID: "gone"}, warning, "WrongSecretType", "never", time.Minute)
	out, errs, code := w.run("clients")
	if code != exitOK || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
	golden(t, "clients.txt", out)
	json, _, _ := w.run("clients", "-o", "json")
	if strings.Contains(out+json, secret) {
		t.Error("the output contains a secret")
	}
}

func TestOperations(t *testing.T) {
	w := withRelease(t)
	out, errs, code := w.run("operations")
	if code != exitOK || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
	golden(t, "operations.txt", out)
	for _, one := range []string{"4099", "FT 2026/1"} {
		out, _, code = w.run("operations", one)
		if code != exitOK || strings.Count(out, "\n") != 2 || !strings.Contains(out, "4099") {
			t.Errorf("operations %s = %d, %s", one, code, out)
		}
	}
	if out, _, _ = w.run("operations", "--limit=1"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "4711") {
		t.Errorf("--limit=1 prints %s", out)
	}
	_, errs, code = w.run("operations", "FT 2025/1")
	if code != exitFailed || !strings.Contains(errs, "management.showReferences is not set") {
		t.Errorf("an unknown reference: %d, %s", code, errs)
	}
}

func TestDrain(t *testing.T) {
	w := withRelease(t)
	out, errs, code := w.run("drain")
	if code != exitOK || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
	golden(t, "drain.txt", out)
	if out, _, _ = w.run("drain", "sign-signstash-proxy-1"); strings.Count(out, "\n") != 2 {
		t.Errorf("one instance: %s", out)
	}
	if _, errs, code = w.run("drain", "nobody"); code != exitFailed || !strings.Contains(errs, `no instance "nobody"`) {
		t.Errorf("an unknown pod: %d, %s", code, errs)
	}
}

// TestWrongRelease checks the errors of a namespace without exactly one release.
func TestWrongRelease(t *testing.T) {
	w := newWorld(t)
	_, errs, code := w.run("status")
	if code != exitFailed || !strings.Contains(errs, "the namespace NAMESPACE has no release of signstash-proxy") {
		t.Errorf("no release: %d, %s", code, errs)
	}
	w.install("one", 0)
	w.install("two", 0)
	_, errs, code = w.run("status")
	if code != exitUsage || !strings.Contains(errs, "several releases; choose one with --release: one, two") {
		t.Errorf("two releases: %d, %s", code, errs)
	}
	_, errs, code = w.run("status", "--release=three")
	if code != exitFailed || !strings.Contains(errs, `no release "three" of signstash-proxy, only one, two`) {
		t.Errorf("unknown release: %d, %s", code, errs)
	}
}

// TestMissingRights checks that a user without rights reads which right is missing, one after the
// other, and that the rights in the README suffice.
func TestMissingRights(t *testing.T) {
	w := newWorld(t)
	w.install("sign", 1)
	w.instance("sign", client.Instance{Ready: "ready", Phase: "running", Version: "1.2.3"}, client.Drain{Phase: "running"})
	user := w.user(w.namespace)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "reader"}}
	must(w.api.RbacV1().Roles(w.namespace).Create(t.Context(), role, metav1.CreateOptions{}))(t)
	must(w.api.RbacV1().RoleBindings(w.namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: w.namespace}},
	}, metav1.CreateOptions{}))(t)
	for _, step := range []struct{ group, resource, verb, command, missing string }{
		{"apps", "statefulsets", "list", "status", "list statefulsets.apps"},
		{"", "pods", "list", "status", "list pods"},
		{"", "pods/portforward", "create", "status", "create pods/portforward"},
		{"apps", "deployments", "list", "status", "list deployments.apps"},
		{"coordination.k8s.io", "leases", "get", "status", "get leases.coordination.k8s.io"},
		{"", "events", "list", "status", "list events"},
		{"", "secrets", "list", "clients", "list secrets"},
		{"", "secrets", "get", "clients", "get secrets/sign-signstash-proxy-clients"},
	} {
		_, errs, code := w.runAs(user, step.command)
		if want := "you lack the right to " + step.missing + " in the namespace NAMESPACE"; code != exitFailed ||
			!strings.Contains(errs, want) {
			t.Errorf("without the right: %d, %s, want %s", code, errs, want)
		}
		role.Rules = append(role.Rules, rbacv1.PolicyRule{
			APIGroups: []string{step.group}, Resources: []string{step.resource}, Verbs: []string{step.verb},
		})
		must(w.api.RbacV1().Roles(w.namespace).Update(t.Context(), role, metav1.UpdateOptions{}))(t)
		w.untilAllowed(user, step.group, step.resource, step.verb)
	}
	for _, command := range []string{"status", "clients", "operations", "drain"} {
		if _, errs, code := w.runAs(user, command); code != exitOK {
			t.Errorf("%s with all rights: %d, %s", command, code, errs)
		}
	}
}

func TestWrongUse(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("HOME", t.TempDir())
	for args, want := range map[string]string{
		"":                      "kubectl signstash shows",
		"frob":                  `no command "frob"`,
		"status --frob":         "flag provided but not defined",
		"status extra":          `takes no argument, but got "extra"`,
		"status -o yaml":        `-o must be table or json, not "yaml"`,
		"operations --limit=0":  "--limit must be at least 1",
		"operations a b":        "one id or reference at most",
		"clients --release a b": `takes no argument, but got "b"`,
	} {
		var out, errs strings.Builder
		code := run(t.Context(), strings.Fields(args), streams{out: &out, err: &errs, now: time.Now})
		if code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("%q: exit code %d, %s, want %s", args, code, &errs, want)
		}
	}
	var out, errs strings.Builder
	code := run(t.Context(), []string{"status"}, streams{out: &out, err: &errs, now: time.Now})
	if code != exitFailed || !strings.Contains(errs.String(), "no cluster is configured") {
		t.Errorf("without kubeconfig: exit code %d, %s", code, &errs)
	}
}

// TestVerify checks that verify runs signctl with the same arguments and ends with its exit code.
func TestVerify(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	verify := func() (string, int) {
		var out strings.Builder
		code := run(t.Context(), []string{"verify", "a.pdf", "--ca", "ca.pem"}, streams{out: &out, err: &out, now: time.Now})
		return out.String(), code
	}
	if out, code := verify(); code != exitFailed || !strings.Contains(out, "needs the program signctl") {
		t.Errorf("without signctl: %d, %s", code, out)
	}
	const script = "#!/bin/sh\necho \"$@\"\nexit 2\n"
	if err := os.WriteFile(filepath.Join(bin, "signctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, code := verify(); code != 2 || out != "verify a.pdf --ca ca.pem\n" {
		t.Errorf("with signctl: %d, %s", code, out)
	}
}

// TestContract checks the names that the plugin shares with the controller.
func TestContract(t *testing.T) {
	if secretType != clients.SecretType {
		t.Errorf("secretType = %s, want %s", secretType, clients.SecretType)
	}
}
