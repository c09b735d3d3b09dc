package main_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// TestTraces: where the standard variables name a collector, it hears of requests, of calls that leave and of signatures; no reference of
// a client is in a span's name, and the remote side gets no trace id.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	names, resources := map[string]int{}, map[string]string{}
	gathering := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			http.Error(w, "not understood", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, resource := range request.ResourceSpans {
			for _, a := range resource.Resource.Attributes {
				resources[a.Key] = a.Value.GetStringValue()
			}
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					names[span.Name]++
				}
			}
		}
	}))
	defer gathering.Close()
	remote := newRemoteSide(t, service.Options{})
	p := newTestProxy(t, remote.flags()...)
	p.o.Env = append(p.o.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+gathering.URL, "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=tests")
	p.start(t)
	if _, err := newClient(t, p.Instance).Sign(t.Context(), oneDocument(t, "traced/secret reference", client.SignatureInfo{}), new(memorySink)); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"POST document/sign/base64", "signing POST", "sign digests"} {
		if names[want] == 0 {
			t.Errorf("no span %q in %v", want, names)
		}
	}
	for name := range names {
		if strings.Contains(name, "secret") {
			t.Errorf("span %q holds a client's reference", name)
		}
	}
	if resources["service.name"] != "signstash-proxy" || resources["deployment.environment.name"] != "tests" {
		t.Errorf("resource is %v", resources)
	}
}
