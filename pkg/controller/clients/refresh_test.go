package clients_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
)

// pod creates a pod. owned says whether the StatefulSet owns it.
func (w *world) pod(name string, owned bool) {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: meta(name),
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "proxy", Image: "proxy"}}},
	}
	if owned {
		yes := true
		pod.OwnerReferences = []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: "StatefulSet", Name: ownerName, UID: w.owner().UID, Controller: &yes},
		}
	}
	w.create(pod)
}

// watchPods returns the events of all pods from now on.
func (w *world) watchPods() watch.Interface {
	w.t.Helper()
	var list corev1.PodList
	if err := w.api.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatalf("list pods: %v", err)
	}
	events, err := w.api.Watch(w.t.Context(), &corev1.PodList{}, client.InNamespace(w.namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.ResourceVersion}})
	if err != nil {
		w.t.Fatalf("watch pods: %v", err)
	}
	w.t.Cleanup(events.Stop)
	return events
}

// touches returns the times of the next n changes of the annotation, by pod.
func touches(t *testing.T, events watch.Interface, n int) map[string][]time.Time {
	t.Helper()
	deadline := time.After(30 * time.Second)
	found := map[string][]time.Time{}
	for range n {
		select {
		case e := <-events.ResultChan():
			pod, ok := e.Object.(*corev1.Pod)
			if !ok || e.Type != watch.Modified {
				t.Fatalf("got %s %T, want a pod that was modified", e.Type, e.Object)
			}
			at, err := time.Parse(time.RFC3339Nano, pod.Annotations[affinity.RefreshAnnotation])
			if err != nil {
				t.Fatalf("the annotation: %v", err)
			}
			found[pod.Name] = append(found[pod.Name], at)
		case <-deadline:
			t.Fatalf("seen are %v, want %d touches", found, n)
		}
	}
	return found
}

// checkTouches returns an error unless each pod of the proxy was touched twice, 2 s apart.
func checkTouches(found map[string][]time.Time) error {
	for _, pod := range []string{"proxy-0", "proxy-1"} {
		at := found[pod]
		if len(at) != 2 || at[1].Sub(at[0]) < 2*time.Second {
			return fmt.Errorf("%s was touched at %v, want two times, 2 s apart", pod, at)
		}
	}
	return nil
}

// TestRefresh checks that the proxy's pods, and no others, are touched twice after a write, and
// never without one.
func TestRefresh(t *testing.T) {
	w := emptyWorld(t)
	w.createOwner()
	w.pod("proxy-0", true)
	w.pod("proxy-1", true)
	w.pod("other", false)
	events := w.watchPods()
	w.start()
	w.want(data{})
	if err := checkTouches(touches(t, events, 4)); err != nil {
		t.Errorf("at the start: %v", err)
	}
	w.secret("broken", data{"clientId": "A"}) // causes no write
	w.wantWarning("broken", "InvalidClientService", "secret: is missing or empty")
	w.secret("a", data{"clientId": "B", "secret": "s"})
	w.want(data{"B": "s"})
	if err := checkTouches(touches(t, events, 4)); err != nil {
		t.Errorf("after a write: %v", err)
	}
}
