package pades

import (
	"crypto/sha256"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
)

const (
	maxKnown      = 256     // validation streams of a document that are looked at for doubles
	maxValidation = 8 << 20 // bytes of one of them
)

// elements is a set of DER values in the order in which they came.
type elements struct {
	seen map[[32]byte]bool
	list [][]byte
}

func (e *elements) add(values ...[]byte) {
	if e.seen == nil {
		e.seen = map[[32]byte]bool{}
	}
	for _, v := range values {
		if sum := sha256.Sum256(v); !e.seen[sum] {
			e.seen[sum] = true
			e.list = append(e.list, v)
		}
	}
}

// validation is what goes into the document security store.
type validation struct{ certs, ocsps, crls elements }

// dssSection writes a section that puts data into the document security store (ISO 32000-2 12.8.4.3, ETSI EN 319 142-1 5.4.2).
// What is in the store already stays, and is not stored again. There is no /VRI of ours: it is optional.
func dssSection(doc *pdf.Document, data *validation) ([]byte, error) {
	u, err := pdf.NewUpdate(doc)
	if err != nil {
		return nil, err
	}
	catalog, root, err := doc.Catalog()
	if err != nil {
		return nil, err
	}
	old, err := doc.Dict(catalog.Get("DSS"))
	if err != nil {
		return nil, err
	}
	dss := old.Clone()
	dss.Set("Type", pdf.Name("DSS"))
	for _, e := range []struct {
		key  pdf.Name
		data *elements
	}{{"Certs", &data.certs}, {"OCSPs", &data.ocsps}, {"CRLs", &data.crls}} {
		list, err := addStreams(u, old.Get(e.key), e.data)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			dss.Set(e.key, list)
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

// addStreams returns the array under entry with a new stream for each element that is not in it yet.
func addStreams(u *pdf.Update, entry pdf.Object, data *elements) (pdf.Array, error) {
	doc := u.Document()
	old, err := doc.Array(entry)
	if err != nil {
		return nil, err
	}
	known := map[[32]byte]bool{}
	for _, o := range old[:min(len(old), maxKnown)] {
		if content, err := streamContent(doc, o); err == nil {
			known[sha256.Sum256(content)] = true
		}
	}
	list := old.Clone()
	for _, v := range data.list {
		if !known[sha256.Sum256(v)] {
			list = append(list, u.Add(pdf.NewStream(pdf.NewDict(), v)))
		}
	}
	return list, nil
}

// streamContent reads one stream of a document security store.
func streamContent(doc *pdf.Document, o pdf.Object) ([]byte, error) {
	v, err := doc.Get(o)
	if err != nil {
		return nil, err
	}
	stm, ok := v.(*pdf.Stream)
	if !ok {
		return nil, damaged("its validation data is no stream")
	}
	r, err := doc.Data(stm)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxValidation))
}
