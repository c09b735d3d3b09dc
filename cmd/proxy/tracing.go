package main

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// tracing sends OpenTelemetry traces by OTLP over HTTP if the standard environment variables name a
// collector. Otherwise it wraps nothing and creates nothing.
type tracing struct {
	on       bool
	provider api.TracerProvider
	end      func(context.Context) error
}

// endTraces bounds the time to send the last spans at the end, because an unreachable collector
// must not delay the stop.
const endTraces = 3 * time.Second

// newTracing reads the environment. OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT turns tracing on. OTEL_SDK_DISABLED and
// OTEL_TRACES_EXPORTER=none turn it off. The exporter and the SDK read all other variables
// themselves. A mistake in the environment does not stop the proxy. It is logged, and traces may be
// missing.
func newTracing(ctx context.Context, log logr.Logger, instance string, env func(string) string) *tracing {
	off := &tracing{provider: noop.NewTracerProvider(), end: func(context.Context) error { return nil }}
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") || env("OTEL_TRACES_EXPORTER") == "none" {
		return off
	}
	if !requested(log, env) {
		return off
	}
	otel.SetLogger(logr.New(otelSink{log}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Error(err, "could not send traces") }))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		log.Error(err, "could not start tracing")
		return off
	}
	res, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "signstash-proxy"),
		attribute.String("service.version", version),
		attribute.String("service.instance.id", instance),
	), resource.WithTelemetrySDK(), resource.WithFromEnv()) // the environment comes last and takes precedence
	if err != nil { // res holds what could be read
		log.Error(err, "OTEL_RESOURCE_ATTRIBUTES is malformed; not all attributes are sent")
	}
	p := trace.NewTracerProvider(trace.WithBatcher(redactor{exporter}), trace.WithResource(res))
	return &tracing{on: true, provider: p, end: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, endTraces)
		defer cancel()
		return p.Shutdown(ctx)
	}}
}

// requested reports whether the environment names a collector. It logs features that the
// environment asks for and that this program does not have.
func requested(log logr.Logger, env func(string) string) bool {
	kind := env("OTEL_TRACES_EXPORTER")
	if kind != "" && kind != "otlp" {
		log.Info("only OTLP over HTTP is supported; OTEL_TRACES_EXPORTER is ignored", "value", kind)
	}
	protocol := cmp.Or(env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), env("OTEL_EXPORTER_OTLP_PROTOCOL"))
	if protocol != "" && !strings.HasPrefix(protocol, "http/") {
		log.Info("only OTLP over HTTP is supported; OTEL_EXPORTER_OTLP_PROTOCOL is ignored; "+
			"collectors usually use port 4318 for HTTP", "value", protocol)
	}
	on := env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")+env("OTEL_EXPORTER_OTLP_ENDPOINT") != ""
	if !on && kind != "" {
		log.Info("no traces are sent because OTEL_EXPORTER_OTLP_ENDPOINT is not set")
	}
	return on
}

// otelSink logs which environment variables the library rejects. It leaves out their values,
// because headers contain tokens.
type otelSink struct{ log logr.Logger }

// Init implements logr.LogSink.
func (otelSink) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink. The library logs warnings at level 1 and debug messages above.
func (otelSink) Enabled(level int) bool { return level <= 1 }

// Info implements logr.LogSink.
func (s otelSink) Info(_ int, text string, _ ...any) {
	s.log.Info("message from OpenTelemetry", "text", text)
}

// Error implements logr.LogSink. It leaves out the error, because the error quotes the value.
func (s otelSink) Error(_ error, text string, _ ...any) {
	s.log.Info("OpenTelemetry rejected a part of its environment", "text", text)
}

// WithValues implements logr.LogSink.
func (s otelSink) WithValues(...any) logr.LogSink { return s }

// WithName implements logr.LogSink.
func (s otelSink) WithName(string) logr.LogSink { return s }

// exported lists the attributes of spans that are exported. A client, a URL or a peer cannot put a
// name, a reference or a token into any of them.
var exported = map[attribute.Key]bool{
	"http.request.method":       true,
	"http.response.status_code": true,
	"http.request.body.size":    true,
	"http.response.body.size":   true,
	"network.protocol.name":     true,
	"network.protocol.version":  true,
	"url.scheme":                true,
	"error.type":                true,
	"signstash.call":            true,
	"signstash.credential":      true,
	"signstash.digests":         true,
	"signstash.outcome":         true,
}

// redactor is a span exporter that passes on only the attributes in exported. It removes events and
// error texts, because otelhttp records paths, whole URLs and errors in them.
type redactor struct{ trace.SpanExporter }

// ExportSpans implements trace.SpanExporter.
func (d redactor) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	out := make([]trace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		out[i] = redactedSpan{s}
	}
	return d.SpanExporter.ExportSpans(ctx, out)
}

type redactedSpan struct{ trace.ReadOnlySpan }

// Attributes implements trace.ReadOnlySpan.
func (s redactedSpan) Attributes() []attribute.KeyValue {
	var out []attribute.KeyValue
	for _, a := range s.ReadOnlySpan.Attributes() {
		if exported[a.Key] {
			out = append(out, a)
		}
	}
	return out
}

// Events implements trace.ReadOnlySpan.
func (s redactedSpan) Events() []trace.Event { return nil }

// Status implements trace.ReadOnlySpan.
func (s redactedSpan) Status() trace.Status { return trace.Status{Code: s.ReadOnlySpan.Status().Code} }

// handler makes a span for every request. The span continues the caller's trace.
func (t *tracing) handler(next http.Handler) http.Handler {
	if !t.on {
		return next
	}
	return otelhttp.NewHandler(
		next,
		"request",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(
			func(_ string, r *http.Request) string { return r.Method + " " + callName(r.URL.Path) },
		),
	)
}

// callName returns the part of a path that names the call, without references and ids.
func callName(path string) string {
	_, call, ok := strings.Cut(path, "/api/v0/")
	if !ok {
		return "other"
	}
	var words []string
	for word := range strings.SplitSeq(call, "/") {
		switch {
		case word == "":
		case strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" || word == "base64":
			words = append(words, word)
			if word == "withExternalReference" || word == "withDocumentExternalReference" {
				return strings.Join(words, "/") // the rest of the path comes from the client
			}
		default:
			words = append(words, "{id}")
		}
	}
	return strings.Join(words, "/")
}

// transport makes a span for every outgoing request. It does not send trace ids, because the other
// side belongs to another organization.
func (t *tracing) transport(next http.RoundTripper, purpose string) http.RoundTripper {
	if !t.on {
		return next
	}
	return otelhttp.NewTransport(
		next,
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return purpose + " " + r.Method }),
	)
}

// called makes a span for a call to a provider that has just ended.
func (t *tracing) called(c *signing.Credential, id string, digests int, took time.Duration, outcome string) {
	if !t.on {
		return
	}
	now := time.Now()
	_, span := t.provider.Tracer("signing").Start(context.Background(), "sign digests", api.WithTimestamp(now.Add(-took)),
		api.WithSpanKind(api.SpanKindClient), api.WithAttributes(
			attribute.String("signstash.call", id), // same id as in the log and in the audit record
			attribute.String("signstash.credential", credentials.Label(c.Name)), attribute.Int("signstash.digests", digests),
			attribute.String("signstash.outcome", outcome),
		))
	if outcome != callReturned {
		span.SetStatus(codes.Error, outcome)
	}
	span.End(api.WithTimestamp(now))
}
