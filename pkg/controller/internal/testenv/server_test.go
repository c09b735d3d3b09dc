package testenv_test

import (
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

var server testenv.Server

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

// TestServer writes an object to the API server and reads it back.
func TestServer(t *testing.T) {
	c, namespace := server.Client(t), server.Namespace(t)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "one"},
		StringData: map[string]string{"key": "value"},
	}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatalf("create Secret: %v", err)
	}
	var list corev1.SecretList
	if err := c.List(t.Context(), &list, client.InNamespace(namespace)); err != nil {
		t.Fatalf("list Secrets: %v", err)
	}
	if len(list.Items) != 1 || string(list.Items[0].Data["key"]) != "value" {
		t.Errorf("the namespace holds %d Secrets, want the one with its value", len(list.Items))
	}
}
