package api

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Parameters of patterns.
const (
	paramID   = "{operationId}"       // one segment
	paramFlag = "{includeContent}"    // one segment
	paramFile = "{file}"              // one segment
	paramRef  = "{externalReference}" // all that is left, slashes included
)

// pathValues are the parameters of a path, still percent-encoded.
type pathValues struct {
	id, flag, file string
	ref            string // without slashes at its start and unescaped ones at its end
}

// match holds an escaped path against a pattern. Any number of slashes counts as one, up to the
// reference, and none or any may stand at the end: clients send them.
func match(pattern, escaped string) (v pathValues, ok bool) {
	for want := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		escaped = strings.TrimLeft(escaped, "/")
		if want == paramRef {
			v.ref = strings.TrimRight(escaped, "/")
			return v, true
		}
		var segment string
		segment, escaped, _ = strings.Cut(escaped, "/")
		switch {
		case segment == "":
			return v, false
		case want == paramID:
			v.id = segment
		case want == paramFlag:
			v.flag = segment
		case want == paramFile:
			v.file = segment
		case want != segment:
			return v, false
		}
	}
	return v, strings.Trim(escaped, "/") == ""
}

// collapse makes each run of slashes one. The router looks for prefixes in the result; calls are
// matched on what was sent.
func collapse(path string) string {
	if !strings.Contains(path, "//") {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			b.WriteByte(path[i])
		}
	}
	return b.String()
}

// operationID reads the id of a path.
func (v pathValues) operationID() (signing.ID, error) {
	const max = 1 << 53 // ids are below: JavaScript clients hold them in a double
	var id int64
	for _, c := range []byte(v.id) {
		id = id*10 + int64(c) - '0'
		if c < '0' || c > '9' || id >= max {
			return 0, signing.Errorf(signing.KindInvalid, "operationId must be a number below 2^53")
		}
	}
	return signing.ID(id), nil
}

// parseFlag reads includeContent; clients send True, true and TRUE.
func parseFlag(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, signing.Errorf(signing.KindInvalid, "includeContent must be true or false")
}

// reference decodes the external reference of a path once, or takes the one of the query.
func (v pathValues) reference(query url.Values) (string, error) {
	ref := query.Get("externalReference")
	if v.ref != "" {
		var err error
		if ref, err = url.PathUnescape(v.ref); err != nil {
			return "", signing.Errorf(signing.KindInvalid, "externalReference is not percent-encoded: write %% as %%25")
		}
	}
	switch {
	case ref == "":
		return "", signing.Errorf(
			signing.KindMissing,
			"externalReference is missing: it is the end of the path, or a parameter of the query",
		)
	case !utf8.ValidString(ref):
		return "", signing.Errorf(signing.KindInvalid, "externalReference is not UTF-8")
	}
	return ref, nil
}
