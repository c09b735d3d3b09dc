package testenv

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Scheme returns a scheme with every kind of the standard API and of the Gateway API.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), gatewayv1.Install(scheme)); err != nil {
		return nil, fmt.Errorf("make scheme: %w", err)
	}
	return scheme, nil
}

// gatewayCRDs returns the files of the Gateway API's Go module that define the kinds that the
// controller uses.
func gatewayCRDs() ([]string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module of the Gateway API: %w", err)
	}
	var files []string
	for _, kind := range []string{"gateways", "httproutes", "tlsroutes"} {
		files = append(files, filepath.Join(strings.TrimSpace(string(out)), "config", "crd", "standard",
			"gateway.networking.k8s.io_"+kind+".yaml"))
	}
	return files, nil
}

// InstallGatewayAPI makes a running server know the Gateway API.
func (s *Server) InstallGatewayAPI(t *testing.T) {
	t.Helper()
	files, err := gatewayCRDs()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envtest.InstallCRDs(s.Config(t), envtest.CRDInstallOptions{Paths: files}); err != nil {
		t.Fatalf("install CRDs: %v", err)
	}
}
