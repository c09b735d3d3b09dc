package chart_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

var update = flag.Bool("update", false, "write testdata/refusals.golden")

// refused are mistakes in values. Every row is in the golden file, with what helm says.
var refused = []string{
	"provider: {domain: signing.example.org}",
	"replica: 2",
	"replicas: three",
	"replicas: 0",
	"fullnameOverride: 2024",
	"fullnameOverride: Signing",
	"fullnameOverride: " + "a123456789-123456789-123456789-123456789-1234",
	"nameOverride: my.name",
	"commonLabels: {team: [a]}",
	"podAnnotations: {a: null}",
	"imagePullSecrets: [{name: a, namespace: b}]",
	"imagePullSecrets: pull",
	"image: {tag: 1.5}",
	"global: {imageRegistry: 'https://mirror.example.org'}",
	"image: {digest: abc}",
	"image: {pullPolicy: always}",
	"endpoint: {nodePortBase: 31000}",
	"endpoint: {mode: NodePort, nodePortBase: 65534}",
	"endpoint: {mode: NodePort, nodePortBase: 30079}\nservice: {type: NodePort, nodePort: 30080}",
	"secrets: [../x]",
	"extraArgs: [log.level=debug]",
	"extraArgs: ['--server.port=80']",
	"extraEnv: [{name: A, value: {b: c}}]",
	"extraVolumes: [{name: state}]",
	"extraContainers: [{name: a}]",
	"extraContainers: [{name: proxy, image: a}]",
	"initContainers: [{name: A_b, image: a}]",
	"livenessProbe: {path: /}",
	"startupProbe: {periodSeconds: 0}",
	"tls: {secretName: My_Secret}",
	"tls: {transition: true}",
	"service: {ipFamilies: [IPv4, IPv7]}",
	"service: {ipFamilies: [IPv4, IPv6]}",
	"service: {ipFamilyPolicy: DualStack}",
	"service: {trafficDistribution: Local}",
	"service: {nodePort: 30080}",
	"persistence: {size: 20GB}",
	"persistence: {storageClass: fast disk}",
	"persistence: {dataSource: {kind: VolumeSnapshot, name: s}}",
	"resources: {limits: {memory: 512 MiB}}",
	"serviceAccount: {create: false}",
	"controller: {serviceAccount: {create: false}}",
	"controller: {serviceAccount: {name: signstash-proxy}}",
	"controller: {podDisruptionBudget: {maxUnavailable: half}}",
	"dnsPolicy: None",
	"dnsPolicy: ClusterFirstWithHostNet",
	"hostAliases: [{hostnames: [a]}]",
	"hostUsers: 'no'",
	"revisionHistoryLimit: -1",
	"topologySpread: {whenUnsatisfiable: Maybe}",
	"topologySpreadConstraints: [{topologyKey: zone}]",
	"podSecurity: {runAsUser: 0}",
	"podDisruptionBudget: {maxUnavailable: half}",
	"serviceMonitor: {scrapeTimeout: 10}",
	"hotFolder: {enabled: true}",
	"hotFolder: {cron: '0/5 * * * ?'}",
}

// TestRefusalTexts compares what helm says about mistakes in values with testdata/refusals.golden.
// Read the file as a user of the chart would. The texts about the schema are those of helm 4.
func TestRefusalTexts(t *testing.T) {
	if version, err := helm(t, "", "version", "--short"); err != nil || !strings.HasPrefix(version, "v4.") {
		t.Skipf("the texts are those of helm 4, not of %s (%v)", version, err)
	}
	texts := make([]string, len(refused))
	var group errgroup.Group
	group.SetLimit(4)
	for i, values := range refused {
		group.Go(func() error {
			_, err := template(t, "trial: {enabled: true}\n"+values)
			texts[i] = essence(err)
			return nil
		})
	}
	_ = group.Wait()
	var got bytes.Buffer
	for i, values := range refused {
		if texts[i] == "" {
			t.Errorf("%s is not refused", values)
		}
		fmt.Fprintf(&got, "%s\n%s\n", values, texts[i])
	}
	const golden = "testdata/refusals.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("refusals are not those of %s (%v); read the difference, then use -update:\n%s", golden, err, &got)
	}
}

// essence returns the mistakes in an error of helm, indented and without what is the same in all.
func essence(err error) string {
	if err == nil {
		return ""
	}
	var text strings.Builder
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimSpace(line)
		_, mistake, ok := strings.Cut(line, "(signstash-proxy/templates/statefulset.yaml:1:4): ")
		if ok {
			line = "- " + mistake
		}
		if strings.HasPrefix(line, "- ") {
			fmt.Fprintf(&text, "    %s\n", line)
		}
	}
	return text.String()
}
