package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// leaseLook is the pause between looks at the owner: nothing waits for it but an uninstallation.
const leaseLook = time.Minute

// leaseOwner makes the controller's Deployment own the Lease, so that uninstalling leaves none
// behind. A pod must not own it: the Lease outlives every pod. One that was deleted by hand comes
// back from the election without an owner.
type leaseOwner struct {
	config Config
	client client.Client
	reader client.Reader
	looks  <-chan time.Time // when to look again
}

// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get,namespace=release

// NeedLeaderElection lets the leader alone do it; the Lease is there then.
func (*leaseOwner) NeedLeaderElection() bool { return true }

// Start looks at once and then at every tick, until ctx is done.
func (l *leaseOwner) Start(ctx context.Context) error {
	for {
		if err := l.own(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "the Lease has no owner yet")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-l.looks:
		}
	}
}

// own makes the Deployment the owner. Where it is that already, the API server writes nothing.
func (l *leaseOwner) own(ctx context.Context) error {
	deployment := &metav1.PartialObjectMetadata{}
	deployment.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	err := l.reader.Get(ctx, client.ObjectKey{Namespace: l.config.Namespace, Name: l.config.Deployment}, deployment)
	if apierrors.IsNotFound(err) {
		return nil // not run by one
	}
	if err != nil {
		return fmt.Errorf("read Deployment: %w", err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": []metav1.OwnerReference{{
		APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment", Name: deployment.Name, UID: deployment.UID,
	}}}})
	if err != nil {
		return fmt.Errorf("own Lease: %w", err)
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: l.config.Namespace, Name: l.config.Lease}}
	if err := l.client.Patch(ctx, lease, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("own Lease: %w", err)
	}
	return nil
}
