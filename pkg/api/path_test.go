package api

import (
	"net/url"
	"strings"
	"testing"
)

func TestCollapse(t *testing.T) {
	for in, want := range map[string]string{"": "", "/": "/", "//": "/", "/a//b///c/": "/a/b/c/", "a//": "a/"} {
		if got := collapse(in); got != want {
			t.Errorf("collapse(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMatchKeepsTheReferenceAsItIs(t *testing.T) {
	const pattern = "/base/status/withExternalReference/" + paramRef
	for path, want := range map[string]string{
		"/base/status/withExternalReference/a":         "a",
		"//base//status///withExternalReference////a/": "a",
		"/base/status/withExternalReference/a//b/":     "a//b",
		"/base/status/withExternalReference/a%2F":      "a%2F",
		"/base/status/withExternalReference/%2Fa%2f//": "%2Fa%2f",
		"/base/status/withExternalReference":           "",
	} {
		if v, ok := match(pattern, path); !ok || v.ref != want {
			t.Errorf("match(%q) = %q, %v, want %q", path, v.ref, ok, want)
		}
	}
	for _, path := range []string{"", "/", "/base", "/base/status", "/base/status/withExternalReferencex/a", "/base/status/WithExternalReference/a", "/base/sta%74us/withExternalReference/a"} {
		if v, ok := match(pattern, path); ok {
			t.Errorf("match(%q) = %+v, want no match", path, v)
		}
	}
}

// FuzzPath holds for any path: nothing panics, a matched reference is decoded once, and encoding it
// again finds it again.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"/x", "/signstash/einvoice-integration-client-ws/api/v0/operation/status/withExternalReference/a%2Fb//", "/%zz", "//", "/a%00"} {
		f.Add(path)
	}
	a := &API{cfg: Config{BasePath: DefaultBasePath}}
	table := a.routes()
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		if strings.Contains(collapse(u.Path), "//") {
			t.Errorf("collapse(%q) holds a double slash", u.Path)
		}
		for i := range table {
			v, ok := match(table[i].pattern, u.EscapedPath())
			if !ok {
				continue
			}
			_, _ = v.operationID()
			_, _ = parseFlag(v.flag)
			ref, err := v.reference(url.Values{})
			if err != nil || !strings.HasSuffix(table[i].pattern, paramRef) {
				continue
			}
			again, ok := match(table[i].pattern, strings.Replace(table[i].pattern, paramRef, url.PathEscape(ref), 1))
			if got, err := again.reference(nil); !ok || err != nil || got != ref {
				t.Errorf("%q: reference %q is %q, %v when encoded again", path, ref, got, err)
			}
		}
	})
}
