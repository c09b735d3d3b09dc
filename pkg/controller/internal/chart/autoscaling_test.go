package chart_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestAutoscaling checks that the autoscaler controls the number of instances and never lowers it.
// An upgrade does not lower it either, even the upgrade that enables autoscaling.
func TestAutoscaling(t *testing.T) {
	c, namespace := server.Client(t), server.Namespace(t)
	config := administrator(t)
	want := func(want int32) {
		t.Helper()
		text, err := helm(t, "{trial: {enabled: true}, replicas: 2, autoscaling: {enabled: true}}", "template", release,
			folder, "--namespace", namespace, "--values", "-", "--dry-run=server", "--kubeconfig", config)
		if err != nil {
			t.Fatal(err)
		}
		if set := find[*appsv1.StatefulSet](t, decode(t, text), release); set.Spec.Replicas == nil ||
			*set.Spec.Replicas != want {
			t.Errorf("replicas are %v, want %d", set.Spec.Replicas, want)
		}
	}
	want(2)
	set := find[*appsv1.StatefulSet](t, objects(t, modes["trial"]), release)
	replicas := int32(5)
	set.Namespace, set.Spec.Replicas = namespace, &replicas
	// as helm does
	set.Annotations = map[string]string{"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace}
	if err := c.Create(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	want(5)
	text, err := template(t, modes["everything else"])
	if err != nil || !strings.Contains(text, "scaleDown: {selectPolicy: Disabled}") {
		t.Errorf("the autoscaler scales down, %v", err)
	}
}

// TestWayBack checks that the downgrade procedure of the README keeps the number of instances if
// autoscaling is on.
func TestWayBack(t *testing.T) {
	c, namespace := server.Client(t), server.Namespace(t)
	config := administrator(t)
	run := func(values string, args ...string) {
		t.Helper()
		// Nothing runs the Job of a hook here.
		args = append(args, "--no-hooks", "--namespace", namespace, "--kubeconfig", config)
		if _, err := helm(t, values, args...); err != nil {
			t.Fatal(err)
		}
	}
	const earlier = "{trial: {enabled: true}, replicas: 2, autoscaling: {enabled: true}}"
	const now = "{trial: {enabled: true}, replicas: 3, autoscaling: {enabled: true}}"
	run(earlier, "install", release, folder, "--values", "-")
	run(now, "upgrade", release, folder, "--values", "-")
	set := &appsv1.StatefulSet{}
	set.Namespace, set.Name = namespace, release
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 5}} // as the autoscaler does
	owner := client.FieldOwner("kube-controller-manager")
	if err := c.SubResource("scale").Update(t.Context(), set, client.WithSubResourceBody(scale), owner); err != nil {
		t.Fatal(err)
	}
	run(earlier, "upgrade", release, folder, "--values", "-")
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(set), set); err != nil || *set.Spec.Replicas != 5 {
		t.Errorf("replicas are %v, %v, want the 5 that there were", *set.Spec.Replicas, err)
	}
}
