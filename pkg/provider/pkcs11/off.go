//go:build !pkcs11 || !cgo

package pkcs11

import (
	"context"
	"errors"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Built says whether this program supports PKCS #11.
const Built = false

// errNotBuilt is the error of every call in a build without PKCS #11.
var errNotBuilt = errors.New("this program was built without PKCS #11: build it with CGO_ENABLED=1 and -tags pkcs11")

// Module is a PKCS #11 library. This build does not support it.
type Module struct{}

// Provider signs with a key in a token. This build does not support it.
type Provider struct{}

// OpenModule returns an error: this build does not support PKCS #11.
func OpenModule(string) (*Module, error) { return nil, errNotBuilt }

// Open returns an error: this build does not support PKCS #11.
func (*Module) Open(Config) (*Provider, error) { return nil, errNotBuilt }

// Close does nothing.
func (*Module) Close() error { return nil }

// Credential implements signing.Provider.
func (*Provider) Credential(context.Context) (*signing.Credential, error) {
	return nil, signing.Errorf(signing.KindConfiguration, "PKCS #11 is not available").Because(errNotBuilt)
}

// Sign implements signing.Provider.
func (*Provider) Sign(context.Context, signing.Call) ([][]byte, error) {
	return nil, signing.Errorf(signing.KindConfiguration, "PKCS #11 is not available").Because(errNotBuilt)
}

// Close does nothing.
func (*Provider) Close() {}

var _ signing.Provider = (*Provider)(nil)
