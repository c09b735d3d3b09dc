// Package hostport parses HOST:PORT in the form that the configuration and the endpoints of
// instances use.
package hostport

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Errors of Parse.
var (
	errForm = errors.New("want HOST:PORT, with an IPv6 address in brackets")
	errHost = errors.New("the host is neither a DNS name nor an IP address")
	errPort = errors.New("the port is not a number from 1 to 65535")
)

// Parse splits HOST:PORT. The host must be a DNS name or an IP address (IPv6 in brackets, returned
// without them), and the port a number from 1 to 65535, because both are sent to clients unchanged.
func Parse(s string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, errForm
	}
	if !validHost(host) {
		return "", 0, errHost
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", 0, errPort
	}
	return host, int(n), nil
}

// validHost accepts IP addresses and host names as in RFC 1123 section 2.1, and also the
// underscore, which real names contain.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	name := strings.TrimSuffix(host, ".")
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		if strings.ContainsFunc(label, func(c rune) bool { return !nameRune(c) }) {
			return false
		}
	}
	return true
}

func nameRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
