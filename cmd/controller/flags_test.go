package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	var out strings.Builder
	s, err := parse(
		[]string{"--namespace=n", "-statefulset", "r", "--log.level=debug"},
		[]string{
			"STATEFULSET=other",
			"ENDPOINT_MODE=HostTemplate",
			"HOST_TEMPLATE={pod}.example.org",
			"PORT_TEMPLATE=443",
			"LOG_FORMAT=text",
			"LEADER_ELECT=false",
			"VERSION=1",
			`SERVICE_ANNOTATIONS={"a.example.org/b": "{pod}, c"}`,
		},
		&out,
	)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	c := s.config
	for _, test := range []struct{ name, got, want string }{
		{"namespace", c.Namespace, "n"}, {"statefulset", c.StatefulSet, "r"}, {"clients", c.ClientsSecret, "r-clients"},
		{"endpoints", c.EndpointsConfigMap, "r-endpoints"}, {"headless", c.HeadlessService, "r-headless"},
		{"lease", c.Lease, "r-controller"}, {"deployment", c.Deployment, "r-controller"},
		{"host", c.Endpoint.HostTemplate, "{pod}.example.org"},
		{"annotation", c.Endpoint.ServiceAnnotations["a.example.org/b"], "{pod}, c"},
		{"level", s.logLevel, "debug"}, {"format", s.logFormat, "text"},
	} {
		if test.got != test.want {
			t.Errorf("%s = %q, want %q", test.name, test.got, test.want)
		}
	}
	if c.LeaderElect || s.version {
		t.Errorf("leader election %v, version %v, want neither", c.LeaderElect, s.version)
	}
}

func TestParseMistakes(t *testing.T) {
	for name, test := range map[string]struct {
		args, env []string
		want      []string
	}{
		"all at once": {[]string{"--log.level=x", "more"}, []string{"LEADER_ELECT=perhaps"},
			[]string{"5 mistakes", "--namespace is required", "--statefulset is required", `"x"`, `"more"`, "LEADER_ELECT"}},
		"templates without their mode": {[]string{"--namespace=n", "--statefulset=r", "--port-template=443"}, nil,
			[]string{"templates of host and port belong to modes HostTemplate, Gateway and Ingress, not to PodDNS"}},
		"per-pod Services": {
			[]string{"--namespace=n", "--statefulset=r", "--load-balancer-class=-x", `--service-annotations={"a b":"c"}`}, nil,
			[]string{"mode PodDNS has no per-pod Services", `annotation "a b"`, "class belongs to mode LoadBalancer", `class "-x"`}},
		"mode Gateway": {
			[]string{"--namespace=n", "--statefulset=r", "--endpoint-mode=Gateway", "--host-template=a.example.org",
				"--port-template=443", "--route-kind=X", "--former-modes=NodePort"}, nil,
			[]string{"needs a host for each instance", `kind of routes "X"`, "needs a parent", `former mode "NodePort"`}},
		"unknown key of a parent": {
			[]string{`--gateway-parents=[{"nam":"x"}]`}, nil, []string{"gateway-parents", `"nam"`}},
		"annotations that are no object": {[]string{"--service-annotations=a=b"}, nil, []string{"service-annotations"}},
		"unknown flag":                   {[]string{"--no-such"}, nil, []string{"-no-such"}},
	} {
		_, err := parse(test.args, test.env, &strings.Builder{})
		var invalid *invalidError
		if !errors.As(err, &invalid) || exitCode(err) != 2 {
			t.Errorf("%s: parse = %v, want an invalidError", name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: parse = %v, want %q in it", name, err, want)
			}
		}
	}
}

func TestParseHelp(t *testing.T) {
	var out strings.Builder
	_, err := parse([]string{"--help"}, nil, &out)
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "-statefulset NAME") {
		t.Errorf("parse = %v, with\n%s", err, out.String())
	}
}
