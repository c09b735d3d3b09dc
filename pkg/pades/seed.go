package pades

import (
	"crypto"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Flags of a seed value dictionary (ISO 32000-2 table 237): which of its entries are demands.
const (
	seedFilter = 1 << iota
	seedSubFilter
	seedVersion
	seedReasons
	seedLegalAttestation
	seedAddRevInfo
	seedDigestMethod
	seedLockDocument
	seedAppearanceFilter
	seedUnknown // this and all above
)

// seedLevel is the /V up to which all entries are known: 3 is ISO 32000-2.
const seedLevel = 3

// checkSeed honours what the field demands of its signature: what we would not give, and what we
// cannot judge, is refused. What it only proposes is left alone.
func (e *emptyField) checkSeed(doc *pdf.Document, sig signing.SignatureInfo, hash crypto.Hash) error {
	if e.seed == nil {
		return nil
	}
	flags, err := doc.Int(e.seed.Get("Ff"), 0)
	if err != nil {
		return err
	}
	if flags < 0 || flags >= seedUnknown {
		return noField(e.name, "demands something unknown of its signature")
	}
	for _, rule := range seedRules(doc, sig, hash) {
		if flags&rule.flag != rule.flag {
			continue
		}
		o, err := doc.Get(e.seed.Get(rule.key))
		if err != nil {
			return err
		}
		if o == nil && rule.flag != seedReasons { // nothing is demanded; no reasons are none
			continue
		}
		met, err := rule.met(o)
		if err != nil {
			return err
		}
		if !met {
			return noField(e.name, "demands %s", rule.demands)
		}
	}
	return nil
}

// seedRule is one entry of a seed value dictionary.
type seedRule struct {
	flag    int64 // makes it a demand; 0: it is one in any case
	key     pdf.Name
	met     func(o pdf.Object) (bool, error)
	demands string
}

func seedRules(doc *pdf.Document, sig signing.SignatureInfo, hash crypto.Hash) []seedRule {
	return []seedRule{
		{
			seedFilter,
			"Filter",
			func(o pdf.Object) (bool, error) { return o == pdf.Name("Adobe.PPKLite"), nil },
			"another signature handler",
		},
		{
			seedSubFilter,
			"SubFilter",
			func(o pdf.Object) (bool, error) { return contains(o, subFilterCAdES), nil },
			"another encoding of its signature",
		},
		{seedVersion, "V", knownVersion, "what only a newer version knows"},
		{
			seedReasons,
			"Reasons",
			func(o pdf.Object) (bool, error) { return allowedReason(doc, o, sig.Reason) },
			"another reason of its signature",
		},
		{seedLegalAttestation, "LegalAttestation", never, "a legal attestation"},
		{
			seedAddRevInfo,
			"AddRevInfo",
			func(o pdf.Object) (bool, error) { return o == false, nil },
			"revocation data within its signature",
		},
		{
			seedDigestMethod,
			"DigestMethod",
			func(o pdf.Object) (bool, error) { return allowedHash(doc, o, hash) },
			"another hash of its signature",
		},
		{
			seedLockDocument,
			"LockDocument",
			func(o pdf.Object) (bool, error) { return o != pdf.Name("true") && o != true, nil },
			"a signature that locks the document",
		},
		{seedAppearanceFilter, "AppearanceFilter", never, "another appearance of its signature"},
		{
			0,
			"MDP",
			func(o pdf.Object) (bool, error) { return number(doc, o, "P", 0) },
			"a signature that certifies the document",
		},
		{0, "Cert", func(o pdf.Object) (bool, error) { return number(doc, o, "Ff", 0) }, "a certificate of its own choice"},
		{0, "TimeStamp", func(o pdf.Object) (bool, error) {
			optional, err := number(doc, o, "Ff", 0)
			return optional || sig.Level != signing.LevelB, err
		}, "a timestamp"},
	}
}

func never(pdf.Object) (bool, error) { return false, nil }

func contains(o, item pdf.Object) bool {
	list, _ := o.(pdf.Array)
	return slices.Contains(list, item)
}

func knownVersion(o pdf.Object) (bool, error) {
	n, _ := o.(pdf.Number)
	v, ok := n.Float()
	return ok && v <= seedLevel, nil
}

// number reports whether an entry of the dictionary o is that number, or missing.
func number(doc *pdf.Document, o pdf.Object, key pdf.Name, want int64) (bool, error) {
	dict, err := doc.Dict(o)
	if err != nil {
		return false, err
	}
	if !dict.Has(key) {
		return true, nil
	}
	n, err := doc.Int(dict.Get(key), want+1)
	return n == want, err
}

// texts reads an array of strings, which may be names.
func texts(doc *pdf.Document, o pdf.Object) ([]string, error) {
	list, _ := o.(pdf.Array)
	var out []string
	for _, item := range list {
		v, err := doc.Get(item)
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case pdf.String:
			out = append(out, v.Text())
		case pdf.Name:
			out = append(out, string(v))
		}
	}
	return out, nil
}

// allowedReason wants a reason of the list; no reason where there is no list, or one of a single
// full stop.
func allowedReason(doc *pdf.Document, o pdf.Object, reason string) (bool, error) {
	list, err := texts(doc, o)
	if len(list) == 0 || len(list) == 1 && list[0] == "." {
		return reason == "", err
	}
	return slices.Contains(list, reason), err
}

// allowedHash wants the hash, as in SHA256, to be in the list.
func allowedHash(doc *pdf.Document, o pdf.Object, hash crypto.Hash) (bool, error) {
	list, err := texts(doc, o)
	name := strings.ReplaceAll(hash.String(), "-", "")
	return slices.ContainsFunc(list, func(s string) bool { return strings.ReplaceAll(s, "-", "") == name }), err
}
