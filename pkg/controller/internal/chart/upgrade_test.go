package chart_test

import (
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// apply applies an object in a namespace as helm does.
func apply(t *testing.T, namespace string, o *unstructured.Unstructured, options ...client.ApplyOption) error {
	t.Helper()
	o.SetNamespace(namespace)
	options = append(options, client.FieldOwner("helm"), client.ForceOwnership)
	return server.Client(t).Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), options...)
}

// workloads returns the StatefulSet and the Deployments in a rendered text.
func workloads(t *testing.T, text string) (all []*unstructured.Unstructured) {
	t.Helper()
	objects, err := untyped(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o.GetKind() == "StatefulSet" || o.GetKind() == "Deployment" {
			all = append(all, o)
		}
	}
	if len(all) < 2 {
		t.Fatalf("there are %d workloads", len(all))
	}
	return all
}

// TestUpgrade applies the chart over the workloads of an earlier chart. The API server refuses a
// new selector, and a StatefulSet with a new claim template.
func TestUpgrade(t *testing.T) {
	namespace := server.Namespace(t)
	before, err := os.ReadFile("testdata/before.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range workloads(t, string(before)) {
		if err := apply(t, namespace, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, values := range []string{
		"trial: {enabled: true}",
		"{trial: {enabled: true}, commonLabels: {a: b}, commonAnnotations: {a: b}, podLabels: {c: d}}",
		"{trial: {enabled: true}, persistence: {whenScaled: Delete}}",
	} {
		text, err := template(t, values)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range workloads(t, text) {
			if err := apply(t, namespace, o, client.DryRunAll); err != nil {
				t.Errorf("%s with %s: %v", o.GetName(), values, err)
			}
		}
	}
}

// running is a release in a cluster.
type running struct {
	t                 *testing.T
	namespace, config string
}

// newRunning creates the StatefulSet of a release as helm does.
func newRunning(t *testing.T, values string) running {
	t.Helper()
	r := running{t, server.Namespace(t), administrator(t)}
	text, err := template(t, values)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range workloads(t, text) {
		o.SetAnnotations(map[string]string{
			"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": r.namespace,
		})
		if err := apply(t, r.namespace, o); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// upgrade renders the chart as helm upgrade does.
func (r running) upgrade(values string) (string, error) {
	r.t.Helper()
	return helm(r.t, values, "template", release, folder, "--is-upgrade", "--namespace", r.namespace, "--values", "-",
		"--dry-run=server", "--kubeconfig", r.config)
}

// TestClaimChange checks that values which would change the claim template are refused before the
// upgrade begins, with the commands to run, and that the upgrade goes on after these commands.
func TestClaimChange(t *testing.T) {
	const trial = "trial: {enabled: true}\n"
	r := newRunning(t, trial+"persistence: {labels: {a: b}}")
	orphanSet := "kubectl -n " + r.namespace + " delete statefulset signstash-proxy --cascade=orphan"
	for persistence, want := range map[string]string{
		"{labels: {a: b}, size: 20Gi}":    "",
		"{labels: {a: b}, size: 20480Mi}": "",
		"{labels: {a: b}, size: 40Gi}": "persistence.size cannot change from 20Gi to 40Gi by an upgrade alone, because the " +
			"claim template of a StatefulSet cannot change. Run this, and then the same upgrade again; the instances continue " +
			"meanwhile: for i in $(seq 0 2); do kubectl -n " + r.namespace + " patch pvc state-signstash-proxy-$i -p " +
			`'{"spec":{"resources":{"requests":{"storage":"40Gi"}}}}'; done; ` + orphanSet,
		"{labels: {a: b}, size: 10Gi}": "persistence.size cannot change from 20Gi to 10Gi, because volumes cannot shrink",
		"{labels: {a: b}, storageClass: fast}": "persistence.storageClass cannot change in a running release, because the " +
			"claim template of a StatefulSet cannot change. Keep the former value, or run this, and then the same upgrade " +
			"again; it is for new volumes, and the others stay as they are: " + orphanSet,
		"{labels: {a: c}}": "persistence.labels cannot change",
		"{labels: {a: b}, accessMode: ReadWriteOncePod}":            "persistence.accessMode cannot change",
		"{labels: {a: b}, annotations: {a: b}}":                     "persistence.annotations cannot change",
		"{labels: {a: b}, selector: {matchLabels: {a: b}}}":         "persistence.selector cannot change",
		"{labels: {a: b}, whenDeleted: Delete, whenScaled: Delete}": "",
	} {
		_, err := r.upgrade(trial + "persistence: " + persistence)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("persistence %s: %v, want %q", persistence, err, want)
		}
	}
	text, err := template(t, trial+"persistence: {labels: {a: b}, size: 40Gi}")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range workloads(t, text) {
		if o.GetKind() != "StatefulSet" {
			continue
		}
		if err := apply(t, r.namespace, o, client.DryRunAll); !apierrors.IsInvalid(err) {
			t.Errorf("the API server changes the claim template (%v), so the chart need not refuse it", err)
		}
	}
	set := &appsv1.StatefulSet{}
	set.Namespace, set.Name = r.namespace, release
	orphan := client.PropagationPolicy("Orphan")
	if err := server.Client(t).Delete(t.Context(), set, orphan); err != nil {
		t.Fatal(err)
	}
	// The garbage collector, which envtest does not have, removes the finalizer.
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
	if err := server.Client(t).Patch(t.Context(), set, patch); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if _, err := r.upgrade(trial + "persistence: {size: 40Gi}"); err != nil {
		t.Errorf("the upgrade after the commands: %v", err)
	}
}

// TestNewName checks that a running release keeps its name, because the instances would start again
// with empty volumes under another one.
func TestNewName(t *testing.T) {
	r := newRunning(t, "trial: {enabled: true}")
	for values, want := range map[string]string{
		"fullnameOverride: signstash-proxy": "",
		"fullnameOverride: other": "nameOverride and fullnameOverride cannot change in a running release: the instances of " +
			"signstash-proxy would start again as other with empty volumes",
		"nameOverride: other": "would start again as signstash-proxy-other with empty volumes",
	} {
		_, err := r.upgrade("trial: {enabled: true}\n" + values)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", values, err, want)
		}
	}
}
