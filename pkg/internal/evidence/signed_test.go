package evidence_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// party is a certificate with its key.
type party struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue issues a certificate. Its issuer is the party itself if by is nil.
func issue(name string, serial int64, by *party, change func(c *x509.Certificate)) *party {
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(2 * time.Hour),
	}
	if change != nil {
		change(c)
	}
	p := &party{key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	parent, key := c, p.key
	if by != nil {
		parent, key = by.Certificate, by.key
	}
	p.Certificate = must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, parent, p.key.Public(), key))))
	return p
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
}

func responder(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }

// answer returns an OCSP response of issuer about a serial number. It is signed by a delegate,
// whose certificate it contains if embed is true.
func answer(issuer, by *party, status int, serial *big.Int, embed bool) []byte {
	now := time.Now()
	r := ocsp.Response{
		Status: status, SerialNumber: serial, ThisUpdate: now, NextUpdate: now.Add(time.Hour), RevokedAt: now,
	}
	if embed {
		r.Certificate = by.Certificate
	}
	return must(ocsp.CreateResponse(issuer.Certificate, by.Certificate, r, by.key))
}

// revoke returns a CRL that is signed by a party.
func revoke(by *party, extension []byte, serials ...*big.Int) []byte {
	now := time.Now()
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	for _, serial := range serials {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: now})
	}
	if extension != nil {
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: extension}}
	}
	return must(x509.CreateRevocationList(rand.Reader, l, by.Certificate, by.key))
}

func altered(der []byte) []byte {
	der = append([]byte{}, der...)
	der[len(der)-1] ^= 1
	return der
}

// TestSigned: an answer counts only if it is about the certificate, is good, and is signed by the
// issuer or by a delegate that the issuer certified for OCSP and that was valid when it answered.
func TestSigned(t *testing.T) {
	root := issue("root", 1, nil, authority)
	other := issue("root", 1, nil, authority) // the same name, another key
	leaf := issue("leaf", 2, root, nil)
	delegate := issue("delegate", 3, root, responder)
	noPurpose := issue("no purpose", 4, root, nil)
	noUsage := issue("no key usage", 5, root, func(c *x509.Certificate) {
		responder(c)
		c.KeyUsage = x509.KeyUsageKeyEncipherment
	})
	foreign := issue("delegate", 3, other, responder)
	nested := issue("nested", 6, delegate, responder)
	ended := issue("ended", 7, root, func(c *x509.Certificate) { responder(c); c.NotAfter = time.Now().Add(-time.Hour) })
	future := issue("future", 8, root, func(c *x509.Certificate) { responder(c); c.NotBefore = time.Now().Add(time.Hour) })
	serial := leaf.SerialNumber
	good := answer(root, root, ocsp.Good, serial, false)
	onlyAuthorities := []byte{0x30, 3, 0x82, 1, 0xff}
	for name, c := range map[string]struct {
		ocsp, crl []byte
		known     *party // a further certificate of the set
		want      bool
	}{
		"issuer":                       {ocsp: good, want: true},
		"issuer, embedded":             {ocsp: answer(root, root, ocsp.Good, serial, true), want: true},
		"delegate":                     {ocsp: answer(root, delegate, ocsp.Good, serial, true), want: true},
		"delegate in the set":          {ocsp: answer(root, delegate, ocsp.Good, serial, false), known: delegate, want: true},
		"delegate, missing":            {ocsp: answer(root, delegate, ocsp.Good, serial, false)},
		"delegate, another in the set": {ocsp: answer(root, delegate, ocsp.Good, serial, false), known: foreign},
		"altered":                      {ocsp: altered(good)},
		"altered, delegate":            {ocsp: altered(answer(root, delegate, ocsp.Good, serial, false)), known: delegate},
		"forged, with its name":        {ocsp: answer(root, other, ocsp.Good, serial, false)},
		"forged, with a certificate":   {ocsp: answer(root, other, ocsp.Good, serial, true)},
		"signed by the certificate":    {ocsp: answer(root, leaf, ocsp.Good, serial, true)},
		"without id-kp-OCSPSigning":    {ocsp: answer(root, noPurpose, ocsp.Good, serial, true)},
		"key usage of another kind":    {ocsp: answer(root, noUsage, ocsp.Good, serial, true)},
		"delegate of another issuer":   {ocsp: answer(root, foreign, ocsp.Good, serial, true)},
		"delegate of a delegate":       {ocsp: answer(root, nested, ocsp.Good, serial, true)},
		"expired delegate":             {ocsp: answer(root, ended, ocsp.Good, serial, true)},
		"delegate of the future":       {ocsp: answer(root, future, ocsp.Good, serial, true)},
		"another serial number":        {ocsp: answer(root, root, ocsp.Good, big.NewInt(99), false)},
		"serial number, other issuer":  {ocsp: answer(other, other, ocsp.Good, serial, false)},
		"revoked":                      {ocsp: answer(root, root, ocsp.Revoked, serial, false)},
		"unknown":                      {ocsp: answer(root, root, ocsp.Unknown, serial, false)},
		"CRL":                          {crl: revoke(root, nil, big.NewInt(99)), want: true},
		"CRL, altered":                 {crl: altered(revoke(root, nil))},
		"CRL, forged":                  {crl: revoke(other, nil)},
		"CRL that lists it":            {crl: revoke(root, nil, serial)},
		"CRL of other certificates":    {crl: revoke(root, onlyAuthorities)},
	} {
		s := &evidence.Set{}
		s.AddCertificate(leaf.Raw)
		s.AddCertificate(root.Raw)
		if c.known != nil {
			s.AddCertificate(c.known.Raw)
		}
		if c.ocsp != nil {
			s.AddOCSP(c.ocsp)
		}
		if c.crl != nil {
			s.AddCRL(c.crl)
		}
		if err := s.Covers([]*x509.Certificate{leaf.Certificate, root.Certificate}); (err == nil) != c.want {
			t.Errorf("%s: Covers = %v, want success %v", name, err, c.want)
		}
	}
	if _, err := ocsp.ParseResponse(good, root.Certificate); err != nil {
		t.Error(err)
	}
}

// TestResponder: CheckOCSP returns the delegate, and judges its certificate at the given time.
func TestResponder(t *testing.T) {
	root := issue("root", 1, nil, authority)
	leaf := issue("leaf", 2, root, nil)
	delegate := issue("delegate", 3, root, responder)
	for _, c := range []struct {
		by   *party
		at   time.Time
		want *x509.Certificate
		ok   bool
	}{
		{root, time.Now(), nil, true},
		{root, root.NotAfter.Add(time.Hour), nil, true}, // the caller judges the chain
		{delegate, time.Now(), delegate.Certificate, true},
		{delegate, delegate.NotAfter, delegate.Certificate, true},
		{delegate, delegate.NotAfter.Add(time.Second), delegate.Certificate, false},
		{delegate, delegate.NotBefore.Add(-time.Hour), delegate.Certificate, false},
	} {
		der := answer(root, c.by, ocsp.Good, leaf.SerialNumber, true)
		r := must(ocsp.ParseResponseForCert(der, leaf.Certificate, nil))
		got, err := evidence.CheckOCSP(r, leaf.Certificate, root.Certificate, c.at)
		if (err == nil) != c.ok || !c.want.Equal(got) {
			t.Errorf("CheckOCSP of %s at %v = %v, %v", c.by.Subject, c.at, got, err)
		}
	}
}

// TestResponderOfRoot: in a signature, the responder may be certified by the root above the issuer.
// Elsewhere only the issuer may certify it.
func TestResponderOfRoot(t *testing.T) {
	root := issue("root", 1, nil, authority)
	sub := issue("sub", 2, root, authority)
	leaf := issue("leaf", 3, sub, nil)
	chain := []*x509.Certificate{leaf.Certificate, sub.Certificate, root.Certificate}
	for name, c := range map[string]struct {
		by   *party
		want bool
	}{
		"root's":                    {issue("delegate", 4, root, responder), true},
		"root's, without a purpose": {issue("no purpose", 5, root, nil), false},
		"leaf's":                    {issue("delegate", 6, leaf, responder), false},
		"of another root":           {issue("delegate", 4, issue("root", 1, nil, authority), responder), false},
	} {
		der := answer(sub, c.by, ocsp.Good, leaf.SerialNumber, true)
		s := &evidence.Set{}
		for _, c := range chain {
			s.AddCertificate(c.Raw)
		}
		s.AddOCSP(der)
		s.AddOCSP(answer(root, root, ocsp.Good, sub.SerialNumber, false))
		if err := s.Covers(chain); (err == nil) != c.want {
			t.Errorf("%s: Covers = %v, want success %v", name, err, c.want)
		}
		r := must(ocsp.ParseResponseForCert(der, leaf.Certificate, nil))
		if _, err := evidence.CheckOCSP(r, leaf.Certificate, sub.Certificate, time.Now()); err == nil {
			t.Errorf("%s: CheckOCSP succeeds", name)
		}
	}
}

// TestSeveralAnswers: one response may be about several certificates.
func TestSeveralAnswers(t *testing.T) {
	root := issue("root", 1, nil, authority)
	leaf := issue("leaf", 2, root, nil)
	der := merge(root, answer(root, root, ocsp.Revoked, big.NewInt(77), false),
		answer(root, root, ocsp.Good, leaf.SerialNumber, false))
	s := &evidence.Set{}
	s.AddCertificate(leaf.Raw)
	s.AddOCSP(der)
	if err := s.CoversAmong([]*x509.Certificate{leaf.Certificate, root.Certificate}, nil); err != nil {
		t.Error(err)
	}
}

type basicResponse struct {
	Data      asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

type response struct {
	Status asn1.Enumerated
	Bytes  struct {
		Type  asn1.ObjectIdentifier
		Bytes []byte
	} `asn1:"explicit,tag:0"`
}

type responseData struct {
	Responder  asn1.RawValue
	ProducedAt time.Time `asn1:"generalized"`
	Responses  []asn1.RawValue
}

// merge returns a response with the answers of two.
func merge(by *party, first, second []byte) []byte {
	var outer response
	var basic basicResponse
	var data [2]responseData
	for i, der := range [][]byte{first, second} {
		unmarshal(der, &outer)
		unmarshal(outer.Bytes.Bytes, &basic)
		unmarshal(basic.Data.FullBytes, &data[i])
	}
	data[0].Responses = append(data[0].Responses, data[1].Responses...)
	basic.Data = asn1.RawValue{FullBytes: must(asn1.Marshal(data[0]))}
	h := crypto.SHA256.New()
	h.Write(basic.Data.FullBytes)
	basic.Signature.Bytes = must(ecdsa.SignASN1(rand.Reader, by.key, h.Sum(nil)))
	basic.Signature.BitLength = 8 * len(basic.Signature.Bytes)
	outer.Bytes.Bytes = must(asn1.Marshal(basic))
	return must(asn1.Marshal(outer))
}

func unmarshal(der []byte, v any) {
	if _, err := asn1.Unmarshal(der, v); err != nil {
		panic(err)
	}
}
