//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// published is the endpoint in a pod's annotation.
type published struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// wantPublished waits until a pod is ready and its published endpoint is the given address.
func (w *world) wantPublished(ordinal int, host string, port int) {
	w.t.Helper()
	w.eventually(func() error {
		p := w.pod(ordinal)
		var own published
		if err := json.Unmarshal([]byte(p.Metadata.Annotations["signstash.io/endpoint"]), &own); err != nil {
			return err
		}
		if own != (published{host, port}) || p.condition("Ready") != "True" {
			return fmt.Errorf("%s is published at %+v, ready %s; want %s, port %d", podName(ordinal), own,
				p.condition("Ready"), host, port)
		}
		return nil
	})
}

// nodePort publishes every pod at its node, with a port for each pod, and follows these addresses.
func (w *world) nodePort() {
	w.values["endpoint.mode"] = "NodePort"
	w.helm("--wait")
	var nodes [3]string // address of the node of each instance
	for ordinal := range nodes {
		nodes[ordinal] = w.must("kubectl", "get", "node", w.pod(ordinal).Spec.NodeName, "-o",
			`jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`)
		port := instancePort(ordinal) // a user may choose the port; the controller keeps it
		w.eventually(func() error {
			_, err := run(w.t.Context(), "", "kubectl", "-n", namespace, "patch", "service", podName(ordinal), "--type=json",
				fmt.Sprintf(`--patch=[{"op":"replace","path":"/spec/ports/0/nodePort","value":%d}]`, port))
			return err
		})
	}
	for ordinal := range 3 {
		w.wantPublished(ordinal, nodes[ordinal], instancePort(ordinal))
	}
	w.eventually(func() error { // the file in the pod is updated after the annotation
		op := w.accept(instanceURL(1), fmt.Sprintf("by node %d", time.Now().UnixNano()))
		if op.Host != nodes[1] || op.Port != instancePort(1) {
			return fmt.Errorf("the answer names %s", op.HostPort)
		}
		reference := op.ExternalReference
		for _, url := range []string{
			statusURL("http://"+op.HostPort, reference) + "?wait=20s", detailURL("http://"+op.HostPort, reference),
		} {
			a, err := call(w.t.Context(), w.door, w.admin, http.MethodGet, url, nil)
			if err != nil || a.status == http.StatusBadGateway {
				// The node learns about a new port a moment after the API server.
				return errors.Join(err, fmt.Errorf("%s: %v", url, a))
			}
			if a.status != http.StatusOK || a.header.Get("X-Signstash-Instance") != podName(1) {
				w.t.Fatalf("at its node: %s: %v", url, a)
			}
		}
		return nil
	})
	// Each pod's port leads to that pod.
	for ordinal := range 3 {
		reference := fmt.Sprintf("at its port %d", ordinal)
		w.eventually(func() error {
			a, err := call(
				w.t.Context(),
				w.door,
				w.admin,
				http.MethodPost,
				fmt.Sprintf("http://%s:%d%sdocument/sign/async/base64/", nodes[ordinal], instancePort(ordinal), api),
				request(w.t, reference),
				"Idempotency-Key",
				reference,
			)
			if err == nil && (a.status != http.StatusAccepted || a.header.Get("X-Signstash-Instance") != podName(ordinal)) {
				err = fmt.Errorf("port of %s: %v, answered by %q", podName(ordinal), a, a.header.Get("X-Signstash-Instance"))
			}
			return err
		})
	}
}

// address reads the endpoint that a pod is published at.
func (w *world) address(ordinal int) (own published) {
	w.t.Helper()
	text := w.pod(ordinal).Metadata.Annotations["signstash.io/endpoint"]
	if err := json.Unmarshal([]byte(text), &own); err != nil {
		w.t.Fatalf("endpoint of %s: %q, %v", podName(ordinal), text, err)
	}
	return own
}

// loadBalancer acts as the cloud: it gives every Service an address, and withdraws one. Until then
// each pod stays ready at its former address.
func (w *world) loadBalancer() {
	former := w.address(0)
	w.values["endpoint.mode"] = "LoadBalancer"
	w.helm()
	cloud := func(ordinal int, ingress string) {
		w.eventually(func() error {
			_, err := run(w.t.Context(), "", "kubectl", "-n", namespace, "patch", "service", podName(ordinal),
				"--subresource=status", "--type=merge", `--patch={"status":{"loadBalancer":{"ingress":`+ingress+`}}}`)
			return err
		})
	}
	w.wantEvent("Pod", podName(0), "EndpointKept")
	w.wantPublished(0, former.Host, former.Port)
	w.wantReady(3)
	for ordinal := range 3 {
		cloud(ordinal, fmt.Sprintf(`[{"hostname":"sign-%d.example.org"}]`, ordinal))
	}
	for ordinal := range 3 {
		w.wantPublished(ordinal, fmt.Sprintf("sign-%d.example.org", ordinal), 8080)
	}
	w.eventually(func() error {
		reference := fmt.Sprintf("balanced %d", time.Now().UnixNano())
		a, err := call(w.t.Context(), w.door, w.admin, http.MethodPost, front+api+"document/sign/async/base64/",
			request(w.t, reference))
		if err != nil || a.status != http.StatusAccepted {
			return errors.Join(err, fmt.Errorf("sign: %v", a))
		}
		op := w.decode(a)
		if !strings.HasSuffix(op.Host, ".example.org") || op.Port != 8080 {
			return fmt.Errorf("the answer names %s", op.HostPort)
		}
		return nil
	})
	cloud(1, "null")
	w.eventually(func() error {
		if p := w.pod(1); p.condition("Ready") != "False" || p.condition("signstash.io/endpoint-published") != "False" {
			return fmt.Errorf("%s is ready although its address was withdrawn", podName(1))
		}
		return nil
	})
	// An operation of the instance that is not ready. That instance still answers.
	w.ask(http.StatusOK, http.MethodGet, statusURL(front, "killed"), nil)
	w.values["endpoint.mode"] = "PodDNS"
	w.helm("--wait")
	w.wantReady(3)
	w.eventually(func() error { // they stay until the pods are published at their new addresses
		services := w.kubectl("get", "services", "-l", "signstash.io/per-pod-service", "-o", "name")
		if services != "" {
			return fmt.Errorf("Services of single pods are left: %s", services)
		}
		return nil
	})
}
