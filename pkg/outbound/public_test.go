package outbound_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
)

func TestGuardOfDialledAddress(t *testing.T) {
	inside := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	for address, want := range map[string]bool{
		"93.184.216.34:80": true, "[2606:2800:220:1::1]:443": true, "10.1.2.3:80": true,
		"127.0.0.1:80": false, "127.8.9.1:80": false, "[::1]:80": false, "0.0.0.0:80": false, "[::]:80": false,
		"10.2.0.1:80": false, "172.16.0.1:80": false, "192.168.1.1:80": false, "169.254.169.254:80": false,
		"100.64.0.1:80":         false,
		"[::ffff:127.0.0.1]:80": false, "[::ffff:10.2.0.1]:80": false, "[fe80::1%eth0]:80": false, "[fd00::1]:80": false,
		"[64:ff9b::7f00:1]:80": false, "[2002:7f00:1::]:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false,
		"nonsense": false,
	} {
		if err := outbound.Dialled(&outbound.Guard{Allow: inside}, address); (err == nil) != want {
			t.Errorf("dialling %s = %v, want allowed %v", address, err, want)
		}
	}
}

func TestCheckHost(t *testing.T) {
	inside := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	for address, want := range map[string]bool{
		"http://93.184.216.34/": true, "https://[2606:2800:220:1::1]:8443/": true, "http://10.1.2.3:80/": true,
		"https://receiver.example/10.2.0.1": true, "https://1.receiver.example": true, "https://receiver.example.": true,
		"http://10.2.0.5/": false, "http://169.254.169.254/latest": false, "http://[::1]:80/": false,
		"http://[::ffff:127.0.0.1]/": false,
		"http://127.0.0.1./":         false, "http://127.1/": false, "http://2130706433/": false, "http://0x7f000001/": false,
		"http://0x7f.0.0.0x1/": false,
		"http://0177.0.0.1/":   false, "http://localhost:8080/": false, "http://a.LOCALHOST./": false, "http://[::1": false,
		"/": false,
	} {
		err := outbound.CheckHost(address, inside)
		if (err == nil) != want || err != nil && address != "http://[::1" && !errors.Is(err, outbound.ErrPrivate) {
			t.Errorf("CheckHost(%s) = %v, want allowed %v", address, err, want)
		}
	}
	if err := outbound.CheckHost("http://localhost/", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}); err != nil {
		t.Errorf("CheckHost of an allowed localhost = %v", err)
	}
}
