package pades

import (
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// lock says which fields must not change after a signature (ISO 32000-2 tables 236 and 259).
type lock struct {
	action pdf.Name        // All, Include or Exclude
	names  map[string]bool // fields, each with all fields below it
	all    bool            // /P 1: the whole document is locked
}

// covers reports whether the lock covers the field called name.
func (l *lock) covers(name string) bool {
	named := l.names[name]
	for i := 0; i < len(name) && !named; i++ {
		named = name[i] == '.' && l.names[name[:i]]
	}
	switch l.action {
	case "All":
		return true
	case "Include":
		return named
	case "Exclude":
		return !named
	}
	return false
}

// readLocks reads what a signed field locks: by the FieldMDP of its signature, and by its own
// /Lock.
func (f *form) readLocks(doc *pdf.Document, fd field, signature *pdf.Dict) error {
	err := eachReference(doc, signature, func(method pdf.Name, params *pdf.Dict) error {
		if method != "FieldMDP" {
			return nil
		}
		return f.addLock(doc, params)
	})
	if err != nil {
		return err
	}
	own, err := doc.DictAt(fd.dict, "Lock")
	if err != nil || own == nil {
		return err
	}
	return f.addLock(doc, own)
}

func (f *form) addLock(doc *pdf.Document, dict *pdf.Dict) error {
	l := lock{names: map[string]bool{}}
	p, err := doc.Int(dict.Get("P"), 0)
	if err != nil {
		return err
	}
	l.all = p == 1
	f.noAnnotations = f.noAnnotations || p == 2
	if l.action, err = doc.Name(dict.Get("Action")); err != nil {
		return err
	}
	names, err := doc.ArrayAt(dict, "Fields")
	if err != nil {
		return err
	}
	if f.locked += 1 + len(names); f.locked > maxLocked {
		return signing.Errorf(signing.KindTooComplex,
			"PDF is too complex: its signatures lock more than %d fields", maxLocked)
	}
	for _, o := range names {
		v, err := doc.Get(o)
		if err != nil {
			return err
		}
		if s, ok := v.(pdf.String); ok && len(s.Value) <= maxNameBytes { // no field has a longer name
			l.names[s.Text()] = true
		}
	}
	f.locks = append(f.locks, l)
	return nil
}

// checkAnnotations obeys a certification or a lock that allows no new annotations. A new visible
// field is a new annotation. An invisible field shows nothing, and an existing field is already an
// annotation (ISO 32000-2 tables 236 and 257).
func (f *form) checkAnnotations() error {
	if f.noAnnotations {
		return forbidden(
			"its certification or an earlier signature allows no new visible field. " +
				"Sign invisibly, or sign an existing field",
		)
	}
	return nil
}

// checkLocks obeys the locks of earlier signatures. A new field is locked by /All, and by an
// /Exclude that does not name it.
func (f *form) checkLocks(target string) error {
	name := target
	if name == "" {
		name = f.freeName()
	}
	for i := range f.locks {
		switch l := &f.locks[i]; {
		case l.all:
			return forbidden("an earlier signature allows no changes")
		case l.covers(name) && target != "":
			return forbidden("an earlier signature locks the field to be signed")
		case l.covers(name):
			return forbidden("an earlier signature locks its form fields")
		}
	}
	return nil
}
