package endpoints

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Publish writes the annotation and the readiness gate of a pod that a reconciler has read some
// time ago.
func Publish(ctx context.Context, c client.Client, p *corev1.Pod, host string, port int) error {
	r := &reconciler{
		config: Config{RESTPort: "rest", HeadlessService: "headless"},
		client: c,
		events: events.NewFakeRecorder(10),
	}
	i := instance{Pod: p, address: address{host: host, port: port}}
	return errors.Join(r.publish(ctx, i), r.gate(ctx, i))
}

// Look reconciles once, without a cache that could be stale.
func Look(ctx context.Context, c client.Client, config Config) error {
	recorder := events.NewFakeRecorder(10)
	r := &reconciler{
		config: config, client: c, events: recorder, metrics: newMetrics(),
		volumes: newVolumes(c, config.Namespace, recorder), undated: undated{now: time.Now},
	}
	_, err := r.Reconcile(ctx, ctrl.Request{})
	return err
}
