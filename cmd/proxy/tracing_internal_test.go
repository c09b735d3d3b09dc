package main

import (
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
)

// TestCallName checks that there are few span names, and that they contain no text from a client.
func TestCallName(t *testing.T) {
	const prefix = "/signstash/einvoice-integration-client-ws/api/v0/"
	for path, want := range map[string]string{
		prefix + "document/sign/base64///":                             "document/sign/base64",
		prefix + "operation/status/withExternalReference/FT 2026/1":    "operation/status/withExternalReference",
		prefix + "operation/sign/detail/4711/contentInResponse/True":   "operation/sign/detail/{id}/contentInResponse/True",
		prefix + "operation/id/withDocumentExternalReference/invoices": "operation/id/withDocumentExternalReference",
		"/oauth2/authorization-server/oauth/token":                     "other",
		"/secrets/of/somebody":                                         "other",
	} {
		if got := callName(path); got != want {
			t.Errorf("callName(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestTracingAsksForMore checks that settings that this program does not support are logged. A
// malformed variable costs a part of the traces but does not prevent the start. No value of a
// header reaches the log.
func TestTracingAsksForMore(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, test := range []struct {
		name string
		env  map[string]string
		on   bool
		logs string // "" = nothing
	}{
		{"nothing", nil, false, ""},
		{"off", map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, false, ""},
		{
			"plain",
			map[string]string{
				endpoint: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
			},
			true, "",
		},
		{
			"grpc", map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, true,
			`"value"="grpc"`,
		},
		{
			"grpc for traces",
			map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, true,
			`"value"="grpc"`,
		},
		{
			"zipkin", map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "zipkin"}, true,
			`"value"="zipkin"`,
		},
		{"nowhere", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, false, "is not set"},
		{
			"attributes", map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_RESOURCE_ATTRIBUTES": "no-value"},
			true, "OTEL_RESOURCE_ATTRIBUTES is malformed",
		},
		{
			"header",
			map[string]string{endpoint: "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=%zzgeheim"},
			true, "escape header value",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			var log strings.Builder
			traces := newTracing(t.Context(), funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{}),
				"proxy-0", func(name string) string { return test.env[name] })
			if traces.on != test.on {
				t.Errorf("on = %t, want %t", traces.on, test.on)
			}
			if text := log.String(); !strings.Contains(text, test.logs) || test.logs == "" && text != "" ||
				strings.Contains(text, "geheim") {
				t.Errorf("log is %q, want %q in it", text, test.logs)
			}
			if err := traces.end(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
