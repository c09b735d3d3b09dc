package api

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/julienschmidt/httprouter"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Parameters of patterns.
const (
	paramID   = "{operationId}"       // one segment
	paramFlag = "{includeContent}"    // one segment
	paramDoc  = "{documentIndex}"     // one segment
	paramFile = "{file}"              // one segment
	paramRef  = "{externalReference}" // the rest of the path, with its slashes
)

// pathValues are the parameters of a path, still percent-encoded.
type pathValues struct {
	id, flag, index, file string
	ref                   string // without slashes at its start and unescaped ones at its end
}

// keyParam is the name of httprouter's parameter for one segment. restParam is the name of its
// parameter for the rest of the path.
const (
	keyParam  = "key"
	restParam = "rest"
)

// split cuts a pattern before its first parameter. It also cuts before the word
// withExternalReference, because other patterns have a parameter on the same segment.
func (rt *route) split() (head, tail string) {
	for _, first := range []string{"withExternalReference", paramID, paramFile, paramRef} {
		if i := strings.Index(rt.pattern, "/"+first); i >= 0 {
			return rt.pattern[:i], rt.pattern[i+1:]
		}
	}
	return rt.pattern, ""
}

// paths returns the paths of httprouter under which a route can be found.
func (rt *route) paths() []string {
	head, tail := rt.split()
	one, more := head+"/:"+keyParam, head+"/:"+keyParam+"/*"+restParam
	switch {
	case tail == "":
		return []string{head}
	case tail == paramRef: // the reference is in the path or in the query
		return []string{head, head + "/*" + restParam}
	case strings.HasSuffix(tail, paramRef): // the same
		return []string{one, more}
	case strings.Contains(tail, "/"):
		return []string{more}
	}
	return []string{one}
}

// match reports whether the parameters that httprouter has found fit the pattern of the route, and
// returns their values. escaped is the path as it was sent.
func (rt *route) match(params httprouter.Params, escaped string) (v pathValues, ok bool) {
	key, rest := params.ByName(keyParam), strings.Trim(params.ByName(restParam), "/")
	_, tail := rt.split()
	first, second, _ := strings.Cut(tail, "/")
	switch {
	case tail == "":
		return v, true
	case strings.HasSuffix(tail, paramRef):
		v.ref = afterSegments(escaped, strings.Count(rt.pattern, "/")-1)
		return v, tail == paramRef || key == first
	case first == paramFile:
		v.file = key
		return v, true
	}
	v.id = key
	if word, isFlag := strings.CutSuffix(second, paramFlag); isFlag {
		v.flag, ok = strings.CutPrefix(rest, word)
		return v, ok && !strings.Contains(v.flag, "/")
	}
	if word, isIndex := strings.CutSuffix(second, paramDoc); isIndex {
		v.index, ok = strings.CutPrefix(rest, word)
		return v, ok && !strings.Contains(v.index, "/")
	}
	return v, rest == second
}

// afterSegments returns what follows the first n segments of a path, without slashes at its start
// and its end.
func afterSegments(path string, n int) string {
	for range n {
		_, path, _ = strings.Cut(strings.TrimLeft(path, "/"), "/")
	}
	return strings.Trim(path, "/")
}

// collapse replaces each run of slashes by one slash.
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

// operationID returns the operation id of a path, or KindInvalid.
func (v pathValues) operationID() (signing.ID, error) {
	const max = 1 << 53 // ids are smaller, because JavaScript clients hold them in a double
	var id int64
	for _, c := range []byte(v.id) {
		id = id*10 + int64(c) - '0'
		if c < '0' || c > '9' || id >= max {
			return 0, signing.Errorf(signing.KindInvalid, "operationId must be a number below 2^53")
		}
	}
	return signing.ID(id), nil
}

// documentIndex returns the index of a document of a path, or KindInvalid.
func (v pathValues) documentIndex() (int, error) {
	index, err := strconv.ParseUint(v.index, 10, 31)
	if err != nil {
		return 0, signing.Errorf(signing.KindInvalid, "documentIndex must be a number from 0")
	}
	return int(index), nil
}

// parseFlag reads includeContent. Clients send True, true and TRUE.
func parseFlag(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, signing.Errorf(signing.KindInvalid, "includeContent must be true or false")
}

// reference returns the external reference: that of the path, decoded once, or else that of the
// query.
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
		return "", signing.Errorf(signing.KindMissing,
			"externalReference is missing: it is the end of the path, or a parameter of the query")
	case !utf8.ValidString(ref):
		return "", signing.Errorf(signing.KindInvalid, "externalReference is not UTF-8")
	}
	return ref, nil
}
