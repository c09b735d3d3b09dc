package endpoints_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// newWorldWithVolumes is newWorld with a volume for each instance. The claims do not exist yet.
func newWorldWithVolumes(t *testing.T, replicas int32) *world {
	w := emptyWorld(t, podDNS)
	set := statefulSet(replicas)
	set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{*claim("state")}
	w.create(set)
	w.start()
	return w
}

func claim(name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
	}
}

func claimName(ordinal int) string { return "state-" + podName(ordinal) }

// replaceClaim deletes a claim and creates it again, as an operator and the StatefulSet controller
// do.
func (w *world) replaceClaim(ordinal int) {
	w.t.Helper()
	testenv.Eventually(w.t, func() error { // the API server protects claims with a finalizer
		c := claim(claimName(ordinal))
		w.get(c)
		c.Finalizers = nil
		return w.api.Update(w.t.Context(), c)
	})
	w.remove(claim(claimName(ordinal)))
	w.create(claim(claimName(ordinal)))
}

// wantLosses waits until exactly these instances have been reported to have lost their volume, each
// once.
func (w *world) wantLosses(ordinals ...int) {
	w.t.Helper()
	var want []string
	for _, ordinal := range ordinals {
		want = append(want, fmt.Sprintf("%s has a new volume, because PersistentVolumeClaim %s was deleted and created "+
			"again; the operations, results and idempotency keys on the former volume are lost",
			podName(ordinal), claimName(ordinal)))
	}
	testenv.Eventually(w.t, func() error {
		var list eventsv1.EventList
		if err := w.api.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		var got []string
		for _, e := range list.Items {
			once := e.Type == corev1.EventTypeWarning && e.Regarding.Kind == "StatefulSet" && e.Series == nil
			if e.Reason == "VolumeLost" && once {
				got = append(got, e.Note)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			return fmt.Errorf("events are %q, want %q", got, want)
		}
		return nil
	})
}

// wantRecorded waits until the claim of an instance is recorded.
func (w *world) wantRecorded(ordinal int) {
	w.t.Helper()
	c := claim(claimName(ordinal))
	w.get(c)
	testenv.Eventually(w.t, func() error {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: directoryName}}
		if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: directoryName}, m); err != nil {
			return err
		}
		if text := m.Annotations["signstash.io/volume-claims"]; !strings.Contains(text, string(c.UID)) {
			return fmt.Errorf("recorded are %s, want %s with %s", text, c.Name, c.UID)
		}
		return nil
	})
}

// TestLostVolume checks that a claim that was deleted and created again is reported once on the
// StatefulSet, also if no controller ran at that moment, and that a pod that is replaced with its
// claim is not reported.
func TestLostVolume(t *testing.T) {
	w := newWorldWithVolumes(t, 2)
	for ordinal := range 2 {
		w.create(claim(claimName(ordinal)))
		w.pod(ordinal, "node")
		w.wantRecorded(ordinal)
	}
	w.removePod(0)
	w.pod(0, "node")
	w.settled(0)
	w.removePod(1)
	w.replaceClaim(1)
	w.pod(1, "node")
	w.wantLosses(1)
	w.wantRecorded(1)
	if n := w.metric("signstash_controller_volumes_lost_total"); n != 1 {
		t.Errorf("signstash_controller_volumes_lost_total = %v, want 1", n)
	}
	w.stop()
	w.removePod(0)
	w.replaceClaim(0)
	w.pod(0, "node")
	w.start()
	w.wantRecorded(0)
	w.wantLosses(1, 0)
	w.change(nil)
	w.look()
	w.wantLosses(1, 0)
}

// TestPendingPod checks a pod that waits because the node of its volume is gone: its claim can be
// deleted and created again while the same pod waits.
func TestPendingPod(t *testing.T) {
	w := newWorldWithVolumes(t, 1)
	w.create(claim(claimName(0)))
	w.pod(0, "")
	w.wantRecorded(0)
	w.replaceClaim(0)
	w.look()
	w.wantLosses(0)
}

// TestRemovedVolume checks that the volume of an instance that was removed for good may be deleted.
func TestRemovedVolume(t *testing.T) {
	w := newWorldWithVolumes(t, 1)
	w.create(claim(claimName(0)))
	w.pod(0, "node")
	w.wantRecorded(0)
	w.scale(0) // a stop does not remove it
	w.removePod(0)
	w.wantDirectory(0, 1)
	w.wantRecorded(0)
	w.scale(2)
	w.pod(0, "node")
	w.create(claim(claimName(1)))
	w.pod(1, "node")
	w.wantRecorded(1)
	w.scale(1)
	w.removePod(1)
	w.wantDirectory(1, 2, 0)
	w.replaceClaim(1)
	w.scale(2)
	w.pod(1, "node")
	w.wantRecorded(1)
	w.wantLosses()
}
