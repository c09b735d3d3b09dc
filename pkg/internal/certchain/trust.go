package certchain

import (
	"crypto/x509"
	"fmt"
)

// CheckTrust returns an error if no chain leads from cert to a root in options.Roots. The chain may
// use the certificates in others. CheckTrust accepts every certificate if options.Roots is nil,
// because then trust is not judged.
func CheckTrust(cert *x509.Certificate, others []*x509.Certificate, options x509.VerifyOptions) error {
	if options.Roots == nil {
		return nil
	}
	options.Intermediates = x509.NewCertPool()
	for _, c := range others {
		options.Intermediates.AddCert(c)
	}
	if _, err := cert.Verify(options); err != nil {
		return fmt.Errorf("its certificate is not trusted: %w", err)
	}
	return nil
}
