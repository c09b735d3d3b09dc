package clients_test

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
)

// TestSamples checks that the controller accepts each sample of a client service.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("../../../config/samples/client-service*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("samples are %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &corev1.Secret{}
			if err := yaml.UnmarshalStrict(content, s); err != nil {
				t.Fatal(err)
			}
			if s.Type != clients.SecretType {
				t.Errorf("type is %s", s.Type)
			}
			id, secret := s.StringData["clientId"], s.StringData["secret"]
			w := newWorld(t)
			w.create(s)
			w.want(data{id: secret})
		})
	}
}
