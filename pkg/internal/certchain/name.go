package certchain

import (
	"crypto/x509/pkix"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
)

// maxName is the longest name in a message, in characters.
const maxName = 200

// Name returns a distinguished name in the form of RFC 4514. The result can be put into logs and
// answers and has at most 200 characters.
func Name(n pkix.Name) string { return printable.Text(n.String(), maxName) }
