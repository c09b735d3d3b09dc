package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestTraces checks that the proxy sends spans of requests, outgoing calls and signatures to the
// collector in the variable OTEL_EXPORTER_OTLP_ENDPOINT. No span contains a client's reference or a
// callback URL.
func TestTraces(t *testing.T) {
	t.Parallel()
	traces := collectedTraces{names: map[string]int{}, resources: map[string]string{}}
	receiver := httptest.NewServer(&traces)
	defer receiver.Close()
	remote := newRemoteSide(t, service.Options{})
	told := newReceiver(t)
	p := newTestProxy(t, append(remote.flags(), "--callback.allow-private=127.0.0.0/8")...)
	p.o.Env = append(p.o.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver.URL,
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=tests,malformed")
	p.start(t)
	const reference = "traced/secret reference"
	c := newClient(t, p.Instance)
	if _, err := c.Sign(t.Context(), oneDocument(t, reference, client.SignatureInfo{}), new(memorySink)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context(), reference); err != nil {
		t.Fatal(err)
	}
	post(t, p, "document/sign/async/base64", withCallback(t, "told", told.URL+"/secret-path?token=secret-token"))
	until(t, "the callback", func() bool { return told.heard("told") == "EXECUTED" })
	unknown := "http://secret-user.127.0.0.1.invalid/secret?token=secret-token"
	post(t, p, "document/sign/async/base64", withCallback(t, "not told", unknown))
	until(t, "a callback that fails", func() bool {
		return p.metrics(t)[`signstash_callbacks_total{outcome="failed"}`] > 0
	})
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	traces.check(t)
}

// collectedTraces is a trace collector. It keeps the spans that the proxy sends.
type collectedTraces struct {
	mu        sync.Mutex
	names     map[string]int    // number of spans by name
	resources map[string]string // attributes of the sender
	all       []string          // the spans as text
}

// ServeHTTP receives spans in the protocol OTLP.
func (c *collectedTraces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		http.Error(w, "not understood", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range request.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			c.resources[a.Key] = a.Value.GetStringValue()
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.names[span.Name]++
				c.all = append(c.all, span.String())
			}
		}
	}
}

// check checks that all calls have spans, and that no span holds text of a client.
func (c *collectedTraces) check(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, want := range []string{
		"POST document/sign/base64", "signing POST", "sign digests", "callback POST",
		"GET operation/status/withExternalReference",
	} {
		if c.names[want] == 0 {
			t.Errorf("no span %q in %v", want, c.names)
		}
	}
	if !slices.ContainsFunc(c.all, func(span string) bool { return strings.Contains(span, "signstash.call") }) {
		t.Error("no span holds the id of its call to a provider")
	}
	for _, span := range c.all {
		if strings.Contains(span, "secret") {
			t.Errorf("span %s holds a client's reference or the URL of a callback", span)
		}
	}
	if c.resources["service.name"] != "signstash-proxy" || c.resources["deployment.environment.name"] != "tests" {
		t.Errorf("resource is %v", c.resources)
	}
}
