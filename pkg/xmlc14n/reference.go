package xmlc14n

import "strings"

// uri is a URI reference, split as in RFC 3986 appendix B without the fragment.
type uri struct {
	scheme, authority, path, query string
	hasAuthority, hasQuery         bool
}

func splitReference(s string) uri {
	var u uri
	s, _, _ = strings.Cut(s, "#")
	if i := strings.IndexAny(s, ":/?"); i > 0 && s[i] == ':' {
		u.scheme, s = s[:i], s[i+1:]
	}
	s, u.query, u.hasQuery = strings.Cut(s, "?")
	if rest, ok := strings.CutPrefix(s, "//"); ok {
		u.hasAuthority = true
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		u.authority, s = rest[:end], rest[end:]
	}
	u.path = s
	return u
}

func (u uri) String() string {
	var b strings.Builder
	if u.scheme != "" {
		b.WriteString(u.scheme + ":")
	}
	if u.hasAuthority {
		b.WriteString("//" + u.authority)
	}
	b.WriteString(u.path)
	if u.hasQuery {
		b.WriteString("?" + u.query)
	}
	return b.String()
}

// joinReferences is the function join-URI-References of Canonical XML 1.1 section 2.4: RFC 3986
// section 5.2 for a base that may be relative itself.
func joinReferences(base, reference string) string {
	b, r := splitReference(base), splitReference(reference)
	if b.path == ".." || strings.HasSuffix(b.path, "/..") {
		b.path += "/"
	}
	switch {
	case r.scheme != "":
		r.path = removeDots(r.path)
		return r.String()
	case r.hasAuthority:
		r.path = removeDots(r.path)
	case r.path == "":
		r.path = b.path
		if !r.hasQuery {
			r.query, r.hasQuery = b.query, b.hasQuery
		}
	case strings.HasPrefix(r.path, "/"):
		r.path = removeDots(r.path)
	case b.hasAuthority && b.path == "":
		r.path = removeDots("/" + r.path)
	default:
		r.path = removeDots(b.path[:strings.LastIndexByte(b.path, '/')+1] + r.path)
	}
	if !r.hasAuthority {
		r.authority, r.hasAuthority = b.authority, b.hasAuthority
	}
	r.scheme = b.scheme
	return r.String()
}

// removeDots is "Remove Dot Segments" of RFC 3986 section 5.2.4 as Canonical XML 1.1 section 2.4
// changes it: it keeps leading "..", ends a trailing ".." with "/", and joins slashes.
func removeDots(path string) string {
	rooted := strings.HasPrefix(path, "/")
	var kept []string
	folder := false // the path ends with a slash
	for segment := range strings.SplitSeq(path, "/") {
		folder = true
		switch {
		case segment == "" || segment == ".":
		case segment != "..":
			kept = append(kept, segment)
			folder = false
		case len(kept) > 0 && kept[len(kept)-1] != "..":
			kept = kept[:len(kept)-1]
		case !rooted:
			kept = append(kept, segment)
		}
	}
	out := strings.Join(kept, "/")
	if folder && len(kept) > 0 {
		out += "/"
	}
	if rooted {
		out = "/" + out
	}
	return out
}
