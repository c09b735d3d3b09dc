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

// newTable returns an API that finds routes and does nothing else.
func newTable() *API {
	a := &API{cfg: Config{BasePath: DefaultBasePath}}
	a.table = a.routes()
	a.router = a.newRouter()
	return a
}

func TestFindKeepsTheReferenceAsItIs(t *testing.T) {
	a := newTable()
	const base = DefaultBasePath + apiPath
	for path, want := range map[string]string{
		base + "operation/status/withExternalReference/a":                             "a",
		"//" + base + "/operation//status///withExternalReference////a/":              "a",
		base + "operation/status/withExternalReference/a//b/":                         "a//b",
		base + "operation/status/withExternalReference/a%2F":                          "a%2F",
		base + "operation/status/withExternalReference/%2Fa%2f//":                     "%2Fa%2f",
		base + "operation/status/withExternalReference":                               "",
		base + "operation/sign/detail/withExternalReference/documents":                "documents",
		base + "operation//id/withDocumentExternalReference//withExternalReference/1": "withExternalReference/1",
	} {
		rt, v := a.find("GET", path)
		if rt == nil || v.ref != want || !strings.HasSuffix(rt.pattern, paramRef) {
			t.Errorf("find(%q) = %+v, %q, want reference %q", path, rt, v.ref, want)
		}
	}
	for _, path := range []string{
		"", "/", "*", DefaultBasePath + "/operation", base + "operation/status",
		base + "operation/status/withExternalReferencex/a",
		base + "operation/status/WithExternalReference/a", base + "operation/sta%74us/withExternalReference/a",
		base + "operation/sign/detail/1/contentInResponse/True/x", base + "operation/sign/detail/1/contentInResponse",
	} {
		if rt, v := a.find("GET", path); rt != nil {
			t.Errorf("find(%q) = %q, %+v, want no route", path, rt.pattern, v)
		}
	}
}

// FuzzPath holds for any path: nothing panics, a matched reference is decoded once, and encoding it
// again finds it again.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/x", DefaultBasePath + "/api/v0/operation/status/withExternalReference/a%2Fb//", "/%zz", "//", "/a%00",
	} {
		f.Add(path)
	}
	a := newTable()
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		if strings.Contains(collapse(u.Path), "//") {
			t.Errorf("collapse(%q) holds a double slash", u.Path)
		}
		for _, method := range []string{"GET", "POST", "DELETE"} {
			rt, v := a.find(method, u.EscapedPath())
			if rt == nil {
				continue
			}
			_, _ = v.operationID()
			_, _ = parseFlag(v.flag)
			ref, err := v.reference(url.Values{})
			if err != nil || !strings.HasSuffix(rt.pattern, paramRef) {
				continue
			}
			again, found := a.find(method, strings.Replace(rt.pattern, paramRef, url.PathEscape(ref), 1))
			if got, err := found.reference(nil); again != rt || err != nil || got != ref {
				t.Errorf("%q: reference %q is %q, %v when encoded again", path, ref, got, err)
			}
		}
	})
}
