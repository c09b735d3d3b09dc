package pades

import (
	"crypto"
	"slices"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Flags of a seed value dictionary (ISO 32000-2 table 237). They say which entries are required.
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
	seedUnknown // this flag and all higher ones
)

// seedLevel is the highest /V that this program knows. 3 is that of ISO 32000-2.
const seedLevel = 3

// checkSeed obeys what the field requires of its signature. It refuses a requirement that this
// program would not meet or cannot judge. It ignores entries that are only proposals.
func (e *emptyField) checkSeed(doc *pdf.Document, sig signing.SignatureInfo, hash crypto.Hash) error {
	if e.seed == nil {
		return nil
	}
	flags, err := doc.Int(e.seed.Get("Ff"), 0)
	if err != nil {
		return err
	}
	if flags < 0 || flags >= seedUnknown {
		return fieldError(e.name, "requires something of its signature that is not supported")
	}
	for _, rule := range seedRules(doc, sig, hash) {
		if flags&rule.flag != rule.flag {
			continue
		}
		o, err := doc.Get(e.seed.Get(rule.key))
		if err != nil {
			return err
		}
		if o == nil && rule.flag != seedReasons { // nothing is required; but a missing list of reasons forbids a reason
			continue
		}
		met, err := rule.met(o)
		if err != nil {
			return err
		}
		if !met {
			return fieldError(e.name, "requires %s", rule.requires)
		}
	}
	return nil
}

// seedRule is the rule for one entry of a seed value dictionary.
type seedRule struct {
	flag     int64 // makes the entry a requirement; 0 means that it always is one
	key      pdf.Name
	met      func(o pdf.Object) (bool, error)
	requires string
}

func seedRules(doc *pdf.Document, sig signing.SignatureInfo, hash crypto.Hash) []seedRule {
	isZero := func(key pdf.Name) func(o pdf.Object) (bool, error) {
		return func(o pdf.Object) (bool, error) { return number(doc, o, key, 0) }
	}
	return []seedRule{
		{seedFilter, "Filter", equals(pdf.Name("Adobe.PPKLite")), "another signature handler"},
		{seedSubFilter, "SubFilter", contains(subFilterCAdES), "another encoding of its signature"},
		{seedVersion, "V", knownVersion, "a newer version of the seed value dictionary"},
		{seedReasons, "Reasons", func(o pdf.Object) (bool, error) {
			return allowedReason(doc, o, sig.Reason)
		}, "another reason for its signature"},
		{seedLegalAttestation, "LegalAttestation", never, "a legal attestation"},
		{seedAddRevInfo, "AddRevInfo", equals(false), "revocation data inside its signature"},
		{seedDigestMethod, "DigestMethod", func(o pdf.Object) (bool, error) {
			return allowedHash(doc, o, hash)
		}, "another hash algorithm for its signature"},
		{seedLockDocument, "LockDocument", func(o pdf.Object) (bool, error) {
			return o != pdf.Name("true") && o != true, nil
		}, "a signature that locks the document"},
		{seedAppearanceFilter, "AppearanceFilter", never, "another appearance for its signature"},
		{0, "MDP", isZero("P"), "a signature that certifies the document"},
		{0, "Cert", isZero("Ff"), "a certificate with certain properties"},
		{0, "TimeStamp", func(o pdf.Object) (bool, error) {
			optional, err := number(doc, o, "Ff", 0)
			return optional || sig.Level != signing.LevelB, err
		}, "a timestamp"},
	}
}

func never(pdf.Object) (bool, error) { return false, nil }

func equals(want pdf.Object) func(o pdf.Object) (bool, error) {
	return func(o pdf.Object) (bool, error) { return o == want, nil }
}

func contains(item pdf.Object) func(o pdf.Object) (bool, error) {
	return func(o pdf.Object) (bool, error) {
		list, _ := o.(pdf.Array)
		return slices.Contains(list, item), nil
	}
}

func knownVersion(o pdf.Object) (bool, error) {
	n, _ := o.(pdf.Number)
	v, ok := n.Float()
	return ok && v <= seedLevel, nil
}

// number reports whether an entry of the dictionary o equals want or is missing.
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

// texts reads an array of strings or names.
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

// allowedReason reports whether the list o contains the reason. If the list is missing or holds
// only a full stop, the signature must have no reason.
func allowedReason(doc *pdf.Document, o pdf.Object, reason string) (bool, error) {
	list, err := texts(doc, o)
	if len(list) == 0 || len(list) == 1 && list[0] == "." {
		return reason == "", err
	}
	return slices.Contains(list, reason), err
}

// allowedHash reports whether the list o contains the hash, written as in SHA256.
func allowedHash(doc *pdf.Document, o pdf.Object, hash crypto.Hash) (bool, error) {
	list, err := texts(doc, o)
	name := strings.ReplaceAll(hash.String(), "-", "")
	return slices.ContainsFunc(list, func(s string) bool { return strings.ReplaceAll(s, "-", "") == name }), err
}
