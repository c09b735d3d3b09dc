package storetest

import (
	"bytes"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing/formattest"
)

// shaped is what is stored of one signed document of a shape.
type shaped struct {
	formattest.Shape
	original []byte
	result   signing.DocumentResult
}

// finishShapes signs a document of every shape, with sections of size bytes, in one operation.
func (f *fixture) finishShapes(reference string, size int) []shaped {
	f.Helper()
	var contents []string
	for i, shape := range formattest.Shapes {
		contents = append(contents, string(shape.Original([]byte(many(i + 1)[i]))))
	}
	op := f.create("c", reference, contents...)
	var all []shaped
	var refs []signing.Ref
	var results []signing.DocumentResult
	for i, shape := range formattest.Shapes {
		refs = append(refs, refsOf(op.ID, i)...)
		r := signing.DocumentResult{Ref: refs[i], Section: bytes.Repeat([]byte{byte('a' + i)}, size)}
		r.Pieces = shape.Pieces(int64(len(contents[i])), int64(size))
		results = append(results, r)
		all = append(all, shaped{shape, []byte(contents[i]), r})
	}
	f.advance(signing.DocumentValued, refs)
	f.must(f.FinishDocuments(f.ctx(), results))
	return all
}

// wantShapes compares signed documents of every shape with what was stored.
func (f *fixture) wantShapes(all []shaped) {
	f.Helper()
	for _, s := range all {
		d := f.document(s.result.Ref)
		f.wantEqual(s.Name+": Pieces of Documents", d.Pieces, s.result.Pieces)
		section, pieces, err := f.OpenSection(f.ctx(), s.result.Ref)
		f.must(err)
		f.wantEqual(s.Name+": Pieces of OpenSection", pieces, s.result.Pieces)
		original, err := f.OpenFile(f.ctx(), s.result.Operation, d.Content)
		f.must(err)
		joined, err := signing.Join(original, section, pieces)
		f.must(err)
		f.wantFile(s.Name+": joined document", joinedFile{joined}, nil, s.Joined(s.original, s.result.Section))
		_ = original.Close()
		_ = section.Close()
	}
}

// joinedFile makes a joined document a File. Its parts are closed by whoever opened them.
type joinedFile struct{ *signing.Joined }

func (joinedFile) Close() error { return nil }

var shapeTests = []test{
	{name: "signed documents of every shape", run: func(f *fixture) {
		small, large := f.finishShapes("small", 50), f.finishShapes("large", 300_000)
		f.wantShapes(small)
		f.wantShapes(large)
	}},
	{name: "every shape survives", reopens: true, run: func(f *fixture) {
		small, large := f.finishShapes("small", 50), f.finishShapes("large", 300_000)
		f.restart()
		f.wantShapes(small)
		f.wantShapes(large)
	}},
	{name: "a result without pieces is appended", run: func(f *fixture) {
		op := f.create("c", "r", "content")
		refs := refsOf(op.ID, 0)
		f.wantEqual("Pieces before it is signed", f.document(refs[0]).Pieces, signing.Pieces(nil))
		f.advance(signing.DocumentSigned, refs)
		size := int64(len(signedOf(refs, 100)[0].Section))
		f.wantEqual("Pieces", f.document(refs[0]).Pieces, signing.Appended(7, size))
	}},
	{name: "pieces that do not fit", run: func(f *fixture) {
		op := f.create("c", "r", "content", "another")
		refs := refsOf(op.ID, 0, 1)
		f.advance(signing.DocumentValued, refs)
		for name, pieces := range map[string]signing.Pieces{
			"empty":               {},
			"of a larger one":     signing.Appended(8, 3),
			"of a smaller one":    signing.Appended(6, 3),
			"section too short":   signing.Appended(7, 2),
			"original twice":      {{To: 7}, {New: true, To: 3}, {To: 7}},
			"section in front":    {{New: true, To: 3}, {To: 6}},
			"beyond every number": {{To: 1<<63 - 1}, {New: true, To: 3}},
		} {
			results := signedOf(refs, 3)
			results[1].Section, results[1].Pieces = []byte("new"), pieces
			err := f.FinishDocuments(f.ctx(), results)
			f.wantKind("FinishDocuments with pieces "+name, err, signing.KindInternal)
			f.wantStates("FinishDocuments with pieces "+name, op.ID, signing.DocumentValued, signing.DocumentValued)
		}
	}},
}
