package chart_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestChangeToTLS renders the chart before, during and after a change to TLS. Only during the
// change the proxy accepts both. The address, the probes and everything else around the pods stay
// the same, so that clients of both kinds and the pods of both kinds reach each other.
func TestChangeToTLS(t *testing.T) {
	states := []string{
		"trial: {enabled: true}",
		"{trial: {enabled: true}, tls: {secretName: s, transition: true}}",
		"{trial: {enabled: true}, tls: {secretName: s}}",
	}
	var before []client.Object
	for i, values := range states {
		all := objects(t, values)
		if i == 0 {
			before = all
		}
		set := find[*appsv1.StatefulSet](t, all, release)
		proxy := &set.Spec.Template.Spec.Containers[0]
		has := func(prefix string) bool {
			return slices.ContainsFunc(proxy.Args, func(arg string) bool { return strings.HasPrefix(arg, prefix) })
		}
		if has("--server.ssl.allow-plaintext") != (i == 1) || has("--server.ssl.certificate=") != (i > 0) {
			t.Errorf("%s: the proxy is started with %v", values, proxy.Args)
		}
		for _, probe := range []*corev1.Probe{proxy.StartupProbe, proxy.LivenessProbe, proxy.ReadinessProbe} {
			if at := probe.HTTPGet; at.Port.String() != "management" || at.Scheme != "" {
				t.Errorf("%s: a probe asks port %s with scheme %q, want the management port, which uses no TLS", values,
					at.Port.String(), at.Scheme)
			}
		}
		if got, want := around(all), around(before); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the objects around the pods are %v, want %v", values, got, want)
		}
	}
}

// around returns the specifications of all objects that a change to TLS must not change.
func around(all []client.Object) map[string]any {
	specs := map[string]any{}
	for _, o := range all {
		switch o := o.(type) {
		case *appsv1.StatefulSet:
			o = o.DeepCopy()
			o.Spec.Template.Spec.Volumes = nil
			o.Spec.Template.Spec.Containers[0].Args, o.Spec.Template.Spec.Containers[0].VolumeMounts = nil, nil
			specs["StatefulSet"] = o.Spec
		case *batchv1.Job, *corev1.Pod: // the check of the settings and the test
		case *corev1.Secret: // the secret of the test is random
		default:
			specs[reflect.TypeOf(o).String()+" "+o.GetName()] = o
		}
	}
	return specs
}

// TestNotesOnTLS checks that the notes warn of everything that is not encrypted.
func TestNotesOnTLS(t *testing.T) {
	for values, want := range map[string]string{
		"trial: {enabled: true}": "WARNING: without tls.secretName",
		"{trial: {enabled: true}, tls: {secretName: s, transition: true}}": "upgrade with tls.transition=false",
		"{trial: {enabled: true}, tls: {secretName: s}}":                   "",
	} {
		got := notes(t, values)
		if !strings.Contains(got, want) || want == "" && strings.Contains(got, "WARNING") {
			t.Errorf("%s: the notes are\n%s\nwant %q", values, got, want)
		}
	}
}
