package xmlc14n

import "testing"

// TestRemoveDots checks the table of Canonical XML 1.1, appendix A.
func TestRemoveDots(t *testing.T) {
	for path, want := range map[string]string{
		"no/.././/pseudo-netpath/seg/file.ext":        "pseudo-netpath/seg/file.ext",
		"no/..//.///pseudo-netpath/seg/file.ext":      "pseudo-netpath/seg/file.ext",
		"yes/no//..//.///pseudo-netpath/seg/file.ext": "yes/pseudo-netpath/seg/file.ext",
		"no/../yes":                            "yes",
		"no/../yes/":                           "yes/",
		"no/../yes/no/..":                      "yes/",
		"../../no/../..":                       "../../../",
		"no/../..":                             "../",
		"no/..":                                "",
		"no/../":                               "",
		"/a/b/c/./../../g":                     "/a/g",
		"mid/content=5/../6":                   "mid/6",
		"../../..":                             "../../../",
		"no/../../":                            "../",
		"..yes/..no/..no/..no/../../../..yes":  "..yes/..yes",
		"..yes/..no/..no/..no/../../../..yes/": "..yes/..yes/",
		"../..":                                "../../",
		"../../../":                            "../../../",
		".":                                    "",
		"./":                                   "",
		"./.":                                  "",
		"//no/..":                              "/",
		"../../no/..":                          "../../",
		"../../no/../":                         "../../",
		"yes/no/../":                           "yes/",
		"yes/no/no/../..":                      "yes/",
		"yes/no/no/no/../../..":                "yes/",
		"yes/no/../yes/no/no/../..":            "yes/yes/",
		"yes/no/no/no/../../../yes":            "yes/yes",
		"yes/no/no/no/../../../yes/":           "yes/yes/",
		"/no/../":                              "/",
		"/yes/no/../":                          "/yes/",
		"/yes/no/no/../..":                     "/yes/",
		"/yes/no/no/no/../../..":               "/yes/",
		"../../..no/..":                        "../../",
		"../../..no/../":                       "../../",
		"..yes/..no/../":                       "..yes/",
		"..yes/..no/..no/../..":                "..yes/",
		"..yes/..no/../..yes/..no/..no/../..":  "..yes/..yes/",
		"/..no/../":                            "/",
		"/..yes/..no/../":                      "/..yes/",
		"/":                                    "/",
		"/.":                                   "/",
		"/./.":                                 "/",
		"/..":                                  "/",
		"/../../..":                            "/",
		"//..//..":                             "/",
		"/./.././..":                           "/",
		"..":                                   "../",
		"../":                                  "../",
	} {
		if got := removeDots(path); got != want {
			t.Errorf("removeDots(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestJoinReferences checks the examples of Canonical XML 1.1 section 2.4 and of RFC 3986 section
// 5.4.
func TestJoinReferences(t *testing.T) {
	const base = "http://a/b/c/d;p?q"
	for _, c := range []struct{ base, reference, want string }{
		{"abc/", "../", ""},
		{"../", "../", "../../"},
		{"..", "..", "../../"},
		{"..", "x", "../x"},
		{"..", "../x", "../../x"},
		{"bar/", "foo", "bar/foo"},
		{"something/else", "bar/foo", "something/bar/foo"},
		{"a//b/", "c", "a/b/c"},
		{base, "g", "http://a/b/c/g"},
		{base, "./g", "http://a/b/c/g"},
		{base, "g/", "http://a/b/c/g/"},
		{base, "/g", "http://a/g"},
		{base, "//g", "http://g"},
		{base, "?y", "http://a/b/c/d;p?y"},
		{base, "g?y", "http://a/b/c/g?y"},
		{base, "g#s", "http://a/b/c/g"},
		{base, "", "http://a/b/c/d;p?q"},
		{base, "../g", "http://a/b/g"},
		{base, "../..", "http://a/"},
		{base, "../../../g", "http://a/g"},
		{base, "g:h", "g:h"},
		{"http://a", "g", "http://a/g"},
		{"a/", "//h/k", "//h/k"},
	} {
		if got := joinReferences(c.base, c.reference); got != c.want {
			t.Errorf("joinReferences(%q, %q) = %q, want %q", c.base, c.reference, got, c.want)
		}
	}
}
