package pades

import (
	"crypto/sha256"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/evidence"
	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// maxKnown is how many existing validation streams of one kind are searched for duplicates: the
	// newest ones, at the end of their list.
	maxKnown      = 256
	maxAdded      = 256      // streams of one kind that one signature may add
	maxValidation = 64 << 20 // bytes of all streams of one kind
)

// dssSection writes a section that adds data to the document security store (ISO 32000-2 12.8.4.3,
// ETSI EN 319 142-1 5.4.2). Existing entries stay and are not stored again. It adds no /VRI, which
// is optional.
func dssSection(doc *pdf.Document, data *evidence.Data) ([]byte, error) {
	u, err := pdf.NewUpdate(doc)
	if err != nil {
		return nil, err
	}
	catalog, root, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	old, lists, err := storeLists(doc)
	if err != nil {
		return nil, err
	}
	dss := old.Clone()
	dss.Set("Type", pdf.Name("DSS"))
	for i, data := range []*evidence.Elements{&data.Certificates, &data.OCSPs, &data.CRLs} {
		list, err := addStreams(u, lists[i], data)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			dss.Set(storeKeys[i], list)
		}
	}
	if ref, ok := catalog.Get("DSS").(pdf.Ref); ok && old != nil {
		u.Put(ref, dss)
	} else {
		edited, err := u.EditDict(root)
		if err != nil {
			return nil, err
		}
		edited.Set("DSS", u.Add(dss))
	}
	if err := declare(u, extensionDSS); err != nil {
		return nil, err
	}
	return u.Bytes()
}

// storeKeys are the keys of the lists in a document security store.
var storeKeys = [3]pdf.Name{"Certs", "OCSPs", "CRLs"}

// storeLists returns the document security store, with the lists under storeKeys. dss is nil if the
// document has no store.
func storeLists(doc *pdf.Document) (dss *pdf.Dict, lists [3]pdf.Array, err error) {
	catalog, _, err := doc.Catalog()
	if err != nil {
		return nil, lists, err
	}
	if dss, err = doc.DictAt(catalog, "DSS"); err != nil {
		return nil, lists, err
	}
	for i, key := range storeKeys {
		if lists[i], err = doc.ArrayAt(dss, key); err != nil {
			return nil, lists, err
		}
	}
	return dss, lists, nil
}

// addStreams returns the list with a new stream for each element that it does not contain yet.
func addStreams(u *pdf.Update, old pdf.Array, data *evidence.Elements) (pdf.Array, error) {
	list := old.Clone()
	if len(data.List()) == 0 {
		return list, nil
	}
	if len(data.List()) > maxAdded {
		return nil, signing.Errorf(signing.KindRevocation,
			"there are more than %d certificates, OCSP responses or CRLs to store", maxAdded)
	}
	known := map[[32]byte]bool{}
	err := eachStream(u.Document(), old, maxKnown, func(der []byte) { known[sha256.Sum256(der)] = true })
	if err != nil {
		return nil, err
	}
	for _, v := range data.List() {
		if !known[sha256.Sum256(v)] {
			list = append(list, u.Add(pdf.NewStream(pdf.NewDict(), v)))
		}
	}
	return list, nil
}

// eachStream visits the newest count streams of a list of a document security store, newest first,
// and stops after maxValidation bytes. It skips streams that cannot be read, because other programs
// may have stored them.
func eachStream(doc *pdf.Document, list pdf.Array, count int, visit func(der []byte)) error {
	left := int64(maxValidation)
	for i := len(list) - 1; i >= max(0, len(list)-count); i-- {
		der, err := streamContent(doc, list[i], left)
		if signing.KindOf(err) == signing.KindStorage {
			return err
		}
		if left -= int64(len(der)); left <= 0 {
			return nil
		}
		if err == nil {
			visit(der)
		}
	}
	return nil
}

// streamContent reads at most limit bytes of one stream of a document security store.
func streamContent(doc *pdf.Document, o pdf.Object, limit int64) ([]byte, error) {
	v, err := doc.Get(o)
	if err != nil {
		return nil, err
	}
	stm, ok := v.(*pdf.Stream)
	if !ok {
		return nil, damaged("its validation data is not a stream")
	}
	r, err := doc.Data(stm)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, limit))
}
