package hostport

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		in, host string
		port     int
	}{
		{"proxy-0.example.org:8080", "proxy-0.example.org", 8080},
		{"localhost:1", "localhost", 1},
		{"my_host:65535", "my_host", 65535},
		{"example.org.:80", "example.org.", 80},
		{"192.0.2.7:8443", "192.0.2.7", 8443},
		{"[2001:db8::1]:8080", "2001:db8::1", 8080},
	} {
		host, port, err := Parse(test.in)
		if host != test.host || port != test.port || err != nil {
			t.Errorf("Parse(%q) = %q, %d, %v; want %q, %d", test.in, host, port, err, test.host, test.port)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]error{
		"":                                  errForm,
		"example.org":                       errForm,
		"2001:db8::1:8080":                  errForm,
		"http://example.org:80":             errForm,
		":8080":                             errHost,
		"exa mple.org:80":                   errHost,
		"-a.org:80":                         errHost,
		"a-.org:80":                         errHost,
		"a..org:80":                         errHost,
		"a\r\nb:80":                         errHost,
		"ex<script>:80":                     errHost,
		strings.Repeat("a", 64) + ".org:80": errHost,
		strings.Repeat("a.", 130) + "x:80":  errHost,
		"example.org:":                      errPort,
		"example.org:0":                     errPort,
		"example.org:65536":                 errPort,
		"example.org:-1":                    errPort,
		"example.org:http":                  errPort,
	} {
		if host, port, err := Parse(in); err != want {
			t.Errorf("Parse(%q) = %q, %d, %v; want error %v", in, host, port, err, want)
		}
	}
}
