package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// VerifyValue checks a signature value against the digest that was signed, not against the message.
// A PSS salt must be as long as the hash, as Build declares it. It returns ErrMismatch if the value
// is wrong, and ErrUnsupported if the kind of the key or the hash is unknown.
func VerifyValue(
	public crypto.PublicKey, algorithm signing.SignatureAlgorithm, hash crypto.Hash, digest, value []byte,
) error {
	if hash == 0 || !hash.Available() {
		return unsupported("verify signature value: hash %v is not supported", hash)
	}
	return verifyValue(public, algorithm, hash, digest, value, hash.Size())
}

// verifyValue is like VerifyValue, with a given salt length in bytes.
func verifyValue(
	public crypto.PublicKey, algorithm signing.SignatureAlgorithm, hash crypto.Hash, digest, value []byte, salt int,
) error {
	if len(digest) != hash.Size() {
		return mismatch("verify signature value: the digest has %d bytes, want %d", len(digest), hash.Size())
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		return verifyRSA(key, algorithm, hash, digest, value, salt)
	case *ecdsa.PublicKey:
		if algorithm != signing.ECDSA {
			return mismatch("verify signature value: algorithm %q does not match an ECDSA key", algorithm)
		}
		if !ecdsa.VerifyASN1(key, digest, value) {
			return mismatch("verify signature value: the ECDSA signature does not match")
		}
		return nil
	}
	return unsupported("verify signature value: a key of type %T is not supported", public)
}

func verifyRSA(
	key *rsa.PublicKey, algorithm signing.SignatureAlgorithm, hash crypto.Hash, digest, value []byte, salt int,
) error {
	var err error
	switch algorithm {
	case signing.RSAPKCS1:
		err = rsa.VerifyPKCS1v15(key, hash, digest, value)
	case signing.RSAPSS:
		if salt == 0 { // crypto/rsa has no option for a salt of 0 bytes, which is rare, so accept any length
			salt = rsa.PSSSaltLengthAuto
		}
		err = rsa.VerifyPSS(key, hash, digest, value, &rsa.PSSOptions{SaltLength: salt, Hash: hash})
	default:
		return mismatch("verify signature value: algorithm %q does not match an RSA key", algorithm)
	}
	if err != nil {
		return mismatch("verify signature value: the RSA signature does not match")
	}
	return nil
}

// Verify checks the only signer of a SignedData over a content whose digest, made with
// Signer().Hash, is digest. See VerifySigner.
func (d *SignedData) Verify(digest []byte, others ...*x509.Certificate) (*x509.Certificate, error) {
	s, err := d.Signer()
	if err != nil {
		return nil, err
	}
	return d.VerifySigner(s, digest, others...)
}

// VerifySigner checks a signer of d over a content whose digest, made with s.Hash, is digest. It
// checks message-digest and content-type, the signature value under the certificate that the signer
// names, and this certificate against the signing-certificate attributes, if there are any. It also
// searches others for the certificate. It returns the signing certificate; the caller decides
// whether it is trusted, valid and suitable. Errors wrap ErrMismatch, ErrUnsupported or
// ErrMalformed.
func (d *SignedData) VerifySigner(
	s *SignerInfo, digest []byte, others ...*x509.Certificate,
) (*x509.Certificate, error) {
	cert := d.Certificate(s, others...)
	if cert == nil { // it may also be one that crypto/x509 cannot read
		return nil, unsupported("verify SignedData: the signing certificate is missing or cannot be read")
	}
	if err := s.verify(cert, d.ContentType, digest); err != nil {
		return nil, err
	}
	if s.Signed(OIDSigningCertificate) != nil || s.Signed(OIDSigningCertificateV2) != nil {
		if err := s.CheckSigningCertificate(cert); err != nil {
			return nil, err
		}
	}
	return cert, nil
}

func (s *SignerInfo) verify(cert *x509.Certificate, contentType asn1.ObjectIdentifier, digest []byte) error {
	switch {
	case s.Hash == 0:
		return unsupported("verify SignedData: digest algorithm %v is not supported", s.DigestAlgorithm)
	case s.Algorithm == "":
		return unsupported("verify SignedData: signature algorithm %v is not supported", s.SignatureAlgorithm)
	case len(digest) != s.Hash.Size():
		return mismatch("verify SignedData: the digest has %d bytes, want %d", len(digest), s.Hash.Size())
	}
	if s.RawSignedAttributes == nil {
		// RFC 5652 5.4: without signed attributes the content itself is signed.
		return s.verifyDigest(cert, s.SignatureHash == s.Hash, digest)
	}
	if err := s.checkContent(contentType, digest); err != nil {
		return err
	}
	h := s.SignatureHash.New()
	h.Write(s.RawSignedAttributes)
	return s.verifyDigest(cert, true, h.Sum(nil))
}

func (s *SignerInfo) verifyDigest(cert *x509.Certificate, sameHash bool, digest []byte) error {
	if !sameHash {
		return unsupported("verify SignedData: digest and signature algorithm use different hashes")
	}
	return verifyValue(cert.PublicKey, s.Algorithm, s.SignatureHash, digest, s.Value, s.SaltLength)
}

// checkContent checks content-type and message-digest against the content (RFC 5652 5.3, 5.6).
func (s *SignerInfo) checkContent(contentType asn1.ObjectIdentifier, digest []byte) error {
	types, digests := s.Signed(OIDContentType), s.Signed(OIDMessageDigest)
	if len(types) != 1 || len(digests) != 1 {
		return mismatch("verify SignedData: content-type or message-digest is not present exactly once")
	}
	var oid asn1.ObjectIdentifier
	if in := cryptobyte.String(types[0]); !in.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(contentType) {
		return mismatch("verify SignedData: content-type differs from the content")
	}
	var value []byte
	if in := cryptobyte.String(digests[0]); !in.ReadASN1Bytes(&value, cbasn1.OCTET_STRING) || !bytes.Equal(value, digest) {
		return mismatch("verify SignedData: the content has another digest")
	}
	return nil
}
