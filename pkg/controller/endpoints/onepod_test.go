package endpoints_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// TestRefusedService checks that the API server may refuse the Service of one pod without affecting
// the other pods, and that the condition of this pod gives the reason.
func TestRefusedService(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 1)
	w.pod(0, w.node("InternalIP", "10.10.0.1"))
	port := int(w.wantService(0).Spec.Ports[0].NodePort)
	w.wantPublished(0, "10.10.0.1", port)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "ports"}}
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourceServicesNodePorts: resource.MustParse("1")}
	w.create(quota)
	// The usage that the quota controller would count.
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: quota.Spec.Hard}
	if err := w.api.Status().Update(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, w.overQuota)

	w.scale(2)
	w.pod(1, w.node("InternalIP", "10.10.0.2"))
	testenv.Eventually(t, func() error {
		if g := gate(w.getPod(1)); g.Status != corev1.ConditionFalse || !strings.Contains(g.Message, "exceeded quota") {
			return fmt.Errorf("gate of proxy-1 is %+v, want false for the quota", g)
		}
		return nil
	})
	w.removePod(0)
	w.pod(0, w.node("InternalIP", "10.10.0.3"))
	w.wantPublished(0, "10.10.0.3", port)
	for _, e := range w.wantDirectory(2, 2, 0, 1).Endpoints {
		if e.Unreachable != (e.Ordinal == 1) {
			t.Errorf("the directory says of %s: unreachable %v", e.Name, e.Unreachable)
		}
	}
	w.remove(quota)
	w.wantPublished(1, "10.10.0.2", int(w.wantService(1).Spec.Ports[0].NodePort))
}

// overQuota returns an error while a Service with a node port is still accepted.
func (w *world) overQuota() error {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "probe"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 1}}},
	}
	err := w.api.Create(w.t.Context(), s, client.DryRunAll)
	if apierrors.IsForbidden(err) {
		return nil
	}
	return fmt.Errorf("a Service beyond the quota: %v, want it refused", err)
}

// TestUnusableAddress checks that an invalid address of a node makes only the pods of this node
// unready.
func TestUnusableAddress(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 2)
	bad := w.node("ExternalDNS", "no such host")
	w.pod(1, bad)
	w.pod(0, w.node("InternalIP", "10.11.0.1"))
	w.wantPublished(0, "10.11.0.1", int(w.wantService(0).Spec.Ports[0].NodePort))
	port := int(w.wantService(1).Spec.Ports[0].NodePort)
	w.wantClosed(1, "EndpointPending",
		fmt.Sprintf("no such host, port %d: the host is neither a DNS name nor an IP address", port))
	for _, e := range w.wantDirectory(2, 2, 0, 1).Endpoints {
		if e.Unreachable != (e.Ordinal == 1) {
			t.Errorf("the directory says of %s: unreachable %v", e.Name, e.Unreachable)
		}
	}
	w.nodeAddresses(bad, "ExternalDNS", "node.example.org")
	w.wantPublished(1, "node.example.org", port)
}

// TestDeletedSet checks that the objects of a StatefulSet are not created again while it is being
// deleted, or afterwards.
func TestDeletedSet(t *testing.T) {
	w := emptyWorld(t, endpoints.Config{Mode: endpoints.NodePort})
	owner := statefulSet(1)
	owner.Finalizers = []string{"test.example.org/hold"}
	w.create(owner)
	look := func() {
		t.Helper()
		if err := endpoints.Look(t.Context(), w.api, w.config); err != nil {
			t.Fatalf("Reconcile = %v", err)
		}
	}
	look()
	w.wantServices("proxy-0")
	w.remove(owner)
	w.remove(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "proxy-0"}})
	w.remove(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: directoryName}})
	gone := func(when string) {
		t.Helper()
		look()
		w.wantServices()
		if d, err := w.directory(); !apierrors.IsNotFound(err) {
			t.Errorf("%s the directory is %+v, %v; want none", when, d, err)
		}
	}
	owner = w.owner()
	if owner.DeletionTimestamp == nil {
		t.Fatal("the StatefulSet is not being deleted")
	}
	gone("while the set is being deleted")
	owner.Finalizers = nil
	if err := w.api.Update(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	gone("after it")
}
