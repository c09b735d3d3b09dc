package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/certchain"
)

// Timestamp is a TimeStampToken (RFC 3161 2.4.2), as ParseTimestamp returns it.
type Timestamp struct {
	Policy   asn1.ObjectIdentifier
	Hash     crypto.Hash // 0 if unknown
	Imprint  []byte
	Serial   *big.Int
	Time     time.Time
	Accuracy time.Duration // 0 if not stated
	Nonce    *big.Int      // nil if missing
	Signed   *SignedData
}

// ParseTimestamp reads a TimeStampToken. Zero padding after it is allowed. It verifies nothing.
func ParseTimestamp(token []byte) (*Timestamp, error) {
	d, err := Parse(token)
	if err != nil {
		return nil, err
	}
	if !d.ContentType.Equal(OIDTSTInfo) || d.Content == nil {
		return nil, malformed("timestamp: content is not TSTInfo")
	}
	t := &Timestamp{Signed: d, Serial: new(big.Int)}
	in := cryptobyte.String(d.Content)
	var info cryptobyte.String
	var version int
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !in.Empty() || !info.ReadASN1Integer(&version) || version != 1 ||
		!info.ReadASN1ObjectIdentifier(&t.Policy) || !t.readImprint(&info) || !info.ReadASN1Integer(t.Serial) {
		return nil, malformed("TSTInfo")
	}
	if t.Time, err = readTime(&info); err != nil {
		return nil, err
	}
	if !t.readOptional(&info) {
		return nil, malformed("TSTInfo")
	}
	return t, nil
}

func (t *Timestamp) readImprint(s *cryptobyte.String) bool {
	var imprint cryptobyte.String
	if !s.ReadASN1(&imprint, cbasn1.SEQUENCE) {
		return false
	}
	oid, _, ok := readAlgorithm(&imprint)
	t.Hash = hashByOID(oid)
	return ok && imprint.ReadASN1Bytes(&t.Imprint, cbasn1.OCTET_STRING) && imprint.Empty()
}

// readTime reads genTime. RFC 3161 allows fractions of a second, which encoding/asn1 and cryptobyte
// do not read.
func readTime(s *cryptobyte.String) (time.Time, error) {
	var raw cryptobyte.String
	if !s.ReadASN1(&raw, cbasn1.GeneralizedTime) || len(raw) > 32 {
		return time.Time{}, malformed("genTime")
	}
	at, err := time.Parse("20060102150405Z", string(raw)) // time.Parse accepts a fraction after the seconds
	if err != nil {
		return time.Time{}, malformed("genTime")
	}
	return at, nil
}

// readOptional reads the fields after genTime: accuracy, ordering, nonce, tsa, extensions.
func (t *Timestamp) readOptional(s *cryptobyte.String) bool {
	if s.PeekASN1Tag(cbasn1.SEQUENCE) && !t.readAccuracy(s) {
		return false
	}
	if s.PeekASN1Tag(cbasn1.BOOLEAN) && !s.SkipASN1(cbasn1.BOOLEAN) {
		return false
	}
	if s.PeekASN1Tag(cbasn1.INTEGER) {
		t.Nonce = new(big.Int)
		if !s.ReadASN1Integer(t.Nonce) {
			return false
		}
	}
	return s.SkipOptionalASN1(contextTag(0)) && s.SkipOptionalASN1(contextTag(1)) && s.Empty()
}

func (t *Timestamp) readAccuracy(s *cryptobyte.String) bool {
	var accuracy, part cryptobyte.String
	if !s.ReadASN1(&accuracy, cbasn1.SEQUENCE) {
		return false
	}
	var seconds int64
	if accuracy.PeekASN1Tag(cbasn1.INTEGER) && !accuracy.ReadASN1Integer(&seconds) {
		return false
	}
	fractions := [2]int64{}
	for i := range fractions {
		var has bool
		if !accuracy.ReadOptionalASN1(&part, &has, cbasn1.Tag(uint8(i)).ContextSpecific()) {
			return false
		}
		if !has {
			continue
		}
		if len(part) == 0 || len(part) > 2 {
			return false
		}
		fractions[i] = new(big.Int).SetBytes(part).Int64()
	}
	const day = 24 * 60 * 60 // no real authority states a lower accuracy than a day
	if seconds < 0 || seconds > day || fractions[0] > 999 || fractions[1] > 999 || !accuracy.Empty() {
		return false
	}
	t.Accuracy = time.Duration(seconds)*time.Second +
		time.Duration(fractions[0])*time.Millisecond + time.Duration(fractions[1])*time.Microsecond
	return true
}

// Verify checks that the token is over digest, which was made with hash, and that it is signed as
// RFC 3161 2.4.2 requires. There must be one signer. Its signing-certificate attribute must name
// the certificate, whose only extended key usage must be time stamping and critical. The
// certificate must have been valid at the stated time. Verify returns this certificate; the caller
// decides whether it is trusted. Errors wrap ErrMismatch, ErrUnsupported or ErrMalformed.
func (t *Timestamp) Verify(digest []byte, hash crypto.Hash, others ...*x509.Certificate) (*x509.Certificate, error) {
	if t.Hash == 0 {
		return nil, unsupported("verify timestamp: the imprint's hash algorithm is not supported")
	}
	if t.Hash != hash || !bytes.Equal(t.Imprint, digest) {
		return nil, mismatch("verify timestamp: it is over another digest")
	}
	s, err := t.Signed.Signer()
	if err != nil {
		return nil, err
	}
	if s.Hash == 0 {
		return nil, unsupported("verify timestamp: digest algorithm %v is not supported", s.DigestAlgorithm)
	}
	h := s.Hash.New()
	h.Write(t.Signed.Content)
	cert, err := t.Signed.Verify(h.Sum(nil), others...)
	if err != nil {
		return nil, fmt.Errorf("verify timestamp: %w", err)
	}
	if err := s.CheckSigningCertificate(cert); err != nil {
		return nil, fmt.Errorf("verify timestamp: %w", err)
	}
	if err := checkTimestamping(cert); err != nil {
		return nil, err
	}
	if t.Time.Before(cert.NotBefore) || t.Time.After(cert.NotAfter) {
		return nil, mismatch("verify timestamp: the certificate was not valid at the time stated")
	}
	return cert, nil
}

// CheckAlgorithms checks that the signature and the certificate chain use no SHA-1 and no older
// hash, because validators do not count such a timestamp (ETSI TS 119 312 8.4). It also searches
// others for the chain. It ignores the signature of a root on itself, and the hash with which the
// signing-certificate attribute names the certificate. Errors wrap ErrUnsupported.
func (t *Timestamp) CheckAlgorithms(cert *x509.Certificate, others ...*x509.Certificate) error {
	s, err := t.Signed.Signer()
	if err != nil {
		return err
	}
	if s.Hash == crypto.SHA1 || s.SignatureHash == crypto.SHA1 {
		return unsupported("the timestamp is signed with SHA-1")
	}
	chain := certchain.Link(cert, slices.Concat(t.Signed.Certificates, others), t.Time)
	if weak := certchain.Weak(chain); weak != nil {
		return unsupported("the timestamp's certificate chain uses SHA-1 or an older hash: certificate of %s",
			certchain.Name(weak.Subject))
	}
	return nil
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

// checkTimestamping checks the extended key usage after RFC 3161 2.3: only time stamping, and
// critical.
func checkTimestamping(cert *x509.Certificate) error {
	only := len(cert.ExtKeyUsage) == 1 && cert.ExtKeyUsage[0] == x509.ExtKeyUsageTimeStamping &&
		len(cert.UnknownExtKeyUsage) == 0
	critical := false
	for _, e := range cert.Extensions {
		critical = critical || e.Critical && e.Id.Equal(oidExtKeyUsage)
	}
	if !only || !critical {
		return mismatch("verify timestamp: the certificate is not one for timestamps alone: " +
			"its extended key usage must be timeStamping, only that, and critical")
	}
	return nil
}
