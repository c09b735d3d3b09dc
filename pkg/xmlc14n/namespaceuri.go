package xmlc14n

import "bytes"

// hasScheme says whether a URI starts with a scheme (RFC 3986 3.1), that is, whether it is not
// relative.
func hasScheme(uri []byte) bool {
	for i, c := range uri {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		switch {
		case c == ':':
			return i > 0
		case letter:
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return false
}

// isURI says whether a namespace name that has a scheme is a URI (RFC 3986). The JDK canonicalizes
// documents with other names, but libxml2 does not, so a receiver that uses xmlsec1 could not
// verify their signatures. Two forms that RFC 3986 allows are not accepted: an empty port, because
// libxml2 does not read it, and IP addresses in brackets, because namespace names have none.
func isURI(uri []byte) bool {
	for i := 0; i < len(uri); i++ {
		switch c := uri[i]; {
		case uriCharacters[c]:
		case c == '%' && i+2 < len(uri) && isHex(uri[i+1]) && isHex(uri[i+2]):
			i += 2
		default:
			return false
		}
	}
	rest, fragment, _ := bytes.Cut(uri, []byte("#"))
	if bytes.IndexByte(fragment, '#') >= 0 {
		return false
	}
	_, rest, _ = bytes.Cut(rest, []byte(":"))
	if authority, ok := bytes.CutPrefix(rest, []byte("//")); ok {
		if end := bytes.IndexAny(authority, "/?"); end >= 0 {
			authority = authority[:end]
		}
		return isAuthority(authority)
	}
	return true
}

// isAuthority says whether text of characters of a URI is an authority (RFC 3986 3.2).
func isAuthority(text []byte) bool {
	if user, host, ok := bytes.Cut(text, []byte("@")); ok {
		if bytes.IndexByte(user, '@') >= 0 {
			return false
		}
		text = host
	}
	host, port, ok := bytes.Cut(text, []byte(":"))
	if bytes.IndexByte(host, '@') >= 0 || ok && (len(port) == 0 || len(port) > maxPortDigits) {
		return false
	}
	for _, c := range port {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// maxPortDigits is how many digits a port may have. Ports have at most five digits; libxml2 reads
// what fits into 31 bits.
const maxPortDigits = 9

// uriCharacters are the characters of a URI except % and brackets (RFC 3986 2.2, 2.3).
var uriCharacters = func() (set [256]bool) {
	const marks = "-._~" + ":/?#@" + "!$&'()*+,;="
	for c := byte('0'); c <= '9'; c++ {
		set[c] = true
	}
	for c := byte('a'); c <= 'z'; c++ {
		set[c], set[c-'a'+'A'] = true, true
	}
	for _, c := range []byte(marks) {
		set[c] = true
	}
	return set
}()

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}
