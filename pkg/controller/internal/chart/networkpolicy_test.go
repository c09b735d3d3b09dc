package chart_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// shape describes the traffic that a policy allows, one rule in a line: the ports and the number of
// named peers.
func shape(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) string {
	var names []string
	for _, p := range ports {
		name := "all"
		if p.Port != nil {
			name = p.Port.String()
		}
		if p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP {
			name += "/" + string(*p.Protocol)
		}
		names = append(names, name)
	}
	return fmt.Sprint(names, " ", len(peers))
}

func ingress(p *networkingv1.NetworkPolicy) (rules []string) {
	for _, r := range p.Spec.Ingress {
		rules = append(rules, shape(r.Ports, r.From))
	}
	return rules
}

func egress(p *networkingv1.NetworkPolicy) (rules []string) {
	for _, r := range p.Spec.Egress {
		rules = append(rules, shape(r.Ports, r.To))
	}
	return rules
}

// TestNetworkPolicy checks which peers may connect, by default and if values restrict them. It
// guards against a rule without ports, which allows all ports, a rule without peers at the
// management ports, which allows everybody, and a restricted rule that forgets the other instances.
func TestNetworkPolicy(t *testing.T) {
	const dns, peers = "[53/UDP 53 5353/UDP 5353] 0", "[8080 8090] 1"
	for name, test := range map[string]struct {
		values                                               string
		ingress, egress, controllerIngress, controllerEgress []string
	}{
		"default": {
			"trial: {enabled: true}",
			[]string{"[rest] 0"}, []string{dns, peers, "[443 80] 0"},
			nil, []string{dns, "[443 6443 8443 16443] 0"},
		},
		"narrow": {
			`{trial: {enabled: true}, networkPolicy: {from: [{podSelector: {}}], managementFrom: [{podSelector: {}}], egressPorts: [4318], apiServerPorts: [6443]}}`,
			[]string{"[rest] 2", "[management] 1"}, []string{dns, peers, "[4318] 0"},
			[]string{"[health metrics] 1"}, []string{dns, "[6443] 0"},
		},
		"provider at a port": {
			`
provider: {domain: 'https://signing.example.org:9443/'}
config:
  providers:
    - {name: a, url: 'https://[2001:db8::1]:8444/csc/v2'}
    - {name: b, url: 'https://b.example.org:443'}
    - {name: c}`,
			[]string{"[rest] 0"}, []string{dns, peers, "[443 80 8444 9443] 0"},
			nil, []string{dns, "[443 6443 8443 16443] 0"},
		},
		"no ports": {
			`
trial: {enabled: true}
config: {providers: [{name: a, url: 'https://a.example.org:8443'}]}
networkPolicy: {egressPorts: [], apiServerPorts: null}`,
			[]string{"[rest] 0"}, []string{dns, peers},
			nil, []string{dns},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := objects(t, test.values)
			proxy := find[*networkingv1.NetworkPolicy](t, all, release)
			controller := find[*networkingv1.NetworkPolicy](t, all, release+"-controller")
			for _, one := range []struct {
				what      string
				got, want []string
			}{
				{"to the proxy", ingress(proxy), test.ingress},
				{"from the proxy", egress(proxy), test.egress},
				{"to the controller", ingress(controller), test.controllerIngress},
				{"from the controller", egress(controller), test.controllerEgress},
			} {
				if !slices.Equal(one.got, one.want) {
					t.Errorf("%s: %v, want %v", one.what, one.got, one.want)
				}
			}
			to := proxy.Spec.Egress[1]
			if to.To[0].PodSelector == nil || to.To[0].PodSelector.MatchLabels["app.kubernetes.io/instance"] != release ||
				*to.Ports[0].Port != intstr.FromInt32(8080) {
				t.Errorf("other instances are %+v", to)
			}
			for _, p := range []*networkingv1.NetworkPolicy{proxy, controller} {
				if len(p.Spec.PolicyTypes) != 2 {
					t.Errorf("%s restricts %v alone", p.Name, p.Spec.PolicyTypes)
				}
			}
		})
	}
}
