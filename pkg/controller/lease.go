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

// leaseLook is the time between checks of the owner. It can be long, because only an uninstallation
// needs the owner.
const leaseLook = time.Minute

// leaseOwner makes the controller's Deployment the owner of the Lease, so that uninstalling removes
// the Lease. A pod must not own it, because the Lease outlives every pod. leaseOwner checks
// repeatedly, because the election creates a Lease that was deleted by hand again without an owner.
type leaseOwner struct {
	config Config
	client client.Client
	reader client.Reader
	looks  <-chan time.Time // when to check again
}

// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get,namespace=release

// NeedLeaderElection returns true, because the Lease exists once there is a leader.
func (*leaseOwner) NeedLeaderElection() bool { return true }

// Start checks the owner at once and then at every tick, until ctx is done. It then returns nil.
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

// own makes the Deployment the owner. If it is the owner already, the API server writes nothing.
func (l *leaseOwner) own(ctx context.Context) error {
	deployment := &metav1.PartialObjectMetadata{}
	deployment.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
	err := l.reader.Get(ctx, client.ObjectKey{Namespace: l.config.Namespace, Name: l.config.Deployment}, deployment)
	if apierrors.IsNotFound(err) {
		return nil // no Deployment runs this controller
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
