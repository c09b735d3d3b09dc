package controller_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// opaque creates a Secret that has the content of a client service, but another type.
func opaque(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	err := c.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "opaque"},
		Type:       corev1.SecretTypeOpaque,
		StringData: map[string]string{
			"clientId": "PRT.505767457-PRT.123654123-opaque",
			"secret":   "0123456789abcdef0123456789abcdef",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOtherSecrets checks that the program renders no Secret of another type, even if its content
// is that of a client service.
func TestOtherSecrets(t *testing.T) {
	c, namespace := release(t)
	opaque(t, c, namespace)
	start(t, namespace)
	wantRendered(t, c, namespace, 0) // the first reconciliation sees all Secrets that exist
	if err := createClient(t, c, namespace, 1); err != nil {
		t.Fatal(err)
	}
	wantRendered(t, c, namespace, 1)
}

// TestCacheScope checks that the program caches only the Secrets of client services in its
// namespace.
func TestCacheScope(t *testing.T) {
	c, namespace := release(t)
	other := server.Namespace(t)
	opaque(t, c, namespace)
	for n, where := range []string{namespace, other} {
		if err := createClient(t, c, where, n); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := cache.New(server.Config(t),
		controller.CacheOptions(controller.Config{Namespace: namespace, StatefulSet: "proxy"}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- kept.Start(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the cache ended with %v", err)
		}
	}()
	if !kept.WaitForCacheSync(ctx) {
		t.Fatal("the cache does not start")
	}
	var list corev1.SecretList
	if err := kept.List(ctx, &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Namespace+"/"+s.Name)
		if s.Type != clients.SecretType || s.ManagedFields != nil {
			t.Errorf("%s is kept, of type %s", s.Name, s.Type)
		}
	}
	if want := []string{namespace + "/client-0"}; !slices.Equal(names, want) {
		t.Errorf("kept are %v, want %v", names, want)
	}
}

// TestLeaseOwner deletes the Lease. The election creates it again without an owner, and then the
// Lease must get its owner again.
func TestLeaseOwner(t *testing.T) {
	c, namespace := release(t)
	key := client.ObjectKey{Namespace: namespace, Name: "proxy-controller"}
	elect := func() *coordinationv1.Lease {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
		if err := c.Create(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
		return lease
	}
	wantOwner := func() {
		t.Helper()
		testenv.Eventually(t, func() error {
			var lease coordinationv1.Lease
			if err := c.Get(t.Context(), key, &lease); err != nil {
				return err
			}
			if refs := lease.OwnerReferences; len(refs) != 1 || refs[0].Kind != "Deployment" ||
				refs[0].Name != "proxy-controller" {
				return fmt.Errorf("the Lease belongs to %v", refs)
			}
			return nil
		})
	}
	lease := elect()
	ticks := make(chan time.Time)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		config := controller.Config{Namespace: namespace, Deployment: "proxy-controller", Lease: "proxy-controller"}
		if err := controller.NewLeaseOwner(config, c, ticks).Start(ctx); err != nil {
			t.Errorf("Start = %v", err)
		}
	}()
	defer func() {
		stop()
		<-ended
	}()
	tick := func() {
		t.Helper()
		select {
		case ticks <- time.Now():
		case <-ended:
			t.Fatal("nobody looks any more")
		}
	}
	wantOwner()
	if err := c.Delete(ctx, lease); err != nil {
		t.Fatal(err)
	}
	tick() // it finds no Lease
	elect()
	tick()
	wantOwner()
}
