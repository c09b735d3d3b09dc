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

// TestTraces checks that a collector that the standard variables name receives spans of requests,
// outgoing calls and signatures. No span contains a client's reference or a callback URL, and the
// remote side gets no trace id.
func TestTraces(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	names, resources := map[string]int{}, map[string]string{}
	var all []string
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
					all = append(all, span.String())
				}
			}
		}
	}))
	defer gathering.Close()
	remote := newRemoteSide(t, service.Options{})
	told := newReceiver(t)
	p := newTestProxy(t, append(remote.flags(), "--callback.allow-private=127.0.0.0/8")...)
	p.o.Env = append(
		p.o.Env,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+gathering.URL,
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=tests,malformed",
	)
	p.start(t)
	if _, err := newClient(
		t,
		p.Instance,
	).Sign(
		t.Context(),
		oneDocument(t, "traced/secret reference", client.SignatureInfo{}),
		new(memorySink),
	); err != nil {
		t.Fatal(err)
	}
	if _, err := newClient(t, p.Instance).Status(t.Context(), "traced/secret reference"); err != nil {
		t.Fatal(err)
	}
	post(t, p, "document/sign/async/base64", withCallback(t, "told", told.URL+"/secret-path?token=secret-token"))
	until(t, "the callback", func() bool { return told.heard("told") == "EXECUTED" })
	post(
		t,
		p,
		"document/sign/async/base64",
		withCallback(t, "not told", "http://secret-user.127.0.0.1.invalid/secret?token=secret-token"),
	)
	until(
		t,
		"a callback that fails",
		func() bool { return p.metrics(t)[`signstash_callbacks_total{outcome="failed"}`] > 0 },
	)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{
		"POST document/sign/base64", "signing POST", "sign digests", "callback POST",
		"GET operation/status/withExternalReference",
	} {
		if names[want] == 0 {
			t.Errorf("no span %q in %v", want, names)
		}
	}
	if !slices.ContainsFunc(all, func(span string) bool { return strings.Contains(span, "signstash.call") }) {
		t.Error("no span holds the id of its call to a provider")
	}
	for _, span := range all {
		if strings.Contains(span, "secret") {
			t.Errorf("span %s holds a client's reference or the URL of a callback", span)
		}
	}
	if resources["service.name"] != "signstash-proxy" || resources["deployment.environment.name"] != "tests" {
		t.Errorf("resource is %v", resources)
	}
}
