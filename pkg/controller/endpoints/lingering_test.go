package endpoints_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
)

// TestLingering checks that a pod that was removed by scaling down stays reachable while it ends,
// for clients and for the other instances, because it still answers reads.
func TestLingering(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 2)
	node := w.node("InternalIP", "10.5.0.1")
	w.pod(0, node)
	w.pod(1, node)
	w.settled(0)
	w.settled(1)
	before := w.wantService(1)
	// No kubelet runs that would end it, so it stays terminating.
	w.remove(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: podName(1)}})
	w.scale(1)
	d := w.wantDirectory(1, 2, 0, 1)
	w.look()
	if at := d.Endpoints[1]; at.Unreachable || at.Host != "10.5.0.1" || at.Internal == "" {
		t.Errorf("the endpoint of a lingering pod is %+v, want that of its node port", at)
	}
	after := w.wantService(1)
	if after.UID != before.UID || !after.Spec.PublishNotReadyAddresses {
		t.Errorf("the Service of a lingering pod is %+v, want the same one, for pods that are not ready", after.Spec)
	}
	w.removePod(1)
	w.wantServices("proxy-0")
	w.wantDirectory(1, 2, 0)
}
