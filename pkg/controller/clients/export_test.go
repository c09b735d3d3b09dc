package clients

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Look searches for Secrets of a wrong type in one of the sets "opaque" and "custom".
func Look(ctx context.Context, c client.WithWatch, namespace, set string, recorder events.EventRecorder) error {
	l := &lookalikes{
		client: c, namespace: namespace, types: map[string]typeSet{"opaque": opaque, "custom": custom}[set],
		events: recorder, hinted: make(map[types.UID]bool),
	}
	return l.Start(ctx)
}
