package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// labels are the labels of a component as the chart sets them.
func labels(release, component string) map[string]string {
	return map[string]string{nameLabel: chartName, releaseLabel: release, componentLabel: component}
}

// install makes the StatefulSet of a release.
func (w *world) install(release string, replicas int32) {
	w.t.Helper()
	l := labels(release, "proxy")
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: release + "-signstash-proxy", Labels: l},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: l}, ServiceName: "headless",
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: l}, Spec: podSpec("")},
		},
	}
	must(w.api.AppsV1().StatefulSets(w.namespace).Create(w.t.Context(), set, metav1.CreateOptions{}))(w.t)
}

func podSpec(node string) corev1.PodSpec {
	return corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
		Name: "proxy", Image: "proxy", Ports: []corev1.ContainerPort{{Name: "management", ContainerPort: 8081}},
	}}}
}

// controller makes the Deployment and the Lease of the controller.
func (w *world) controller(release string) {
	w.t.Helper()
	l := labels(release, "controller")
	name, replicas := release+"-signstash-proxy-controller", int32(2)
	d := must(w.api.AppsV1().Deployments(w.namespace).Create(w.t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: l},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: l},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: l}, Spec: podSpec("")},
		},
	}, metav1.CreateOptions{}))(w.t)
	d.Status.Replicas, d.Status.ReadyReplicas, d.Status.UpdatedReplicas = 2, 1, 2
	must(w.api.AppsV1().Deployments(w.namespace).UpdateStatus(w.t.Context(), d, metav1.UpdateOptions{}))(w.t)
	holder := name + "-7d9f-abcde_0e9a"
	must(w.api.CoordinationV1().Leases(w.namespace).Create(w.t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder},
	}, metav1.CreateOptions{}))(w.t)
}

// instance makes a running pod of a release, whose management port answers with i and d.
func (w *world) instance(release string, i client.Instance, d client.Drain) {
	w.t.Helper()
	name := w.pod(release, i.Ordinal, i.Ready == "ready")
	i.Instance, d.Instance = name, name
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(rw http.ResponseWriter, r *http.Request) {
		out := i
		if got := r.URL.Query().Get("signedSince"); got == "" {
			out.Signed = nil
		} else if got != "2026-11-24T00:00:00Z" {
			http.Error(rw, "signedSince is "+got, http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(rw).Encode(out)
	})
	mux.HandleFunc("GET /drain", func(rw http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(rw).Encode(d) })
	w.kubelet.serve(w.t, w.namespace, name, mux)
}

// pod makes a running pod of a release and returns its name.
func (w *world) pod(release string, ordinal int, ready bool) string {
	w.t.Helper()
	name := fmt.Sprintf("%s-signstash-proxy-%d", release, ordinal)
	pods := w.api.CoreV1().Pods(w.namespace)
	pod := must(pods.Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels(release, "proxy")}, Spec: podSpec(w.namespace),
	}, metav1.CreateOptions{}))(w.t)
	pod.Status.Phase = corev1.PodRunning
	condition := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
	if ready {
		condition.Status = corev1.ConditionTrue
	}
	pod.Status.Conditions = []corev1.PodCondition{condition}
	must(pods.UpdateStatus(w.t.Context(), pod, metav1.UpdateOptions{}))(w.t)
	return name
}

// secret makes a Secret and returns it.
func (w *world) secret(name string, kind corev1.SecretType, data map[string]string) *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, Type: kind, StringData: maps.Clone(data)}
	return must(w.api.CoreV1().Secrets(w.namespace).Create(w.t.Context(), s, metav1.CreateOptions{}))(w.t)
}

// event makes an event about an object, some time ago.
func (w *world) event(kind string, object metav1.ObjectMeta, eventType, reason, note string, ago time.Duration) {
	w.t.Helper()
	must(w.api.CoreV1().Events(w.namespace).Create(w.t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "event-"},
		InvolvedObject: corev1.ObjectReference{
			Kind: kind, Name: object.Name, Namespace: w.namespace, UID: object.UID,
		},
		Type: eventType, Reason: reason, Message: note, LastTimestamp: metav1.NewTime(now.Add(-ago)),
	}, metav1.CreateOptions{}))(w.t)
}
