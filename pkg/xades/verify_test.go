package xades

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// checkVerdict checks the verdict on the only signature of a document and a part of its reason.
func checkVerdict(t *testing.T, name string, doc []byte, want Verdict, reason string) {
	t.Helper()
	all, err := Verify(t.Context(), inMemory(doc), VerifyOptions{})
	if err != nil || len(all) != 1 {
		t.Errorf("%s: Verify = %d signatures, %v, want one", name, len(all), err)
		return
	}
	if s := all[0]; s.Verdict != want || !strings.Contains(s.Reason, reason) {
		t.Errorf("%s: verdict %s, reason %q, want %s, %q", name, s.Verdict, s.Reason, want, reason)
	}
}

// change is what somebody does to a signed document.
type change func(doc string) string

func replace(old, with string) change {
	return func(doc string) string { return strings.Replace(doc, old, with, 1) }
}

// replaceFirst replaces the first match of an expression.
func replaceFirst(old, with string) change {
	return func(doc string) string {
		m := regexp.MustCompile(old).FindString(doc)
		return strings.Replace(doc, m, regexp.MustCompile(old).ReplaceAllString(m, with), 1)
	}
}

// signedProperties matches SignedProperties.
var signedProperties = regexp.MustCompile(`<xades:SignedProperties .*</xades:SignedProperties>`)

// inObject returns content in a ds:Object of its own.
func inObject(content string) string {
	return `<ds:Object xmlns:xades="` + xadesNamespace + `">` + content + `</ds:Object>`
}

// moveProperties moves SignedProperties into another ds:Object. With a decoy, another one takes its
// place.
func moveProperties(decoy bool) change {
	return func(doc string) string {
		signed, instead := signedProperties.FindString(doc), ""
		if decoy {
			instead = strings.Replace(signed, propertiesID, "-decoy", 1)
		}
		doc = strings.Replace(doc, signed, instead, 1)
		return strings.Replace(doc, "</ds:Signature>", inObject(signed)+"</ds:Signature>", 1)
	}
}

// repeatID adds an element with the Id of SignedProperties.
func repeatID(doc string) string {
	id := regexp.MustCompile(`S-[0-9a-f]*` + propertiesID).FindString(doc)
	return strings.Replace(doc, "</ds:Signature>", `<ds:Object id="`+id+`"/></ds:Signature>`, 1)
}

const (
	valueStart = `(<ds:SignatureValue Id="[^"]*">)`
	certStart  = `<ds:X509Certificate>`
	timeStart  = `<xades:SigningTime>`
)

// changes are changes of a signed document with what Verify finds.
var changes = []struct {
	name   string
	change change
	want   Verdict
	reason string
}{
	{"nothing", replace("", ""), Valid, ""},
	{"comment", replace("<b>", "<b><!-- x -->"), Valid, ""},
	{"quotes", replace(`c="d"`, `c='d'`), Valid, ""},
	{"text", replace("100", "900"), Invalid, "reference 1"},
	{"attribute", replace(`c="d"`, `c="e"`), Invalid, "reference 1"},
	{"new element", replace("<b>", "<x/><b>"), Invalid, "reference 1"},
	{"new instruction", replace("<b>", "<?x?><b>"), Invalid, "reference 1"},
	{"wrapped root", func(doc string) string { return "<x>" + doc + "</x>" }, Invalid, "reference 1"},
	{"second signing time", replace(timeStart, timeStart+"2020-01-01T00:00:00Z</xades:SigningTime>"+timeStart), Invalid,
		"reference 2"},
	{"signing time", replaceFirst(timeStart+"....", timeStart+"1999"), Invalid, "reference 2"},
	{"digest", replaceFirst(`<ds:DigestValue>....`, "<ds:DigestValue>AAAA"), Invalid, "reference 1"},
	{"malformed digest", replace(`<ds:DigestValue>`, "<ds:DigestValue>!"), Invalid, "reference 1 is malformed"},
	{"value", replaceFirst(valueStart+`....`, "${1}AAAA"), Invalid, "value is wrong"},
	{"malformed value", replaceFirst(valueStart, "${1}!"), Invalid, "signature value is malformed"},
	{"no value", replaceFirst(`<ds:SignatureValue.*</ds:SignatureValue>`, ""), Invalid, "SignatureValue is there 0 times"},
	{"type", replace("01903#SignedProperties", "01903#Signed"), Invalid, "value is wrong"},
	{"no first reference", replaceFirst(`<ds:Reference Id=.*?</ds:Reference>`, ""), Invalid, "value is wrong"},
	{"no reference", replaceFirst(`<ds:Reference .*</ds:Reference>`, ""), Invalid, "no reference"},
	{"foreign element", replace("<ds:SignedInfo>", "<ds:SignedInfo><x/>"), Invalid, "does not belong there"},
	{"two SignedInfo", replaceFirst(`(<ds:SignedInfo>.*</ds:SignedInfo>)`, "$1$1"), Invalid, "there 2 times"},
	{"two properties", replace("</xades:QualifyingProperties>", "<xades:SignedProperties/></xades:QualifyingProperties>"),
		Invalid, "do not belong to it"},
	{"target", replaceFirst(`Target="#[^"]*"`, `Target="#x"`), Invalid, "do not belong to it"},
	{"moved properties", moveProperties(false), Invalid, "do not belong to it"},
	{"wrapped properties", moveProperties(true), Invalid, "not the ones in this signature"},
	{"repeated Id", repeatID, Invalid, "2 times"},
	{"certificate", replaceFirst(certStart+`.{8}`, certStart+"AAAAAAAA"), Invalid, "no certificate in it"},
	{"no certificate", replaceFirst(`<ds:KeyInfo>.*</ds:KeyInfo>`, ""), Undetermined, "does not contain"},
	{"other transform", replaceFirst(`<ds:Transform Algorithm="[^"]*"`, `<ds:Transform Algorithm="urn:x"`), Invalid,
		"value is wrong"},
	{"other document", replace(`URI=""`, `URI="x.xml"`), Invalid, "value is wrong"},
	{"root by Id", replace(`URI=""`, `URI="#root"`), Invalid, "value is wrong"},
	{"other algorithm", replace("#ecdsa-sha256", "#hmac-sha256"), Undetermined, "signature method is not supported"},
	{"no XAdES", replaceFirst(`<ds:Object>.*</ds:Object>`, ""), Undetermined, ""},
}

// TestChanges judges signed documents that somebody changed.
func TestChanges(t *testing.T) {
	const doc = `<a Id="root"><b>100</b><c c="d"/></a>`
	for _, transform := range transformNames {
		signed, err := sign(t, []byte(doc), &signing.AdvancedSignature{SignatureTransform: transform})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			changed := c.change(string(signed))
			if changed == string(signed) && c.name != "nothing" {
				t.Errorf("%s: the change did not change anything", c.name)
			}
			checkVerdict(t, transform+", "+c.name, []byte(changed), c.want, c.reason)
		}
	}
}

// TestReport: Verify says who signed what, and where.
func TestReport(t *testing.T) {
	k := testKeys()["RSA-SHA256"]
	signed, err := signWith(t, []byte("<a>x</a>"), nil, k, &baseline)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Verify(t.Context(), inMemory(signed), VerifyOptions{})
	if err != nil || len(all) != 1 {
		t.Fatalf("Verify = %d signatures, %v, want one", len(all), err)
	}
	s := all[0]
	if !s.Certificate.Equal(k.credential.Certificate()) || !s.SigningTime.Equal(testTime) || s.Covers != CoversDocument ||
		s.Level != signing.LevelB || s.Start != 4 || s.End != int64(len(signed)-4) || !strings.HasPrefix(s.ID, "S-") {
		t.Errorf("Verify = %+v", s)
	}
}

// TestRootSignature: a signature that is the root covers no document, even if its reference names
// the whole document.
func TestRootSignature(t *testing.T) {
	k := testKeys()["P-256"]
	b := blueprint{
		profile: &baseline, scanned: &scanned{}, credential: k.credential, time: testTime,
		options: options{form: baseline.Data},
	}
	h := baseline.Digest.New() // of nothing
	b.scanned.digest = h.Sum(nil)
	u, err := b.build()
	if err != nil {
		t.Fatal(err)
	}
	value, err := k.sign(u.digest)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := xmlValue(k.key.Public(), value)
	if err != nil {
		t.Fatal(err)
	}
	doc := bytes.Join([][]byte{u.head, []byte(base64.StdEncoding.EncodeToString(raw)), u.tail}, nil)
	checkVerdict(t, "root", doc, Undetermined, "covers no part")
}

// TestHostile: documents with very many signatures or references are judged in bounded work.
func TestHostile(t *testing.T) {
	signed, err := sign(t, []byte("<a/>"), nil)
	if err != nil {
		t.Fatal(err)
	}
	signature := regexp.MustCompile(`<ds:Signature .*</ds:Signature>`).FindString(string(signed))
	many := "<a>" + strings.Repeat(signature, maxSignatures+1) + "</a>"
	_, err = Verify(t.Context(), inMemory([]byte(many)), VerifyOptions{})
	if signing.KindOf(err) != signing.KindTooComplex {
		t.Errorf("%d signatures: error = %v, want kind %s", maxSignatures+1, err, signing.KindTooComplex)
	}
	all, err := Verify(t.Context(), inMemory([]byte("<a>"+strings.Repeat(signature, maxDigests)+"</a>")), VerifyOptions{})
	if err != nil || len(all) != maxDigests {
		t.Fatalf("%d signatures: %d, %v", maxDigests, len(all), err)
	}
	for _, s := range all {
		if s.Verdict == Valid {
			t.Errorf("signature at %d is valid, want it refused: its Ids are not unique", s.Start)
		}
	}
}

// TestTooManyDigests: a measurer computes a bounded number of digests, and equal parts only once.
func TestTooManyDigests(t *testing.T) {
	m := newMeasurer()
	for i := range 2 * maxDigests {
		p := part{hash: crypto.SHA256, element: int64(i%maxDigests + 1)}
		if m.add(p) == nil {
			t.Fatalf("digest %d is refused, want %d", i, maxDigests)
		}
	}
	if m.add(part{hash: crypto.SHA256}) != nil {
		t.Errorf("more than %d digests are accepted", maxDigests)
	}
}
