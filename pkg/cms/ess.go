package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// CheckSigningCertificate checks that the attribute signing-certificate-v2 or signing-certificate
// of s (RFC 5035, RFC 2634) names cert. It returns ErrMismatch if the attribute names another
// certificate, is malformed or is missing.
func (s *SignerInfo) CheckSigningCertificate(cert *x509.Certificate) error {
	v2, v1 := s.Signed(OIDSigningCertificateV2), s.Signed(OIDSigningCertificate)
	if len(v2) == 0 && len(v1) == 0 {
		return mismatch("check signing certificate: there is no signing-certificate attribute")
	}
	for _, a := range []struct {
		values  [][]byte
		version int
	}{{v2, 2}, {v1, 1}} {
		if len(a.values) == 0 {
			continue
		}
		if len(a.values) != 1 {
			return mismatch("check signing certificate: the attribute has %d values, want 1", len(a.values))
		}
		if err := checkESS(a.values[0], a.version, cert); err != nil {
			return err
		}
	}
	return nil
}

// checkESS compares cert with the first ESSCertID or ESSCertIDv2, which belongs to the signer.
func checkESS(value []byte, version int, cert *x509.Certificate) error {
	wrong := mismatch("check signing certificate: the attribute is malformed")
	in := cryptobyte.String(value)
	var signing, certs, id, digest cryptobyte.String
	if !in.ReadASN1(&signing, cbasn1.SEQUENCE) || !in.Empty() || !signing.ReadASN1(&certs, cbasn1.SEQUENCE) ||
		!certs.ReadASN1(&id, cbasn1.SEQUENCE) {
		return wrong
	}
	hash := crypto.SHA1
	if version == 2 {
		hash = crypto.SHA256
		if id.PeekASN1Tag(cbasn1.SEQUENCE) {
			var ok bool
			if hash, ok = readHash(&id); !ok {
				return unsupported("check signing certificate: the hash algorithm is not supported")
			}
		}
	}
	if !id.ReadASN1(&digest, cbasn1.OCTET_STRING) {
		return wrong
	}
	h := hash.New()
	h.Write(cert.Raw)
	if !bytes.Equal(digest, h.Sum(nil)) {
		return mismatch("check signing certificate: the attribute names another certificate")
	}
	if id.Empty() {
		return nil
	}
	return checkIssuerSerial(id, cert)
}

// checkIssuerSerial compares an IssuerSerial (RFC 5035 4) with cert. It compares only the serial
// number, because the digest has already identified the certificate and encodings of names differ.
func checkIssuerSerial(id cryptobyte.String, cert *x509.Certificate) error {
	var issuerSerial, names cryptobyte.String
	serial := new(big.Int)
	if !id.ReadASN1(&issuerSerial, cbasn1.SEQUENCE) || !issuerSerial.ReadASN1(&names, cbasn1.SEQUENCE) ||
		!issuerSerial.ReadASN1Integer(serial) {
		return mismatch("check signing certificate: issuerSerial is malformed")
	}
	if serial.Cmp(cert.SerialNumber) != 0 {
		return mismatch("check signing certificate: the serial number differs")
	}
	return nil
}
