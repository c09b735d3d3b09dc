package cms

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SigningTime returns the attribute signing-time (RFC 5652 11.3): UTCTime from 1950 to 2049,
// GeneralizedTime otherwise, in UTC, in whole seconds.
func SigningTime(at time.Time) (Attribute, error) {
	at = at.UTC().Truncate(time.Second)
	value, err := build(func(b *cryptobyte.Builder) {
		if at.Year() >= 1950 && at.Year() < 2050 {
			b.AddASN1UTCTime(at)
		} else {
			b.AddASN1GeneralizedTime(at)
		}
	})
	return Attribute{OIDSigningTime, [][]byte{value}}, err
}

// SigningTime returns the time that the signer claims. It is zero if there is none or if it cannot
// be read.
func (s *SignerInfo) SigningTime() time.Time {
	values := s.Signed(OIDSigningTime)
	if len(values) != 1 {
		return time.Time{}
	}
	var at time.Time
	in := cryptobyte.String(values[0])
	ok := false
	if in.PeekASN1Tag(cbasn1.UTCTime) {
		ok = in.ReadASN1UTCTime(&at)
	} else {
		ok = in.ReadASN1GeneralizedTime(&at)
	}
	if !ok || !in.Empty() {
		return time.Time{}
	}
	return at
}

// MIMEType returns the attribute mime-type (ETSI EN 319 122-1 5.2.4.2).
func MIMEType(text string) (Attribute, error) {
	value, err := build(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
	})
	return Attribute{OIDMIMEType, [][]byte{value}}, err
}
