package signing

import "time"

// clockSkew is how far the clock of this machine may be behind the clock of whoever issued a
// certificate. A certificate that becomes valid within that time is waited for. Clocks that NTP
// synchronizes (RFC 5905) differ by far less. Clocks without it differ by some minutes.
const clockSkew = 5 * time.Minute

// CheckValidity returns nil if the signing certificate is valid at now (RFC 5280 4.1.2.5), else an
// error of KindCertificate whose Detail names the date. The error says Retry only where the
// certificate becomes valid within a few minutes. The service calls it before each call, because a
// provider may hold a certificate for longer than it is valid.
func (c *Credential) CheckValidity(now time.Time) error {
	cert := c.Certificate()
	switch {
	case now.After(cert.NotAfter):
		return Errorf(KindCertificate, "the signing certificate expired on %s", cert.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(cert.NotBefore):
		e := Errorf(KindCertificate, "the signing certificate is not valid before %s",
			cert.NotBefore.UTC().Format(time.RFC3339))
		if wait := cert.NotBefore.Sub(now); wait <= clockSkew {
			e = e.Retryable(wait)
		}
		return e
	}
	return nil
}
