//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// gatewayKinds are the kinds of the Gateway API that the controller uses.
var gatewayKinds = []string{"gateways", "httproutes", "tlsroutes"}

// gateway publishes every pod at a host of a Gateway. The test stands in for the Gateway's
// controller: it judges the routes, and gatewayTransport routes requests as they say.
func (w *world) gateway() {
	w.installGatewayAPI()
	w.apply(namespace, object{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": object{"name": "public"},
		"spec": object{"gatewayClassName": "stand-in", "listeners": []any{
			object{"name": "web", "port": 80, "protocol": "HTTP"},
		}},
	})
	former := w.address(0)
	for key, value := range map[string]string{
		"mode": "Gateway", "hostTemplate": "sign-{ordinal}.gateway.test", "portTemplate": "80",
		"gateway.parentRefs[0].name": "public", "gateway.parentRefs[0].sectionName": "web",
	} {
		w.values["endpoint."+key] = value
	}
	w.helm("--wait")
	w.wantEvent("Pod", podName(0), "EndpointKept", "mode Gateway")
	w.wantPublished(0, former.Host, former.Port)
	w.judgeGateway()
	for ordinal := range 3 {
		w.judgeRoute(ordinal, "True")
	}
	for ordinal := range 3 {
		w.wantPublished(ordinal, gatewayHost(ordinal), 80)
	}
	w.throughGateway()

	w.judgeRoute(1, "False")
	w.wantEvent("Pod", podName(1), "EndpointLost", "public", "Accepted", "StandIn")
	w.judgeRoute(1, "True")
	w.wantPublished(1, gatewayHost(1), 80)
	w.leaveGateway()
}

func gatewayHost(ordinal int) string { return fmt.Sprintf("sign-%d.gateway.test", ordinal) }

// installGatewayAPI installs the CRDs from the Go module.
func (w *world) installGatewayAPI() {
	w.t.Helper()
	folder := w.must("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api")
	for _, kind := range gatewayKinds {
		w.must("kubectl", "apply", "--server-side", "-f",
			filepath.Join(folder, "config/crd/standard/gateway.networking.k8s.io_"+kind+".yaml"))
		w.must("kubectl", "wait", "--for=condition=Established", "--timeout=1m", "crd", kind+".gateway.networking.k8s.io")
	}
}

// conditionsFunc returns conditions with a status, for the present generation of an object.
type conditionsFunc func(status string, names ...string) []any

// patchStatus writes the status of an object for its present generation.
func (w *world) patchStatus(kind, name string, status func(conditionsFunc) object) {
	w.t.Helper()
	w.eventually(func() error {
		text, err := run(w.t.Context(), "", "kubectl", "-n", namespace, "get", kind, name,
			"-o", "jsonpath={.metadata.generation}")
		if err != nil {
			return err
		}
		conditions := func(status string, names ...string) (all []any) {
			for _, name := range names {
				all = append(all, object{
					"type": name, "status": status, "reason": "StandIn", "message": "", "observedGeneration": json.Number(text),
					"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
				})
			}
			return all
		}
		patch, err := json.Marshal(object{"status": status(conditions)})
		if err != nil {
			return err
		}
		_, err = run(w.t.Context(), "", "kubectl", "-n", namespace, "patch", kind, name, "--subresource=status",
			"--type=merge", "--patch="+string(patch))
		return err
	})
}

func (w *world) judgeGateway() {
	w.t.Helper()
	w.patchStatus("gateway", "public", func(conditions conditionsFunc) object {
		return object{"conditions": conditions("True", "Accepted", "Programmed"), "listeners": []any{object{
			"name": "web", "attachedRoutes": 3, "supportedKinds": []any{},
			"conditions": conditions("True", "Accepted", "Programmed", "ResolvedRefs"),
		}}}
	})
}

func (w *world) judgeRoute(ordinal int, accepted string) {
	w.t.Helper()
	w.patchStatus("httproute", podName(ordinal), func(conditions conditionsFunc) object {
		return object{"parents": []any{object{
			"parentRef": object{"name": "public", "sectionName": "web"}, "controllerName": "example.org/stand-in",
			"conditions": append(conditions(accepted, "Accepted"), conditions("True", "ResolvedRefs")...),
		}}}
	})
}

// gatewayTransport sends a request to the Service that the HTTPRoute of its host names.
type gatewayTransport struct {
	w    *world
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g gatewayTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	var list struct {
		Items []struct {
			Spec struct {
				Hostnames []string
				Rules     []struct {
					BackendRefs []struct {
						Name string
						Port int
					}
				}
			}
		}
	}
	out, err := run(r.Context(), "", "kubectl", "-n", namespace, "get", "httproutes", "-o", "json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	for _, route := range list.Items {
		if len(route.Spec.Hostnames) == 1 && route.Spec.Hostnames[0] == r.URL.Hostname() {
			backend, sent := route.Spec.Rules[0].BackendRefs[0], r.Clone(r.Context())
			sent.URL.Host = fmt.Sprintf("%s.%s.svc.cluster.local:%d", backend.Name, namespace, backend.Port)
			sent.Host = sent.URL.Host // the door looks at this one
			return g.next.RoundTrip(sent)
		}
	}
	return nil, fmt.Errorf("no HTTPRoute has the host %s", r.URL.Hostname())
}

// throughGateway signs at every instance through its host, and follows the address in the answer.
func (w *world) throughGateway() {
	earlier := w.door
	defer func() { w.door = earlier }()
	w.door = &http.Client{Timeout: earlier.Timeout, Transport: gatewayTransport{w, earlier.Transport}}
	for ordinal := range 3 {
		w.eventually(func() error { // the file in the pod is updated after the annotation
			reference := fmt.Sprintf("by gateway %d", time.Now().UnixNano())
			a, err := call(w.t.Context(), w.door, w.admin, http.MethodPost,
				"http://"+gatewayHost(ordinal)+api+"document/sign/async/base64/", request(w.t, reference))
			if err != nil || a.status != http.StatusAccepted || a.header.Get("X-Signstash-Instance") != podName(ordinal) {
				return errors.Join(err, fmt.Errorf("at %s: %v", gatewayHost(ordinal), a))
			}
			op := w.decode(a)
			if op.HostPort != gatewayHost(ordinal)+":80" {
				return fmt.Errorf("the answer names %s", op.HostPort)
			}
			if got := w.ended("http://"+op.HostPort, reference); got.ID != op.ID {
				w.t.Errorf("at %s is operation %d, want %d", op.HostPort, got.ID, op.ID)
			}
			return nil
		})
	}
}

// leaveGateway changes back to PodDNS. The routes go with the Services that own them, although the
// controller has no rights for routes any more.
func (w *world) leaveGateway() {
	for key := range w.values {
		if strings.HasPrefix(key, "endpoint.") {
			delete(w.values, key)
		}
	}
	w.values["endpoint.mode"] = "PodDNS"
	w.helm("--wait")
	w.wantReady(3)
	w.eventually(func() error {
		if routes := w.kubectl("get", "httproutes", "-o", "name"); routes != "" {
			return fmt.Errorf("routes are left: %s", routes)
		}
		return nil
	})
	w.kubectl("delete", "gateway", "public")
	for _, kind := range gatewayKinds {
		w.must("kubectl", "delete", "crd", kind+".gateway.networking.k8s.io")
	}
}
