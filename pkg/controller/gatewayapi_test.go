package controller_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// kindArrives is how long a test waits until the controller has noticed new kinds. It asks every 10
// seconds.
const kindArrives = 2 * time.Minute

// TestLateGatewayAPI starts the controller in mode Gateway before the API server knows the Gateway
// API. The controller must work for clients meanwhile, say what is missing, and make the routes
// after somebody installs the CRDs, with the rights of that mode alone.
func TestLateGatewayAPI(t *testing.T) {
	c, namespace := release(t)
	owner := &appsv1.StatefulSet{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "proxy"}, owner); err != nil {
		t.Fatal(err)
	}
	yes := true
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "proxy-0",
			Labels: map[string]string{"app.kubernetes.io/name": "signstash-proxy", "app.kubernetes.io/component": "proxy"},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "proxy", UID: owner.UID, Controller: &yes},
			},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{
			{Name: "proxy", Image: "proxy", Ports: []corev1.ContainerPort{{Name: "rest", ContainerPort: 8080}}},
		}},
	}
	if err := c.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	user := "controller-" + namespace
	grant(t, namespace, user, "gateway-routes")
	grant(t, namespace, user, "gateway-parents")
	p := startWith(t, namespace, user, server.Kubeconfig(t, user), "--endpoint-mode=Gateway",
		"--host-template=sign-{ordinal}.example.org", "--port-template=443", `--gateway-parents=[{"name": "public"}]`)
	wantRendered(t, c, namespace, 0)
	gate := func(limit time.Duration, want string) {
		t.Helper()
		testenv.Within(t, limit, func() error {
			p.wantAlive()
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(pod), pod); err != nil {
				return err
			}
			for _, condition := range pod.Status.Conditions {
				if strings.Contains(condition.Message, want) {
					return nil
				}
			}
			return fmt.Errorf("the pod says %+v, want %q", pod.Status.Conditions, want)
		})
	}
	gate(kindArrives, "install the CRDs of the Gateway API")
	if err := createClient(t, c, namespace, 1); err != nil {
		t.Fatal(err)
	}
	wantRendered(t, c, namespace, 1)
	server.InstallGatewayAPI(t)
	gate(kindArrives, "Gateway public has not judged HTTPRoute proxy-0 yet")
	route := &gatewayv1.HTTPRoute{ObjectMeta: pod.ObjectMeta}
	if err := c.Delete(t.Context(), route); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, func() error { // the watch of routes runs
		return c.Get(t.Context(), client.ObjectKeyFromObject(pod), route)
	})
	if text := p.log.String(); strings.Contains(text, "starts again") ||
		strings.Count(text, "waiting for a kind that the API server does not know") == 0 {
		t.Error("the log does not say what is missing, or the controller has started again")
	}
	wantNoWarnings(t, p)
}
