package xades

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// attack is a document that somebody made of a signed one.
type attack struct {
	name   string
	doc    string // the template of the signed document
	change change // nil = nothing; the signer made it so
	want   string // verdict and a part of the reason, of the only signature
}

// Templates of documents with a signature of a foreign program.
var (
	// rootByID has a reference to the root element by its Id.
	rootByID = parts{references: reference("#r", "", envelopedURI, exclusiveURI)}
	// wholeDocument has a reference with URI="".
	wholeDocument = parts{references: reference("", "", envelopedURI, exclusiveURI)}
	// enveloping has the data in an object.
	enveloping = parts{references: reference("#o", "", exclusiveURI), objects: dataObject}
	// detached has the data beside the signature.
	detached = parts{references: reference("#d", "", exclusiveURI)}
)

const (
	dataObject = `<ds:Object Id="o"><amount>1</amount></ds:Object>`
	evilObject = `<ds:Object Id="e"><amount>9</amount></ds:Object>`
	evil       = `<amount>9</amount>`
	partsStart = `<ds:SignedInfo`
)

// invoiceWith returns a document with a signature at its end.
func invoiceWith(signature string) string {
	return `<inv Id="r"><amount>1</amount>` + signature + `</inv>`
}

// wrapping builds an altered document: evil has the marks %[1]s for the original root element
// without the signature and %[2]s for the signature, %[3]s for the original with the signature.
func wrapping(evil string) change {
	return func(doc string) string {
		start := strings.Index(doc, "<ds:Signature ")
		end := strings.Index(doc, "</ds:Signature>") + len("</ds:Signature>")
		return fmt.Sprintf(evil+"%[4]s", doc[:start]+doc[end:], doc[start:end], doc, "")
	}
}

// inSignature moves the original without its signature into an object of the signature, in an evil
// document.
func inSignature(start, end string, wrap func(original string) string) change {
	return func(doc string) string {
		moved := wrapping("%[1]s")(doc)
		signature := wrapping("%[2]s")(doc)
		return start + strings.Replace(signature, "</ds:Signature>", wrap(moved)+"</ds:Signature>", 1) + end
	}
}

func object(content string) string { return "<ds:Object>" + content + "</ds:Object>" }

const (
	twice     = "not valid: reference 1 names an Id that is in the document 2 times"
	outside   = "not valid: reference 1 leaves out the signature, but names an element that does not contain it"
	inside    = "not valid: reference 1 leaves out the signature, but names an element inside it"
	element1  = "cannot be judged: it covers one element of the document"
	misplaced = "not valid: it has an element that does not belong there"
	noChild   = "not valid: reference 1 names an object that is not a child of the signature"
)

// wrappingAttacks are the classical forms of signature wrapping and further ones.
func wrappingAttacks() []attack {
	byID := invoiceWith(rootByID.signature())
	whole := invoiceWith(wholeDocument.signature())
	xsw := func(n int, change change, want string) attack {
		return attack{fmt.Sprintf("XSW%d", n), byID, change, want}
	}
	all := []attack{
		{"untouched, root by Id", byID, nil, "valid: "},
		{"untouched, whole document", whole, nil, "valid: "},
		xsw(1, inSignature(`<inv Id="e">`+evil, `</inv>`, object), inside),
		xsw(2, wrapping(`<inv Id="e">`+evil+`%[1]s%[2]s</inv>`), outside),
		xsw(3, wrapping(`<x><inv Id="e">`+evil+`</inv>%[3]s</x>`), element1),
		xsw(4, wrapping(`<inv Id="e">`+evil+`%[3]s</inv>`), element1),
		xsw(5, wrapping(`<inv Id="r">`+evil+`%[2]s%[1]s</inv>`), twice),
		xsw(6, inSignature(`<inv Id="r">`+evil, `</inv>`, object), twice),
		xsw(7, wrapping(`<x><Extensions><inv Id="r">`+evil+`</inv></Extensions>%[3]s</x>`), twice),
		xsw(8, inSignature(`<x><inv Id="e">`+evil, `</inv></x>`, func(original string) string {
			return object("<y>" + original + "</y>")
		}), inside),
		{"signature beside the original", byID, wrapping(`<x>` + evil + `%[1]s<y>%[2]s</y></x>`), outside},
		{"signature moved to the front", byID, wrapping(`<x>%[2]s` + evil + `%[1]s</x>`), outside},
		{"signature as root", byID, inSignature("", "", object), inside},
		{"whole document in an object", whole, inSignature(`<inv Id="e">`+evil, `</inv>`, object),
			"not valid: the digest of reference 1 is wrong"},
		{"whole document wrapped", whole, wrapping(`<x>%[3]s</x>`), "not valid: the digest of reference 1 is wrong"},
		{"root in another namespace", whole, replace("<inv ", `<inv xmlns="urn:evil" `), "not valid: "},
		{"unused namespace", whole, replace("<inv ", `<inv xmlns:evil="urn:evil" `), "valid: "},
		{"evil element in the signature", whole, replace("</ds:Signature>", evil+"</ds:Signature>"), misplaced},
		{"evil element in front", whole, replace("<ds:SignedInfo>", evil+"<ds:SignedInfo>"), misplaced},
		{"evil element in the value", whole, replace("</ds:SignatureValue>", evil+"</ds:SignatureValue>"), misplaced},
		{"evil properties", whole, replace("</xades:QualifyingProperties>", evil+"</xades:QualifyingProperties>"), misplaced},
		{"evil element beside the properties", whole,
			replace("</xades:QualifyingProperties>", "</xades:QualifyingProperties>"+evil),
			"cannot be judged: the object with its properties has another element"},
		{"two KeyInfo", whole, replace("<ds:KeyInfo", "<ds:KeyInfo/><ds:KeyInfo"), "not valid: KeyInfo is there 2 times"},
		{"evil object in front of KeyInfo", whole, replace("<ds:KeyInfo", evilObject+"<ds:KeyInfo"),
			"not valid: its parts are in the wrong order"},
		{"evil object in the signature", whole, replace("</ds:Signature>", evilObject+"</ds:Signature>"),
			"cannot be judged: an object inside it is signed by no reference"},
	}
	for _, name := range []string{"Id", "ID", "id", "iD", "xml:id", `xmlns:w="urn:w" w:Id`, `xmlns:w="urn:w" w:ID`} {
		all = append(all, attack{"the Id in " + name, byID, replace("<amount", `<evil `+name+`="r"/><amount`), twice})
	}
	return all
}

// objectAttacks wrap what an enveloping signature signs.
func objectAttacks() []attack {
	doc := enveloping.signature()
	inner := parts{
		references: reference("#d", "", exclusiveURI), objects: object(`<data Id="d"><amount>1</amount></data>`),
	}.signature()
	return []attack{
		{"untouched, enveloping", doc, nil, "valid: "},
		{"untouched, enveloping content", inner, nil, "valid: "},
		{"evil object in front", doc, replace(dataObject, evilObject+dataObject),
			"not valid: an object in front of the signed one is signed by no reference"},
		{"evil object behind", doc, replace(dataObject, dataObject+evilObject),
			"cannot be judged: an object inside it is signed by no reference"},
		{"object moved into another", doc, replace(dataObject, evilObject+object(dataObject)), noChild},
		{"object moved out", "<x>" + doc + "</x>", func(doc string) string {
			moved := strings.Replace(doc, dataObject, evilObject, 1)
			return strings.Replace(moved, "<x>", `<x xmlns:ds="`+dsNamespace+`">`+dataObject, 1)
		}, noChild},
		{
			"object with the same Id",
			doc,
			replace(dataObject, strings.Replace(evilObject, `"e"`, `"o"`, 1)+dataObject),
			twice,
		},
		{"evil content beside", inner, replace("<data", evil+"<data"), "cannot be judged: it covers no part"},
		{"content wrapped", inner, func(doc string) string {
			return strings.Replace(strings.Replace(doc, "<data", evil+"<y><data", 1), "</data>", "</data></y>", 1)
		}, "cannot be judged: it covers no part"},
		{
			"in an evil document",
			invoiceWith(doc),
			nil,
			"cannot be judged: it covers an object inside it, not the document around it",
		},
		{"alone in a root", "<x>\n" + doc + "<!-- x -->\n</x>", nil, "valid: "},
		{"alone in a root with an Id", `<x Id="x">` + doc + "</x>", nil, "valid: "},
		{
			"in a root with an attribute",
			`<x amount="9">` + doc + "</x>",
			nil,
			"cannot be judged: it covers an object inside it",
		},
		{"beside text", "<x>" + doc + "9</x>", nil, "cannot be judged: it covers an object inside it"},
		{"beside an empty element", "<x>" + doc + "<y/></x>", nil, "cannot be judged: it covers an object inside it"},
		{"one element deeper", "<x><y>" + doc + "</y></x>", nil, "cannot be judged: it covers an object inside it"},
		{"untouched, detached", `<x><d Id="d">1</d>` + detached.signature() + `</x>`, nil,
			"cannot be judged: reference 1 names another part of the document"},
		{"detached, changed", `<x><d Id="d">1</d>` + detached.signature() + `</x>`, replace(">1<", ">9<"),
			"not valid: the digest of reference 1"},
		{"detached, wrapped", `<x><d Id="d">1</d>` + detached.signature() + `</x>`,
			wrapping(`<z><d Id="e">9</d><y>%[1]s</y>%[2]s</z>`), "cannot be judged: reference 1 names another part"},
		{"a part beside the whole", `<x><d Id="d">1</d>` + parts{
			references: wholeDocument.references + detached.references,
		}.signature() + `</x>`, nil, "valid: "},
	}
}

// manifest returns an object with a list of references.
func manifest(attrs string) string {
	return `<ds:Object><ds:Manifest ` + attrs + `><ds:Reference URI="x.pdf">` +
		algorithm(
			"DigestMethod",
			digestMethods[crypto.SHA256],
		) + `<ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>` +
		`</ds:Manifest></ds:Object>`
}

// manifestAttacks are about references in lists, which Verify does not follow.
func manifestAttacks() []attack {
	typed := reference("#m", `Type="`+manifestType+`"`, exclusiveURI)
	const notJudged = "cannot be judged: it has a manifest, whose references are not judged"
	list := manifest(`Id="m"`)
	return []attack{
		{"manifest", parts{references: typed, objects: list}.signature(), nil, notJudged},
		{
			"manifest without its type",
			parts{references: reference("#m", "", exclusiveURI), objects: list}.signature(),
			nil,
			notJudged,
		},
		{"manifest beside the document", invoiceWith(parts{
			references: wholeDocument.references + typed, objects: list,
		}.signature()), nil, notJudged},
		{"fake manifest", parts{references: typed, objects: list}.signature(),
			replace(list, manifest(`Id="e"`)+object("<y>"+list+"</y>")), noChild},
	}
}

// byExpression returns an invoice whose signature selects its properties with an expression, as
// A-Trust does.
func byExpression(uri, object, filter string) string {
	x := parts{references: wholeDocument.references, properties: withFilter(filter, object+
		`/a:QualifyingProperties/a:SignedProperties`)}.signature()
	return invoiceWith(strings.NewReplacer(`<ds:Object><xades`, `<ds:Object Id="Q"><xades`, `URI="#P"`, `URI="`+uri+`"`,
		`<f:XPath `, `<f:XPath xmlns:a="`+xadesNamespace+`" `).Replace(x))
}

// propertyAttacks are about the signed properties.
func propertyAttacks() []attack {
	signed := func(p parts) string {
		p.references = wholeDocument.references
		return invoiceWith(p.signature())
	}
	const qualifyingStart = `<xades:QualifyingProperties xmlns:xades="` + xadesNamespace + `" Target="#S">`
	return []attack{
		{"no data", invoiceWith(parts{}.signature()), nil, "cannot be judged: it covers no part of the document"},
		{"only KeyInfo", invoiceWith(parts{references: reference("#K", "", exclusiveURI)}.signature()), nil,
			"cannot be judged: it covers no part of the document"},
		{"benign reference first", invoiceWith(parts{
			references: reference("#K", "", exclusiveURI) + rootByID.references,
		}.signature()), wrapping(`<x>` + evil + `%[1]s%[2]s</x>`),
			strings.Replace(outside, "reference 1", "reference 2", 1)},
		{"properties twice", signed(parts{}), func(doc string) string {
			return strings.Replace(
				doc,
				"</ds:Signature>",
				object(
					qualifyingStart+`<xades:SignedProperties Id="Q"/></xades:QualifyingProperties>`,
				)+"</ds:Signature>",
				1,
			)
		}, "not valid: its qualifying properties do not belong to it"},
		{"properties in front", signed(parts{}), replace("<ds:Object>", object(qualifyingStart+
			`<xades:SignedProperties Id="Q"/></xades:QualifyingProperties>`)+"<ds:Object>"),
			"not valid: its qualifying properties do not belong to it"},
		{
			"properties of another version",
			signed(parts{}),
			replace("<ds:Object>", object(strings.Replace(qualifyingStart,
				"v1.3.2", "v1.2.2", 1)+`<xades:SignedProperties Id="Q"/></xades:QualifyingProperties>`)+"<ds:Object>"),
			"not valid: its qualifying properties do not belong to it",
		},
		{"properties nested", signed(parts{}), replace("<ds:Object>", object("<y>"+qualifyingStart+
			`<xades:SignedProperties Id="Q"/></xades:QualifyingProperties></y>`)+"<ds:Object>"),
			"cannot be judged: an object inside it is signed by no reference"},
		{
			"target elsewhere",
			signed(parts{target: "#T"}),
			nil,
			"not valid: its qualifying properties do not belong to it",
		},
		{"target of another case", signed(parts{target: "#s"}), nil, "not valid: its qualifying properties do not"},
		{"target without #", signed(parts{target: "S"}), nil,
			"cannot be judged: the target of its qualifying properties does not name an Id"},
		{"no type", signed(parts{kind: "none"}), nil,
			"cannot be judged: the reference to the signed properties does not have their type"},
		{
			"type of an old version",
			signed(parts{kind: "http://uri.etsi.org/01903/v1.1.1#SignedProperties"}),
			nil,
			"valid: ",
		},
		{"enveloped properties", signed(parts{properties: algorithm("Transform", envelopedURI)}), nil,
			"cannot be judged: reference 2 leaves out what it names"},
		{"filtered properties", signed(parts{properties: transformXML[filter2]}), nil,
			"cannot be judged: reference 2 leaves out what it names"},
		{"properties by an expression", byExpression("", `//*[@Id='Q']`, "intersect"), nil, "valid: "},
		{"properties by id", byExpression("#Q", `id('Q')`, "intersect"), nil, "valid: "},
		{"properties by an expression, changed", byExpression("", `//*[@Id='Q']`, "intersect"),
			replace("T05:06:07Z", "T05:06:08Z"), "not valid: the digest of reference 2"},
		{"properties by an expression, Id twice", byExpression("", `//*[@Id='Q']`, "intersect"),
			replace("<ds:KeyInfo ", `<ds:Object id="Q"/><ds:KeyInfo `),
			"not valid: reference 2 names an Id that is in the document 2 times"},
		{"properties in another object", byExpression("", `//*[@Id='Q']`, "intersect"), func(doc string) string {
			doc = strings.Replace(doc, `<ds:Object Id="Q">`, `<ds:Object>`, 1)
			return strings.Replace(doc, "<ds:KeyInfo ", `<ds:Object Id="Q"/><ds:KeyInfo `, 1)
		}, "not valid: the signed properties are not the ones in this signature"},
		{"no properties by an expression", byExpression("", `//*[@Id='Q']`, "subtract"), nil,
			"cannot be judged: the transforms of reference 2 are not supported"},
		{"properties by another Id", byExpression("#K", `id('Q')`, "intersect"), nil,
			"cannot be judged: the transforms of reference 2 are not supported"},
		{"properties by a longer path", byExpression("", `//*[@Id='Q']/x`, "intersect"), nil,
			"cannot be judged: the transforms of reference 2 are not supported"},
		{"other certificate", signed(parts{certDigest: base64.StdEncoding.EncodeToString(make([]byte, 32))}), nil,
			"not valid: no certificate in it is the one that the signed properties name"},
		{"empty certificate digest", signed(parts{certDigest: " "}), nil, "not valid: no certificate in it is the one"},
	}
}

// TestAttacks judges what attackers make of signed documents, and what foreign programs sign in
// other ways than this one. No reason may hide a wrong value: complete has made it right.
func TestAttacks(t *testing.T) {
	for group, attacks := range map[string]func() []attack{
		"wrapping": wrappingAttacks, "objects": objectAttacks, "manifests": manifestAttacks, "properties": propertyAttacks,
		"algorithms": algorithmAttacks, "certificates": certificateAttacks,
	} {
		for _, a := range attacks() {
			signed := complete(t, a.doc)
			if a.change != nil {
				changed := a.change(signed)
				if changed == signed {
					t.Errorf("%s, %s: the change did not change anything", group, a.name)
				}
				signed = changed
			}
			verdict, reason, _ := strings.Cut(a.want, ": ")
			checkVerdict(t, group+", "+a.name, []byte(signed), Verdict(verdict), reason)
		}
	}
}
