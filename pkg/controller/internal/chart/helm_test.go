package chart_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

var (
	server  testenv.Server
	scratch string // a folder, once a test has created it
)

func TestMain(m *testing.M) {
	code := server.Run(m)
	if scratch != "" {
		_ = os.RemoveAll(scratch) // a leftover is in the system's temporary folder
	}
	os.Exit(code)
}

const (
	folder  = "../../../../charts/signstash-proxy"
	release = "signstash-proxy"
)

// helm runs helm and returns its output. If HELM is not set and helm is not on PATH, the test is
// skipped, or fails if CI=true.
func helm(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	program := os.Getenv("HELM")
	if program == "" {
		var err error
		if program, err = exec.LookPath("helm"); err != nil {
			reason := `there is no helm; try: export HELM="$(hack/envtest/helm)"`
			if os.Getenv("CI") == "true" {
				t.Fatal(reason)
			}
			t.Skip(reason)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+os.DevNull) // no cluster
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("helm %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// template renders the chart with values given as YAML.
func template(t *testing.T, values string) (string, error) {
	t.Helper()
	return helm(t, values, "template", release, folder, "--namespace", "signing", "--values", "-")
}

// notes renders the notes that helm prints after an installation.
func notes(t *testing.T, values string) string {
	t.Helper()
	out, err := helm(t, values, "install", release, folder,
		"--namespace", "signing", "--dry-run=client", "--output", "json", "--values", "-")
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Info struct{ Notes string } }
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Info.Notes == "" {
		t.Fatalf("no notes: %v in %.300s", err, out)
	}
	return r.Info.Notes
}

// objects renders the chart and decodes the output as the API server would with strict field
// validation: every field is known, and no field appears twice. Kinds outside of the standard API
// are returned as unstructured objects.
func objects(t *testing.T, values string) []client.Object {
	t.Helper()
	text, err := template(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

func decode(t *testing.T, text string) []client.Object {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var all []client.Object
	for document := range strings.SplitSeq(text, "\n---\n") {
		if !strings.Contains(document, "kind:") {
			continue
		}
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if runtime.IsNotRegisteredError(err) {
			u := &unstructured.Unstructured{}
			err = yaml.UnmarshalStrict([]byte(document), &u.Object)
			object = u
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		all = append(all, object.(client.Object))
	}
	if len(all) < 8 {
		t.Fatalf("%d objects were rendered: nothing is shown", len(all))
	}
	return all
}

// find returns the only object of its type with the given name.
func find[T client.Object](t *testing.T, all []client.Object, name string) T {
	t.Helper()
	i := slices.IndexFunc(all, func(o client.Object) bool { _, ok := o.(T); return ok && o.GetName() == name })
	if i < 0 {
		var none T
		t.Fatalf("there is no %T %s", none, name)
	}
	return all[i].(T)
}

// modes are sets of values that together use every feature of the chart. Each set is rendered.
var modes = map[string]string{
	"trial": "trial: {enabled: true}",
	"remote service": `
provider: {domain: "https://signing.example.org/"}
controller: {replicas: 1}
test: {clientSecretName: my-client}`,
	"NodePort":     `{trial: {enabled: true}, endpoint: {mode: NodePort}, service: {type: NodePort, nodePort: 30080}}`,
	"LoadBalancer": `{trial: {enabled: true}, endpoint: {mode: LoadBalancer}, forward: redirect, service: {type: LoadBalancer, annotations: {a.example.org/b: "c"}}}`,
	"LoadBalancer of a class": `
trial: {enabled: true}
endpoint: {mode: LoadBalancer, loadBalancerClass: lb.example.org/internal, serviceAnnotations: {dns.example.org/name: 'sign-{ordinal}, "a"'}}
service: {type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerClass: internal, loadBalancerSourceRanges: [192.0.2.0/24]}`,
	"HostTemplate": `
trial: {enabled: true, latency: 100ms, image: {tag: "7"}}
endpoint: {mode: HostTemplate, hostTemplate: "sign-{ordinal}.example.org", portTemplate: "9000+{ordinal}", clusterDomain: ""}
forward: "off"`,
	"Gateway": `
trial: {enabled: true}
endpoint:
  mode: Gateway
  hostTemplate: "sign-{ordinal}.example.org"
  portTemplate: 443
  routeAnnotations: {dns.example.org/name: 'sign-{ordinal}, "a"'}
  gateway: {parentRefs: [{name: public, namespace: infra, sectionName: web, port: 443}, {name: own}]}
  formerModes: [Ingress]
httpRoute: {enabled: true, annotations: {a: 1}, parentRefs: [{name: public, namespace: infra}], hostnames: [sign.example.org]}`,
	"TLSRoute": `
trial: {enabled: true}
tls: {secretName: proxy-tls}
endpoint: {mode: Gateway, hostTemplate: "{pod}.example.org", portTemplate: "443", gateway: {parentRefs: [{name: public}]}}`,
	"Ingress": `
trial: {enabled: true}
endpoint:
  mode: Ingress
  hostTemplate: "sign-{ordinal}.example.org"
  portTemplate: "443"
  routeAnnotations: {issuer.example.org/name: "true"}
  ingress: {className: public, tlsSecretTemplate: "sign-{ordinal}-tls", waitForAddress: false}
ingress:
  enabled: true
  className: public
  annotations: {issuer.example.org/name: true}
  hosts: [{host: sign.example.org}, {host: docs.example.org, paths: [{path: /api, pathType: Exact}, {path: /}]}]
  tls: [{secretName: sign-tls, hosts: [sign.example.org]}]`,
	"TLS": `
tls: {secretName: proxy-tls}
config:
  providers: [{name: qtsp, kind: csc, url: "https://signing.example.org/", clientID: us, clientSecretFile: /etc/signstash/secrets/qtsp/secret}]
  defaultProvider: qtsp
secrets: [qtsp]`,
	"change to TLS":             `{trial: {enabled: true}, tls: {secretName: proxy-tls, transition: true}}`,
	"TLS by a public authority": `{trial: {enabled: true}, tls: {secretName: proxy-tls, caKey: ""}}`,
	"everything else": `
trial: {enabled: true}
replicas: 2
image: {repository: example.org/proxy, tag: v1, pullPolicy: Always, pullSecrets: [pull]}
extraArgs: ["--log.level=debug"]
extraEnv: [{name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "http://collector:4318"}, {name: KEY, valueFrom: {secretKeyRef: {name: a, key: b}}}]
extraVolumes: [{name: extra, configMap: {name: extra}}]
extraVolumeMounts: [{name: extra, mountPath: /extra}]
persistence: {size: 1Gi, storageClass: fast, accessMode: ReadWriteOncePod, whenDeleted: Delete, whenScaled: Delete}
resources: {requests: {cpu: 1}, limits: {memory: 1Gi, cpu: 1500m}}
shutdown: {delaySeconds: 0, graceSeconds: 60}
podAnnotations: {a.example.org/b: "c", signstash.io/config: theirs}
podLabels: {app.kubernetes.io/name: theirs}
affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, labelSelector: {matchLabels: {a: b}}}]}}
nodeSelector: {disk: fast}
tolerations: [{key: a, operator: Exists}]
priorityClassName: system-cluster-critical
topologySpread: {topologyKey: topology.kubernetes.io/zone}
podDisruptionBudget: {maxUnavailable: 25%}
autoscaling: {enabled: true, maxReplicas: 9}
networkPolicy: {from: [{podSelector: {}}], managementFrom: [{namespaceSelector: {}}], egressPorts: [443], apiServerPorts: [6443]}
serviceMonitor: {enabled: true, labels: {release: prometheus, app.kubernetes.io/instance: theirs}}
alerts: {enabled: true, labels: {release: prometheus}}
dashboard: {enabled: true}
controller: {extraArgs: ["--log.level=debug"], resources: {}}`,
	"nothing optional": `
trial: {enabled: true}
resources: {}
topologySpread: {enabled: false}
podDisruptionBudget: {enabled: false}
networkPolicy: {enabled: false}
configCheck: {mode: None}`,
	"hot folder": `
trial: {enabled: true}
hotFolder: {enabled: true, existingClaim: hot, supplementalGroups: [1000]}`,
	"hot folder in a bucket": `
trial: {enabled: true}
hotFolder:
  enabled: true
  trigger: immediate
  bucket: {kind: s3, endpoint: "http://store.example.org:9000", region: eu-west-1, pathStyle: true, credentialsSecret: store}
configCheck: {mode: InitContainer}`,
	"check in each pod": `
trial: {enabled: true}
tls: {secretName: proxy-tls}
extraEnv: [{name: KEY, value: x}]
configCheck: {mode: InitContainer}`,
}

// subPath mounts are never updated.
var subPath = regexp.MustCompile(`(?i)subPath`)
