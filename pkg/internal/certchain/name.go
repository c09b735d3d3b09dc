package certchain

import (
	"crypto/x509/pkix"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
)

// maxName bounds a name in a message, in characters.
const maxName = 200

// Name returns a distinguished name in the form of RFC 4514, fit for logs and answers and of at
// most 200 characters.
func Name(n pkix.Name) string { return printable.Text(n.String(), maxName) }
