package pades

import (
	"bytes"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/pdf"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// maxMetadata bounds how much of the document's XMP is read, in bytes. The identification is near
// its start.
const maxMetadata = 1 << 20

// isPDFA reports whether a document claims to be PDF/A, by its output intent or by the
// identification in its XMP (ISO 19005-1 6.2.2, 6.7.11). Metadata that cannot be read is ignored.
func isPDFA(doc *pdf.Document) (bool, error) {
	catalog, _, err := doc.Catalog()
	if err != nil {
		return false, err
	}
	intents, err := doc.ArrayAt(catalog, "OutputIntents")
	if err != nil && signing.KindOf(err) == signing.KindStorage {
		return false, err
	}
	for _, o := range intents {
		if intent, err := doc.Dict(o); err == nil && intent.Get("S") == pdf.Name("GTS_PDFA1") {
			return true, nil
		}
	}
	o, err := doc.Get(catalog.Get("Metadata"))
	stm, ok := o.(*pdf.Stream)
	if err != nil || !ok {
		return false, nil
	}
	r, err := doc.Data(stm)
	if err != nil {
		return false, nil
	}
	xmp, err := io.ReadAll(io.LimitReader(r, maxMetadata))
	if err != nil && signing.KindOf(err) == signing.KindStorage {
		return false, err
	}
	return bytes.Contains(xmp, []byte("http://www.aiim.org/pdfa/ns/id/")), nil
}
