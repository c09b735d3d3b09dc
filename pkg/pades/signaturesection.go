package pades

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// byteRangeDigits is the width of each number in the ByteRange. It is enough for files up to 100
	// GB.
	byteRangeDigits = 11
	// widgetFlags are Print and Locked (ISO 32000-2 table 167).
	widgetFlags = 4 | 128
	// sigFlags are SignaturesExist and AppendOnly (ISO 32000-2 table 225).
	sigFlags = 1 | 2
	// extensionSignature is the ESIC extension level of PAdES signatures. extensionDSS is that of
	// documents with a DSS.
	extensionSignature = 2
	extensionDSS       = 5
)

// preparedSection is a section with reserved contents: zeros in /Contents, where the signature will
// stand.
type preparedSection struct {
	head, tail []byte // head ends with < of /Contents, tail starts with >
	reserved   int    // hexadecimal digits between them
	signature  pdf.Ref
}

// fill returns the section with der in the reserved contents. The caller makes sure that der fits.
func (h *preparedSection) fill(der []byte) []byte {
	section := make([]byte, 0, len(h.head)+h.reserved+len(h.tail))
	section = append(section, h.head...)
	section = hex.AppendEncode(section, der)
	section = append(section, bytes.Repeat([]byte{'0'}, h.reserved-2*len(der))...)
	return append(section, h.tail...)
}

// fieldSpec says what distinguishes one new signature field from another.
type fieldSpec struct {
	value *pdf.Dict // signature dictionary without ByteRange and Contents
	size  int       // bytes reserved for the content
	level int64     // ESIC extension level
	// visible says what the field shows and where. It is nil for an invisible field.
	visible *visible
}

// signatureSection writes the section that signs doc, with size bytes reserved for the SignedData.
// v is nil for an invisible signature.
func signatureSection(doc *pdf.Document, f *form, in signing.Input, v *visible, size int) (*preparedSection, error) {
	value := pdf.NewDict("Type", pdf.Name("Sig"), "Filter", pdf.Name("Adobe.PPKLite"), "SubFilter",
		pdf.Name("ETSI.CAdES.detached"), "M", pdf.Text(date(in.Time)))
	if in.Signature.Reason != "" {
		value.Set("Reason", pdf.Text(in.Signature.Reason))
	}
	if in.Signature.Location != "" {
		value.Set("Location", pdf.Text(in.Signature.Location))
	}
	if v != nil && v.field != nil {
		reference, err := v.field.reference(doc)
		if err != nil {
			return nil, err
		}
		if reference != nil {
			value.Set("Reference", pdf.Array{reference})
		}
	}
	return fieldSection(doc, f, fieldSpec{value: value, size: size, level: extensionSignature, visible: v})
}

// fieldSection writes a section with a new signature field, or with the existing field that
// spec.visible names.
func fieldSection(doc *pdf.Document, f *form, spec fieldSpec) (*preparedSection, error) {
	u, err := pdf.NewUpdate(doc)
	if err != nil {
		return nil, err
	}
	ranges := pdf.NewSlot([]byte(strings.Repeat(" ", len("[0    ]")+3*byteRangeDigits)))
	contents := pdf.NewSlot([]byte("<" + strings.Repeat("0", 2*spec.size) + ">"))
	spec.value.Set("ByteRange", ranges)
	spec.value.Set("Contents", contents)
	signature := u.Add(spec.value)
	if err := addField(u, f, signature, spec.visible); err != nil {
		return nil, err
	}
	if err := declare(u, spec.level); err != nil {
		return nil, err
	}
	section, err := u.Bytes()
	if err != nil {
		return nil, err
	}
	base := doc.Size()
	gapStart := contents.Offset()
	gapEnd := gapStart + int64(contents.Len())
	text := fmt.Sprintf("[0 %-*d %-*d %-*d]", byteRangeDigits, gapStart, byteRangeDigits, gapEnd, byteRangeDigits,
		base+int64(len(section))-gapEnd)
	if copy(section[ranges.Offset()-base:], text); len(text) > ranges.Len() {
		return nil, signing.Errorf(signing.KindTooComplex, "the document is too large to be signed")
	}
	return &preparedSection{
		head: section[:gapStart-base+1], tail: section[gapEnd-base-1:], reserved: 2 * spec.size, signature: signature,
	}, nil
}

// addField adds a field, which is also its widget, to its page and to the form. An invisible field
// is added to the first page. If v names an existing field, addField signs that field instead.
func addField(u *pdf.Update, f *form, signature pdf.Ref, v *visible) error {
	if v == nil {
		page, err := u.Document().Page(0)
		if err != nil {
			return err
		}
		if _, err := u.Document().Annotations(page); err != nil {
			return err
		}
		// PDF/A requires an appearance even for an invisible field (ISO 19005-1 6.9).
		box := pdf.Array{pdf.Int(0), pdf.Int(0), pdf.Int(0), pdf.Int(0)}
		appearance := u.Add(pdf.NewStream(pdf.NewDict(
			"Type", pdf.Name("XObject"), "Subtype", pdf.Name("Form"), "BBox", box, "Resources", pdf.NewDict(),
		), nil))
		return addWidget(u, f, signature, page.Ref, box, appearance, addAnnotation)
	}
	rect, appearance := v.write(u)
	if v.field == nil {
		return addWidget(u, f, signature, v.page, rect, appearance, addOwnAnnotation)
	}
	if err := v.field.sign(u, signature, appearance); err != nil {
		return err
	}
	_, root, err := u.Document().Catalog()
	if err != nil {
		return err
	}
	edited, err := editForm(u, f, root)
	if err != nil {
		return err
	}
	return markSigned(u, f, edited)
}

func addWidget(
	u *pdf.Update,
	f *form,
	signature, page pdf.Ref,
	rect pdf.Array,
	appearance pdf.Ref,
	annotate func(u *pdf.Update, page, widget pdf.Ref) error,
) error {
	widget := u.Add(pdf.NewDict(
		"Type", pdf.Name("Annot"), "Subtype", pdf.Name("Widget"), "FT", pdf.Name("Sig"), "T", pdf.Text(f.freeName()),
		"V", signature, "F", pdf.Int(widgetFlags), "Rect", rect, "P", page, "AP", pdf.NewDict("N", appearance),
	))
	if err := annotate(u, page, widget); err != nil {
		return err
	}
	return addToForm(u, f, widget)
}

// newField is the start of the name of a new field.
const newField = "Signature"

// freeName returns the first of the names Signature1, Signature2 … that no field has.
func (f *form) freeName() string {
	for i := 1; ; i++ {
		if name := newField + strconv.Itoa(i); !f.names[name] {
			return name
		}
	}
}

// addAnnotation appends the widget to the page's /Annots, which may be missing, direct or an
// indirect object.
func addAnnotation(u *pdf.Update, page, widget pdf.Ref) error {
	dict, err := u.Document().Dict(page)
	if err != nil {
		return err
	}
	return appendTo(u, dict, "Annots", widget, func() (*pdf.Dict, error) { return u.EditDict(page) })
}

// addOwnAnnotation appends a visible widget to a new array that belongs to this page alone. Pages
// may share one array, and then all of them would show the widget.
func addOwnAnnotation(u *pdf.Update, page, widget pdf.Ref) error {
	dict, err := u.EditDict(page)
	if err != nil {
		return err
	}
	list, err := u.Document().ArrayAt(dict, "Annots")
	if err != nil {
		return err
	}
	dict.Set("Annots", append(list.Clone(), widget))
	return nil
}

// appendTo appends item to the array under a key of a dictionary. If the array is an indirect
// object, only this object changes. Otherwise the dictionary that edit returns changes.
func appendTo(u *pdf.Update, dict *pdf.Dict, key pdf.Name, item pdf.Ref, edit func() (*pdf.Dict, error)) error {
	list, err := u.Document().ArrayAt(dict, key)
	if err != nil {
		return err
	}
	list = append(list.Clone(), item)
	if ref, ok := dict.Get(key).(pdf.Ref); ok && len(list) > 1 {
		return putArray(u, ref, list)
	}
	owner, err := edit()
	if err != nil {
		return err
	}
	owner.Set(key, list)
	return nil
}

// putArray replaces the array that ref leads to. It follows references to references.
func putArray(u *pdf.Update, ref pdf.Ref, list pdf.Array) error {
	for range 32 {
		next, err := u.Document().Object(ref)
		if err != nil {
			return err
		}
		deeper, ok := next.(pdf.Ref)
		if !ok {
			break
		}
		ref = deeper
	}
	u.Put(ref, list)
	return nil
}

// addToForm adds the widget to the interactive form, or creates a form (ISO 32000-2 12.7.3). It
// keeps everything that the form contains.
func addToForm(u *pdf.Update, f *form, widget pdf.Ref) error {
	_, root, err := u.Document().Catalog()
	if err != nil {
		return err
	}
	if f.dict == nil {
		catalog, err := u.EditDict(root)
		if err != nil {
			return err
		}
		catalog.Set("AcroForm", u.Add(pdf.NewDict("Fields", pdf.Array{widget}, "SigFlags", pdf.Int(sigFlags))))
		return nil
	}
	edited, err := editForm(u, f, root)
	if err != nil {
		return err
	}
	if err := appendTo(u, f.dict, "Fields", widget, func() (*pdf.Dict, error) { return edited, nil }); err != nil {
		return err
	}
	return markSigned(u, f, edited)
}

// markSigned sets /SigFlags in edited, the copy of the form that will be written.
func markSigned(u *pdf.Update, f *form, edited *pdf.Dict) error {
	flags, err := u.Document().Int(f.dict.Get("SigFlags"), 0)
	if err != nil {
		return err
	}
	edited.Set("SigFlags", pdf.Int(flags|sigFlags))
	return nil
}

// editForm returns the copy of the form that will be written, as an indirect object or as part of
// the catalog.
func editForm(u *pdf.Update, f *form, root pdf.Ref) (*pdf.Dict, error) {
	if f.ref.Number != 0 {
		return u.EditDict(f.ref)
	}
	catalog, err := u.EditDict(root)
	if err != nil {
		return nil, err
	}
	edited := f.dict.Clone()
	catalog.Set("AcroForm", edited)
	return edited, nil
}

// declare adds the ESIC developer extension to the catalog of a document below PDF 2.0 (ISO 32000-2
// 7.12, ETSI EN 319 142-1 5.6), unless the document declares this level or a higher one.
func declare(u *pdf.Update, level int64) error {
	doc := u.Document()
	version, err := doc.Version()
	if err != nil || !version.Less(pdf.Version{Major: 2}) {
		return err
	}
	catalog, root, err := doc.Catalog()
	if err != nil {
		return err
	}
	extensions, err := doc.DictAt(catalog, "Extensions")
	if err != nil {
		return err
	}
	esic, err := doc.Get(extensions.Get("ESIC"))
	if err != nil {
		return err
	}
	if old, ok := esic.(*pdf.Dict); ok {
		if n, err := doc.Int(old.Get("ExtensionLevel"), 0); err != nil || n >= level {
			return err
		}
	}
	edited, err := u.EditDict(root)
	if err != nil {
		return err
	}
	extensions = extensions.Clone()
	extensions.Set("ESIC", pdf.NewDict("BaseVersion", pdf.Name("1.7"), "ExtensionLevel", pdf.Int(level)))
	edited.Set("Extensions", extensions)
	return nil
}
