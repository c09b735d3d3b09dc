package affinity

import (
	"net/netip"
	"testing"
)

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		name string
		in   Sources
		want string
	}{
		{"flag first", Sources{
			Flag: "sign.example.org:443", Listen: netip.MustParseAddrPort("127.0.0.1:8080"), HostName: "pod-0",
		}, "sign.example.org:443"},
		{"IPv6 flag", Sources{Flag: "[2001:db8::1]:443", HostName: "pod-0"}, "[2001:db8::1]:443"},
		{"listen address", Sources{Listen: netip.MustParseAddrPort("192.0.2.7:8080"), HostName: "pod-0"}, "192.0.2.7:8080"},
		{"mapped listen address", Sources{Listen: netip.MustParseAddrPort("[::ffff:192.0.2.7]:8080")}, "192.0.2.7:8080"},
		{"zone dropped", Sources{Listen: netip.MustParseAddrPort("[fe80::1%eth0]:8080")}, "[fe80::1]:8080"},
		{"unspecified IPv6", Sources{Listen: netip.MustParseAddrPort("[::]:40123"), HostName: "pod-0"}, "pod-0:40123"},
		{"unspecified IPv4", Sources{Listen: netip.MustParseAddrPort("0.0.0.0:40123"), HostName: "pod-0"}, "pod-0:40123"},
		{"no host name", Sources{Listen: netip.MustParseAddrPort("[::]:8080")}, ""},
		{"nothing", Sources{HostName: "pod-0"}, ""},
		{"bad flag", Sources{Flag: "sign.example.org", HostName: "pod-0"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.in.Ordinal = 7
			got, err := Resolve(test.in)
			if test.want == "" {
				if err == nil {
					t.Fatalf("Resolve = %+v, want an error", got)
				}
				return
			}
			if err != nil {
				t.Fatalf("Resolve: %v", err)
			}
			if got.HostPort() != test.want || got.Ordinal != 7 || got.Name != test.in.HostName {
				t.Errorf("Resolve = %+v, want %s with name %q and ordinal 7", got, test.want, test.in.HostName)
			}
		})
	}
}
