package endpoints_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/endpoints"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// podDNS is the mode that needs no node and no cloud.
var podDNS = endpoints.Config{Mode: endpoints.PodDNS}

func (w *world) dns(ordinal int) string {
	return podName(ordinal) + ".proxy-headless." + w.namespace + ".svc"
}

// TestScaleDown checks that the Service of a removed ordinal is deleted after its pod is gone, and
// that the directory still knows that the ordinal existed.
func TestScaleDown(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 2)
	node := w.node("InternalIP", "10.4.0.1")
	w.pod(0, node)
	w.pod(1, node)
	w.wantDirectory(2, 2, 0, 1)
	w.wantServices("proxy-0", "proxy-1")
	w.wantExpected(2)
	w.scale(1)
	w.wantDirectory(1, 2, 0, 1)
	w.wantExpected(1)
	w.look()
	w.wantServices("proxy-0", "proxy-1") // the pod still exists, and clients may ask it for a result
	w.removePod(1)
	w.wantServices("proxy-0")
	w.wantDirectory(1, 2, 0)
	w.change(func(*endpoints.Config) {}) // a new leader
	w.scale(2)
	w.wantServices("proxy-0", "proxy-1")
	w.wantDirectory(2, 2, 0)
}

// TestStop checks that Services stay while the StatefulSet has no replicas, as for a backup, and
// that the instances return with the same addresses.
func TestStop(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 2)
	w.pod(0, w.node("InternalIP", "10.4.1.1"))
	w.wantDirectory(2, 2, 0)
	w.wantServices("proxy-0", "proxy-1")
	before := w.wantService(0)
	w.scale(0)
	w.removePod(0)
	w.wantDirectory(0, 2)
	w.wantExpected(0)
	w.wantServices("proxy-0", "proxy-1")
	w.change(func(*endpoints.Config) {}) // a new leader
	w.scale(2)
	w.wantDirectory(2, 2)
	if after := w.wantService(0); after.UID != before.UID {
		t.Error("the Service was created again")
	}
	w.scale(0)
	w.wantDirectory(0, 2)
	w.change(func(c *endpoints.Config) { c.Mode = endpoints.PodDNS }) // this mode has no per-pod Services
	w.wantServices()
}

// wantExpected waits until the metric of the expected number of instances has this value, however
// many exist.
func (w *world) wantExpected(want float64) {
	w.t.Helper()
	if got := w.metric("signstash_instances_expected"); got != want {
		w.t.Errorf("%v instances are expected, want %v", got, want)
	}
}

// TestForeignService checks that a Service that has a pod's name and belongs to somebody else is
// not changed, and that the pod's condition gives the reason why it takes no work.
func TestForeignService(t *testing.T) {
	w := emptyWorld(t, endpoints.Config{Mode: endpoints.NodePort})
	w.create(statefulSet(1))
	foreign := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "proxy-0"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}, Selector: map[string]string{"app": "theirs"}},
	}
	w.create(foreign)
	w.start()
	node := w.node("InternalIP", "10.5.0.1")
	w.pod(0, node)
	w.wantClosed(0, "EndpointPending", "a Service named proxy-0 exists, and the controller does not own it")
	if s := w.wantService(0); s.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the foreign Service was written")
	}
	w.remove(foreign)
	testenv.Eventually(t, func() error {
		s := w.wantService(0)
		if !metav1.IsControlledBy(s, w.owner()) {
			return errors.New("there is no Service of ours")
		}
		return nil
	})
	w.wantPublished(0, "10.5.0.1", int(w.wantService(0).Spec.Ports[0].NodePort))
}

// TestOrphanedServices checks that a new StatefulSet takes over the Services of a deleted one with
// their node ports, and that those it does not need are removed.
func TestOrphanedServices(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 2)
	node := w.node("InternalIP", "10.5.1.1")
	w.pod(0, node)
	before := w.wantService(0)
	w.wantPublished(0, "10.5.1.1", int(before.Spec.Ports[0].NodePort))
	w.wantServices("proxy-0", "proxy-1")
	w.stop()
	// As kubectl delete statefulset --cascade=orphan does. No garbage collector runs in this test that
	// would do it.
	for ordinal := range 2 {
		s := w.wantService(ordinal)
		s.OwnerReferences = nil
		if err := w.api.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	theirs := before.DeepCopy()
	theirs.ObjectMeta = metav1.ObjectMeta{Name: "other-0", Labels: before.Labels}
	theirs.Spec = corev1.ServiceSpec{
		Ports:    []corev1.ServicePort{{Port: 1}},
		Selector: map[string]string{"statefulset.kubernetes.io/pod-name": "other-0"},
	}
	w.create(theirs)
	w.remove(w.owner())
	w.create(statefulSet(1))
	testenv.Eventually(t, func() error {
		p := w.getPod(0)
		p.OwnerReferences = w.ownedBy()
		return w.api.Update(t.Context(), p)
	})
	w.start()
	w.wantServices("other-0", "proxy-0")
	after := w.wantService(0)
	testenv.Eventually(t, func() error {
		if after = w.wantService(0); !metav1.IsControlledBy(after, w.owner()) {
			return fmt.Errorf("owners are %v, want the StatefulSet that is there now", after.OwnerReferences)
		}
		return nil
	})
	if after.UID != before.UID {
		t.Error("the Service was created again")
	}
	w.wantPublished(0, "10.5.1.1", int(before.Spec.Ports[0].NodePort))
}

// TestLostAddress removes the node or the address of the load balancer. The pod must become unready
// with a Warning and keep its last endpoint, and become ready again when the address is back.
func TestLostAddress(t *testing.T) {
	t.Run("node", func(t *testing.T) {
		w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 1)
		node := w.node("InternalIP", "10.6.0.1")
		w.pod(0, node)
		port := int(w.wantService(0).Spec.Ports[0].NodePort)
		own := w.wantPublished(0, "10.6.0.1", port)
		w.nodeAddresses(node)
		w.wantLost(own, "node "+node+" has no address")
		w.nodeAddresses(node, "InternalIP", "10.6.0.2")
		w.wantPublished(0, "10.6.0.2", port)
		if err := w.api.Delete(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}); err != nil {
			t.Fatal(err)
		}
		own.Host = "10.6.0.2"
		w.wantLost(own, "node "+node+" is gone")
	})
	t.Run("load balancer", func(t *testing.T) {
		w := newWorld(t, endpoints.Config{Mode: endpoints.LoadBalancer}, 1)
		w.pod(0, "")
		w.wantService(0)
		w.cloud("proxy-0", corev1.LoadBalancerIngress{IP: "192.0.2.20"})
		own := w.wantPublished(0, "192.0.2.20", restPort)
		w.cloud("proxy-0")
		w.wantLost(own, "the load balancer of Service proxy-0 has no address")
		w.cloud("proxy-0", corev1.LoadBalancerIngress{IP: "192.0.2.21"})
		w.wantPublished(0, "192.0.2.21", restPort)
	})
}

// wantLost waits until an instance is unready for that reason, and checks that it still has its
// last endpoint.
func (w *world) wantLost(last affinity.Published, why string) {
	w.t.Helper()
	w.wantClosed(last.Ordinal, "EndpointLost", why)
	w.wantEvent(last.Ordinal, corev1.EventTypeWarning, "EndpointLost", "it takes no new work: "+why)
	own, err := affinity.DecodePublished([]byte(w.getPod(last.Ordinal).Annotations[affinity.EndpointAnnotation]))
	if err != nil || own != last {
		w.t.Errorf("the pod knows %+v (%v), want its last endpoint %+v", own, err, last)
	}
	if got := w.metric("signstash_controller_endpoints_missing"); got != 1 {
		w.t.Errorf("signstash_controller_endpoints_missing is %v, want 1", got)
	}
}

// metric returns the value of a gauge or counter.
func (w *world) metric(name string) float64 {
	w.t.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	w.t.Fatalf("there is no metric %s", name)
	return 0
}

// TestOrder checks the order of writes: first the directory with the pod, then the address on the
// pod, then its readiness gate.
func TestOrder(t *testing.T) {
	w := emptyWorld(t, podDNS)
	w.create(statefulSet(1))
	var steps []string
	seen := map[string]bool{}
	step := func(name string) {
		if !seen[name] {
			seen[name] = true
			steps = append(steps, name)
		}
	}
	// There is one watch for each kind. Only resourceVersions give the order of events of two kinds,
	// because etcd numbers all writes.
	pods, err := w.api.Watch(t.Context(), &corev1.PodList{}, client.InNamespace(w.namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer pods.Stop()
	w.start()
	w.pod(0, "")
	for event := range pods.ResultChan() {
		p, ok := event.Object.(*corev1.Pod)
		if !ok || event.Type == watch.Deleted {
			continue
		}
		if p.Annotations[affinity.EndpointAnnotation] != "" {
			step("annotation")
			if d, err := w.directory(); err != nil || len(d.Endpoints) != 1 {
				t.Errorf("the pod knows its address, and the directory is %+v, %v", d, err)
			}
		}
		if gate(p).Status == corev1.ConditionTrue {
			step("gate")
			break
		}
	}
	if got := fmt.Sprint(steps); got != "[annotation gate]" {
		t.Errorf("steps are %s, want annotation, then gate", got)
	}
}

// TestStaleIdentity checks that an annotation that a pod has taken over from its predecessor is
// replaced.
func TestStaleIdentity(t *testing.T) {
	w := emptyWorld(t, podDNS)
	w.create(statefulSet(1))
	stale, err := affinity.EncodePublished(affinity.Published{
		Name: "proxy-0", Instance: "another-uid", Host: w.dns(0), Port: restPort, Internal: w.dns(0) + ":8080",
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name:            "proxy-0",
			OwnerReferences: w.ownedBy(),
			Annotations:     map[string]string{affinity.EndpointAnnotation: string(stale)},
		},
		Spec: podSpec(""),
	}
	w.create(p)
	w.start()
	w.wantPublished(0, w.dns(0), restPort)
}

// TestWhosePods checks that pods of others and pods that have ended have no endpoint. A pod that is
// terminating stays in the directory for its peers, but is not written to.
func TestWhosePods(t *testing.T) {
	w := emptyWorld(t, podDNS)
	w.create(statefulSet(3))
	w.create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "proxy-1"}, Spec: podSpec("")}) // no owner
	for _, name := range []string{"proxy-x", "proxy-01", "other-0", "proxy-1024"} {
		w.create(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: w.ownedBy()}, Spec: podSpec("")})
	}
	failed := w.pod(2, "")
	failed.Status.Phase = corev1.PodFailed
	if err := w.api.Status().Update(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	w.pod(0, w.node("InternalIP", "10.7.0.1"))
	// no kubelet runs that would end it, so it stays terminating
	w.remove(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "proxy-0"}})
	ending := w.getPod(0)
	if ending.DeletionTimestamp == nil {
		t.Fatal("the pod is not ending")
	}
	w.start()
	w.wantDirectory(3, 3, 0)
	w.look()
	if p := w.getPod(0); p.ResourceVersion != ending.ResourceVersion {
		t.Errorf("an ending pod was written: %v", p.Annotations)
	}
}

// TestSuccessor checks that the result for a pod is not written to a later pod of the same name.
func TestSuccessor(t *testing.T) {
	w := emptyWorld(t, podDNS)
	w.create(statefulSet(1))
	before := w.pod(0, "")
	w.removePod(0)
	after := w.pod(0, "")
	if err := endpoints.Publish(t.Context(), w.api, before, "10.9.0.1", restPort); err != nil {
		t.Errorf("Publish = %v", err)
	}
	if p := w.getPod(0); p.ResourceVersion != after.ResourceVersion {
		t.Errorf("the successor was written: %v, %+v", p.Annotations, gate(p))
	}
}

// TestQuiet checks that nothing is written if nothing has changed.
func TestQuiet(t *testing.T) {
	w := newWorld(t, endpoints.Config{Mode: endpoints.NodePort}, 2)
	node := w.node("InternalIP", "10.8.0.1")
	w.pod(0, node)
	w.pod(1, node)
	w.settled(0)
	w.settled(1)
	before := w.versions()
	w.look()
	w.look()
	if after := w.versions(); !maps.Equal(before, after) {
		t.Errorf("versions were %v and are %v", before, after)
	}
}

// TestTouch checks that every pod is touched twice after a change of the directory, so that its
// kubelet mounts the new version.
func TestTouch(t *testing.T) {
	w := newWorld(t, podDNS, 2)
	w.pod(0, "")
	w.settled(0)
	pods, err := w.api.Watch(t.Context(), &corev1.PodList{}, client.InNamespace(w.namespace),
		client.MatchingFields{"metadata.name": "proxy-0"})
	if err != nil {
		t.Fatal(err)
	}
	defer pods.Stop()
	before := w.getPod(0).Annotations[affinity.PeersAnnotation]
	w.scale(1)
	w.wantDirectory(1, 2, 0)
	w.settled(0)
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: directoryName}}
	w.get(m)
	var touches []string
	for event := range pods.ResultChan() {
		value := event.Object.(*corev1.Pod).Annotations[affinity.PeersAnnotation]
		if value != before && (len(touches) == 0 || touches[len(touches)-1] != value) {
			touches = append(touches, value)
		}
		if value == m.ResourceVersion+"+" {
			break
		}
	}
	if want := fmt.Sprint([]string{m.ResourceVersion, m.ResourceVersion + "+"}); fmt.Sprint(touches) != want {
		t.Errorf("touches are %v, want %v", touches, want)
	}
}

// TestDamagedDirectory checks that an unreadable or deleted directory is written again.
func TestDamagedDirectory(t *testing.T) {
	w := newWorld(t, podDNS, 1)
	w.pod(0, "")
	w.wantDirectory(1, 1, 0)
	testenv.Eventually(t, func() error {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: directoryName}}
		w.get(m)
		m.Data = map[string]string{affinity.DirectoryKey: "{", "stray": "value"}
		return w.api.Update(t.Context(), m)
	})
	w.wantDirectory(1, 1, 0)
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: directoryName}}
	w.get(m)
	if len(m.Data) != 1 || !metav1.IsControlledBy(m, w.owner()) {
		t.Errorf("the ConfigMap holds %v and is owned by %v", m.Data, m.OwnerReferences)
	}
	w.remove(m)
	w.wantDirectory(1, 1, 0)
}

// TestNoSet checks that nothing is created before the StatefulSet exists, and that everything is
// created afterwards.
func TestNoSet(t *testing.T) {
	w := emptyWorld(t, endpoints.Config{Mode: endpoints.NodePort})
	w.start()
	w.create(statefulSet(1))
	w.wantDirectory(1, 1)
	w.wantServices("proxy-0")
}
