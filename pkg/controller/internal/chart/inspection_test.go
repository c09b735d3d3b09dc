package chart_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestInspection checks the pod that examines the volume of a stopped instance: it exists only on
// request, keeps the restricted level, and cannot write to the volume.
func TestInspection(t *testing.T) {
	const name = release + "-inspection"
	is := func(o client.Object) bool { _, ok := o.(*corev1.Pod); return ok && o.GetName() == name }
	if slices.ContainsFunc(objects(t, modes["trial"]), is) {
		t.Error("the pod is rendered without a request")
	}
	for ordinal, claim := range map[string]string{"0": "state-" + release + "-0", "12": "state-" + release + "-12"} {
		all := objects(t, "{trial: {enabled: true}, inspection: {ordinal: "+ordinal+"}}")
		wantRestricted(t, all)
		spec := find[*corev1.Pod](t, all, name).Spec
		volume, mount := spec.Volumes[0], spec.Containers[0].VolumeMounts[0]
		if volume.PersistentVolumeClaim == nil || volume.PersistentVolumeClaim.ClaimName != claim ||
			volume.Name != mount.Name || !mount.ReadOnly {
			t.Errorf("ordinal %s: volume %+v, mount %+v", ordinal, volume, mount)
		}
		if got := spec.Containers[0].Args; !slices.Equal(got, []string{"state", "check", "/state/signstash"}) {
			t.Errorf("signctl gets %v", got)
		}
	}
}
