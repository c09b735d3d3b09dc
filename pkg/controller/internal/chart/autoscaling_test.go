package chart_test

import (
	"encoding/json"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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

// TestScalingOnWork checks the targets of both kinds of autoscalers.
func TestScalingOnWork(t *testing.T) {
	all := objects(t, "{trial: {enabled: true}, autoscaling: {enabled: true, targetQueuedDocuments: 500, "+
		"metrics: [{type: External, external: {metric: {name: '{{ .Release.Name }}-orders'}, "+
		"target: {type: Value, value: '9'}}}]}}")
	metrics := find[*autoscalingv2.HorizontalPodAutoscaler](t, all, release).Spec.Metrics
	if len(metrics) != 3 || metrics[0].Resource == nil || *metrics[0].Resource.Target.AverageUtilization != 70 {
		t.Fatalf("the metrics are %+v", metrics)
	}
	if pods := metrics[1].Pods; pods == nil || pods.Metric.Name != "signstash_queued_documents" ||
		pods.Target.AverageValue.Value() != 500 {
		t.Errorf("the queue's metric is %+v", pods)
	}
	if external := metrics[2].External; external == nil || external.Metric.Name != release+"-orders" {
		t.Errorf("the metric of the values is %+v", external)
	}
	all = objects(t, "{trial: {enabled: true}, resources: {requests: {cpu: null}}, "+
		"autoscaling: {enabled: true, targetCPUPercent: null, targetQueuedDocuments: 9}}")
	metrics = find[*autoscalingv2.HorizontalPodAutoscaler](t, all, release).Spec.Metrics
	if len(metrics) != 1 || metrics[0].Pods == nil {
		t.Errorf("without a target for the CPU the metrics are %+v", metrics)
	}
}

// TestKEDA checks the ScaledObject: its bounds, its triggers, and that it replaces the
// HorizontalPodAutoscaler.
func TestKEDA(t *testing.T) {
	const values = "{trial: {enabled: true}, replicas: 2, autoscaling: {enabled: true, maxReplicas: 9, scaleDown: true, " +
		"targetQueuedDocuments: 500, keda: {enabled: true, serverAddress: 'http://prometheus:9090', " +
		"authenticationRef: {name: prometheus}, triggers: [{type: cron, metadata: {timezone: Europe/Lisbon}}]}}}"
	var got struct {
		Spec struct {
			ScaleTargetRef                                    struct{ Kind, Name string }
			MinReplicaCount, MaxReplicaCount, PollingInterval int32
			Advanced                                          struct {
				HorizontalPodAutoscalerConfig autoscalingv2.HorizontalPodAutoscalerSpec
			}
			Triggers []struct {
				Type, MetricType  string
				Metadata          map[string]string
				AuthenticationRef struct{ Name string }
			}
		}
	}
	for _, object := range objects(t, values) {
		switch o := object.(type) {
		case *autoscalingv2.HorizontalPodAutoscaler:
			t.Error("there are two autoscalers")
		case *unstructured.Unstructured:
			if o.GetKind() != "ScaledObject" {
				continue
			}
			text, err := o.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := got.Spec
	if s.ScaleTargetRef.Kind != "StatefulSet" || s.ScaleTargetRef.Name != release || s.MinReplicaCount != 2 ||
		s.MaxReplicaCount != 9 || s.PollingInterval != 15 {
		t.Errorf("the ScaledObject is %+v", s)
	}
	if down := s.Advanced.HorizontalPodAutoscalerConfig.Behavior; down == nil || len(down.ScaleDown.Policies) != 1 {
		t.Errorf("the behaviour is %+v", down)
	}
	if len(s.Triggers) != 3 || s.Triggers[0].Metadata["value"] != "70" || s.Triggers[2].Type != "cron" {
		t.Fatalf("the triggers are %+v", s.Triggers)
	}
	queue := s.Triggers[1]
	const query = `sum(signstash_queued_documents{namespace="signing",pod=~"` + release + `-[0-9]+"})`
	if queue.Type != "prometheus" || queue.MetricType != "AverageValue" || queue.Metadata["threshold"] != "500" ||
		queue.Metadata["serverAddress"] != "http://prometheus:9090" || queue.Metadata["query"] != query ||
		queue.AuthenticationRef.Name != "prometheus" {
		t.Errorf("the trigger of the queue is %+v", queue)
	}
}
